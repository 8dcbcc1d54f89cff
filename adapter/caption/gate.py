"""Decides about the answers to one request: which one is given, and whether the model is asked again.

Pure: asking is left to the captioner.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from adapter.caption.answer import Answer
from adapter.caption.flaws import Flaw, Kind
from adapter.caption.quality import LENGTH, judge
from adapter.caption.repair import repaired
from adapter.caption.request import CaptionRequest, Limit
from adapter.caption.sampling import MAX_TEMPERATURE
from adapter.errors import BadCaptionError
from adapter.stable_hash import stable_seed

# For each further attempt. A greedy answer repeats its failure (Sa2VA 137: 18 identical ones).
WARMER = 0.2
MAX_TOKENS = 2048  # that are asked for unless somebody wants more, as in the legacy contract
# What is missing may be all that makes a text too short, or a list of a sentence.
CAUSED_BY_CUT = frozenset((Kind.CUT, Kind.EMPTY, Kind.FORM))


class OnFlaw(StrEnum):
    """What becomes of a caption that is bad after all attempts."""

    FAIL = "fail"
    KEEP = "keep"


@dataclass(frozen=True)
class Quality:
    """How often the model is asked for one good text, and what becomes of a bad one."""

    attempts: int = 3
    on_flaw: OnFlaw = OnFlaw.FAIL


@dataclass(frozen=True)
class _Judged:
    answer: Answer
    flaws: tuple[Flaw, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of its hard flaws."""
        return tuple(flaw.kind for flaw in self.flaws if flaw.is_hard)

    @property
    def is_long(self) -> bool:
        """Whether it met its limit."""
        return self.answer.choices[0].engine_reason == LENGTH

    @property
    def is_only_cut(self) -> bool:
        """Whether nothing is wrong with it but what a cut leads to."""
        return self.is_long and CAUSED_BY_CUT.issuperset(self.kinds)


class Gate:
    """Judges the answers to a request one by one.

    While `pending` is a request, it is to be asked, and the answer to be given to `take`. Afterwards `result`
    gives what the client gets. Not judged are several choices and requests without a brief.
    """

    def __init__(self, request: CaptionRequest, quality: Quality) -> None:
        self._request = request
        self._quality = quality
        self._judged: list[_Judged] = []
        self._result: Answer | None = None
        self.pending: CaptionRequest | None = to_attempt(request, 0)

    def take(self, answer: Answer) -> tuple[Kind, ...]:
        """Takes the answer to the pending request, and gives the flaws for which it isn't given as it is."""
        request = self._request
        if request.brief is None or request.sampling.n > 1:
            self._accept(answer)
            return ()
        judged = _Judged(answer, self._judge(answer, request))
        if not judged.kinds:
            self._accept(answer, judged.flaws)
            return ()
        self._judged.append(judged)
        number = len(self._judged)
        # What was cut at the user's own limit would be cut again.
        is_final = judged.is_only_cut and request.limit is Limit.CHOSEN
        if number < self._quality.attempts and not is_final:
            cuts = sum(each.is_long and Kind.CUT in each.kinds for each in self._judged)
            self.pending = to_attempt(request, number, cuts)
        else:
            self.pending = None
        return judged.kinds

    def give_up(self) -> bool:
        """Takes no more answers, and tells whether one of those that came can be given."""
        self.pending = None
        return any(self._repair(judged) is not None for judged in self._judged)

    def result(self) -> Answer:
        """Gives the first good answer, or else the least bad one. Raises BadCaptionError."""
        if self._result is not None:
            return self._result
        mended = [one for judged in self._judged if (one := self._repair(judged)) is not None]
        rejected = tuple(kind for judged in self._judged for kind in judged.kinds)
        attempts = len(self._judged)
        if mended:
            best = max(mended, key=lambda answer: len(answer.text))
            return replace(best, attempts=attempts, rejected=rejected)
        least = min(self._judged, key=lambda judged: (Kind.EMPTY in judged.kinds, len(judged.kinds)))
        if self._quality.on_flaw is OnFlaw.KEEP:
            return replace(least.answer, flaws=least.flaws, attempts=attempts, rejected=rejected)
        raise BadCaptionError(least.answer.text, [kind.value for kind in least.kinds], attempts)

    def _accept(self, answer: Answer, flaws: tuple[Flaw, ...] | None = None) -> None:
        rejected = tuple(kind for judged in self._judged for kind in judged.kinds)
        attempts = len(self._judged) + 1
        self._result = replace(answer, flaws=flaws, attempts=attempts, rejected=rejected)
        self.pending = None

    def _judge(self, answer: Answer, request: CaptionRequest) -> tuple[Flaw, ...]:
        assert request.brief is not None
        choice = answer.choices[0]
        flaws = judge(choice.text, request.brief, choice.engine_reason)
        if request.limit is Limit.BINDING and choice.engine_reason == LENGTH:
            return tuple(flaw for flaw in flaws if flaw.kind not in CAUSED_BY_CUT)
        return flaws

    def _repair(self, judged: _Judged) -> Answer | None:
        """Gives the answer without its bad end, None where that doesn't make it good."""
        brief, choice = self._request.brief, judged.answer.choices[0]
        # Log probabilities belong to the tokens of the whole text.
        if brief is None or choice.logprobs is not None:
            return None
        text = repaired(choice.text, judged.flaws, brief)
        if text is None:
            return None
        soft = tuple(flaw for flaw in judge(text, brief, "stop") if not flaw.is_hard)
        flaws = (*soft, Flaw(Kind.REPAIRED, len(text), len(text)))
        whole = replace(choice, text=text, finish_reason="stop")  # nothing is missing of what is left
        return replace(judged.answer, choices=(whole,), flaws=flaws)


def to_attempt(request: CaptionRequest, number: int, cuts: int = 0) -> CaptionRequest:
    """Gives the request for an attempt, 0 for the first one, after so many answers that were cut.

    The seed of each attempt follows from the request's. Those of `request.earlier` were used before.
    """
    sampling = request.sampling
    seed = sampling.seed
    if seed is not None and number + request.earlier:
        seed = stable_seed(f"attempt\0{number + request.earlier}\0{seed}")
    warmer = min(sampling.temperature + WARMER * number, MAX_TEMPERATURE)
    longer = sampling.max_tokens
    if request.limit is Limit.DEFAULT:
        longer = max(longer, min(longer * 2**cuts, MAX_TOKENS))
    return replace(
        request,
        sampling=replace(
            sampling,
            seed=seed,
            # A client's own temperature may be higher still.
            temperature=max(sampling.temperature, round(warmer, 6)),
            max_tokens=longer,
        ),
    )
