"""What `GET /metrics` tells Prometheus: what was asked, what came of it, and how long each stage took."""

import functools
from collections.abc import Callable, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from adapter.captioner.admission import Admission
from adapter.engine.endpoint import Engine
from adapter.engine.fleet import Fleet
from adapter.trace import Stage, Trace

# Seconds: from a file that is in memory already to a long caption in a full queue.
BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


def _in_flight(engine: Engine) -> float:
    return engine.endpoint.in_flight if engine.endpoint is not None else 0


def _asked(engine: Engine) -> float:
    return engine.endpoint.holds if engine.endpoint is not None else 0


def _self_check(engine: Engine) -> float:
    trusted = engine.status.value.trusted
    return -1 if trusted is None else trusted


# Each engine's gauges by their names: what they are, and how they are read.
ENGINE_GAUGES: Mapping[str, tuple[str, Callable[[Engine], float]]] = {
    "engine_ready": (
        "1 when the engine has passed its self-check and answers",
        lambda engine: engine.status.value.ready,
    ),
    "engine_asleep": (
        "1 while the engine is ended to free its memory",
        lambda engine: engine.status.value.state == "asleep",
    ),
    "engine_in_flight": ("Images that have a place at the engine", _in_flight),
    "engine_asked": ("Images that had a place at the engine since it became ready", _asked),
    "engine_restarts": (
        "Starts of the engine after its first",
        lambda engine: max(0, engine.status.value.starts - 1),
    ),
    "self_check_passed": ("1 passed, 0 failed, -1 not made yet", _self_check),
}


class Metrics:
    """The metrics of one service. They share nothing with those of another one in the same process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "joycaption_requests", "Requests answered", ["face", "status"], registry=registry
        )
        self._captions = Counter("joycaption_captions", "Captions made", registry=registry)
        self._failures = Counter(
            "joycaption_failures", "Images and requests that failed", ["reason"], registry=registry
        )
        self._flaws = Counter(
            "joycaption_flaws",
            "Hard flaws of the engine's answers, whatever became of them",
            ["kind"],
            registry=registry,
        )
        self._tokens = Counter("joycaption_tokens", "Tokens", ["kind"], registry=registry)
        self._hits = Counter(
            "joycaption_read_ahead_hits", "Captions made ahead that were asked for", registry=registry
        )
        self._misses = Counter(
            "joycaption_read_ahead_misses",
            "Captions begun ahead that weren't asked for, or not as they were made",
            registry=registry,
        )
        self._wasted = Counter(
            "joycaption_read_ahead_wasted_tokens", "Completion tokens of the misses", registry=registry
        )
        stages = Histogram(
            "joycaption_stage_seconds",
            "Seconds that an image was in each stage",
            ["stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}

    def watch(self, fleet: Fleet, admission: Admission) -> None:
        """Adds the gauges, which read the state of engines and queue whenever they are asked."""
        for name, what, read in (
            ("in_flight", "Images that have their turn", lambda: admission.in_flight),
            ("queued", "Images that wait for it", lambda: admission.waiting),
        ):
            Gauge(f"joycaption_{name}", what, registry=self._registry).set_function(read)
        for name, (what, of) in ENGINE_GAUGES.items():
            gauge = Gauge(f"joycaption_{name}", what, ["engine"], registry=self._registry)
            for engine in fleet.engines:
                gauge.labels(engine.identity.name).set_function(functools.partial(of, engine))

    def observe_stage(self, stage: Stage, seconds: float) -> None:
        """Counts one stage of one image."""
        self._stages[stage].observe(seconds)

    def count_hit(self) -> None:
        """Counts a caption made ahead that was asked for."""
        self._hits.inc()

    def count_miss(self, tokens: int) -> None:
        """Counts a caption made ahead in vain, with its completion tokens."""
        self._misses.inc()
        self._wasted.inc(tokens)

    def count(self, face: str, status: int, trace: Trace) -> None:
        """Counts a request that has ended."""
        self._requests.labels(face, str(status)).inc()
        if trace.captions:
            self._captions.inc(trace.captions)
        if trace.prompt_tokens:
            self._tokens.labels("prompt").inc(trace.prompt_tokens)
            self._tokens.labels("completion").inc(trace.completion_tokens)
        for kind, number in trace.flaws.items():
            self._flaws.labels(kind).inc(number)
        for reason, number in trace.failures.items():
            self._failures.labels(reason).inc(number)

    def render(self) -> bytes:
        """Gives all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
