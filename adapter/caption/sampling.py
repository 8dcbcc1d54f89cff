"""How the model chooses its next token."""

from dataclasses import dataclass, replace
from typing import Any

NO_TOP_K = -1  # vLLM's way to say that nothing is cut
MAX_TEMPERATURE = 2.0  # OpenAI's limit


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The values that go with every request. A temperature of 0 is greedy; a `top_k` of 0 cuts nothing.

    The defaults are neutral: they leave the model's own probabilities as they are. `top_logprobs` None asks
    for no log probabilities, 0 for the chosen tokens' alone.
    """

    temperature: float
    top_p: float
    max_tokens: int
    top_k: int = 0
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    top_logprobs: int | None = None

    def overridden(self, **given: Any) -> "Sampling":
        """Gives these values, replaced by those of `given` that aren't None."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def arguments(self) -> dict[str, Any]:
        """Gives every value as the engine takes it, so that nothing depends on the engine's own defaults."""
        greedy = self.temperature == 0.0
        return vars(self) | {
            "top_p": 1.0 if greedy else self.top_p,
            "top_k": NO_TOP_K if greedy or self.top_k == 0 else self.top_k,
            "logprobs": self.top_logprobs is not None,
            "skip_special_tokens": True,
        }
