"""How busy an engine is, from the metrics that vLLM publishes. Pure."""

import re
from dataclasses import dataclass
from typing import Self

# vLLM's names, in the order of Load's fields. An engine of several cores has a line of each for every core.
SERIES = (b"num_requests_running", b"num_requests_waiting", b"generation_tokens_total")
LINE = re.compile(rb"^vllm:(%s)(?:\{[^}]*\})? ([0-9.e+]+)" % b"|".join(SERIES), re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """How many requests are being computed, how many wait, and how many tokens were written so far."""

    running: int
    waiting: int
    generated_tokens: int = 0

    @classmethod
    def of(cls, metrics: bytes) -> Self:
        """Reads the load from metrics in Prometheus's text format. What they don't tell counts as 0."""
        sums = dict.fromkeys(SERIES, 0.0)
        for name, value in LINE.findall(metrics):
            sums[name] += float(value)
        return cls(*(int(sums[name]) for name in SERIES))
