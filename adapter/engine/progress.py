"""Reads how far an engine is from the lines that it prints. Pure.

Every figure was seen: packages and bytes that pip named, bytes in the hub's cache, shards and stages that
vLLM logged. Nothing is taken from the clock, and nothing goes backwards.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from adapter.engine.failure import Failure
from adapter.engine.installation import Installation

Status = Literal["idle", "downloading", "loading", "ready", "error"]

# Where each stage begins, of 1.0. An installed and downloaded model starts at LOADING.
PREPARING, INSTALLING, DOWNLOADING, LOADING, WARMING_UP, READY = 0.01, 0.05, 0.2, 0.6, 0.95, 1.0
SERVICE, ENGINE = "the service", "the engine"  # what is installed, in this order
SHARDS_LINE = re.compile(r"Loading safetensors checkpoint shards:.*?(\d+)/(\d+)")
GRAPHS_LINE = re.compile(r"Capturing CUDA graphs?.*?(\d+)/(\d+)")
# What vLLM 0.32 logs while it loads, in order: the line, how far LOADING then is, and what to say.
LOADING_LINES: tuple[tuple[re.Pattern[str], float, str], ...] = (
    (
        re.compile(r"launch: engine starts"),
        0.02,
        "Starting the engine: vLLM and PyTorch are read from the disk",
    ),
    (re.compile(r"Initializing a V1 LLM engine"), 0.2, "Initializing the engine: its processes start"),
    (re.compile(r"Starting to load model"), 0.3, "Loading the model into memory"),
    (re.compile(r"Loading weights took"), 0.6, "Weights loaded"),
    (
        re.compile(r"Encoder cache will be initialized"),
        0.65,
        "Profiling the model: measuring the memory that it takes",
    ),
    (re.compile(r"KV cache size"), 0.8, "Memory allocated: compiling and warming up"),
    (re.compile(r"init engine .* took"), 0.9, "Engine initialized"),
    (re.compile(r"Starting vLLM server|Application startup complete"), 1.0, "Engine is up"),
)
SHARDS_SPAN = (0.3, 0.6)
GRAPHS_SPAN = (0.8, 0.9)


@dataclass(frozen=True)
class Progress:
    """What `/progress` answers: `progress` runs from 0.0 to 1.0."""

    status: Status = "idle"
    message: str = "Starting"
    progress: float = INSTALLING  # a service that runs is past its own installation
    current_file: str = ""
    files_downloaded: int = 0
    total_files: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Gives the fields by their names, with `progress` to three decimals."""
        return asdict(self) | {"progress": round(self.progress, 3)}


class ProgressReader:
    """Reads the output of a start line by line.

    `what` is installed in it: SERVICE or ENGINE. The progress that it shows is never below `least`.
    """

    def __init__(self, what: str = ENGINE, *, least: float = 0.0) -> None:
        self._span = (PREPARING, INSTALLING) if what == SERVICE else (INSTALLING, DOWNLOADING)
        self.current = Progress(progress=max(self._span[0], least))
        self.is_asleep = False
        self._least = least
        self._reached = 0.0
        self._installation = Installation(what)
        self._failure = Failure()

    def read(self, line: str) -> None:
        """Takes one line of output, without its line end. Of a sleeping engine it changes nothing."""
        if self.is_asleep:
            return
        self._failure.read(line)
        if line.startswith("download: "):
            self._read_download(line.removeprefix("download: "))
        elif said := self._installation.read(line):
            begin, end = self._span
            self._advance("loading", said, begin + self._installation.share * (end - begin))
        elif found := SHARDS_LINE.search(line):
            self._read_span("Loading the weights", found, SHARDS_SPAN)
        elif found := GRAPHS_LINE.search(line):
            self._read_span("Capturing CUDA graphs", found, GRAPHS_SPAN)
        else:
            for pattern, share, message in LOADING_LINES:
                if pattern.search(line):
                    self._load(message, share)

    def warming_up(self) -> None:
        """Notes that the engine answers and is being checked."""
        self._advance("loading", "Warming up: checking that the engine sees images", WARMING_UP)

    def ready(self) -> None:
        """Notes that the engine has passed its checks."""
        self.current = replace(self.current, status="ready", message="Ready", progress=READY, current_file="")

    def failed(self, message: str) -> None:
        """Notes what went wrong, in words for users."""
        self.current = replace(self.current, status="error", message=message, current_file="")

    def away(self, reason: str) -> None:
        """Notes why an engine that was ready is away; whether it comes back is yet to be seen."""
        self.current = Progress("loading", reason)

    def asleep(self, failure: str | None) -> None:
        """Notes that the engine was ended to free its memory, or what kept it from being woken."""
        why = (
            "the next request starts the engine" if failure is None else f"it couldn't be started: {failure}"
        )
        self.is_asleep = True
        self.current = Progress("idle", f"Asleep: {why}")

    def restarting(self, message: str) -> None:
        """Notes that the engine ended and is about to be started again."""
        self.current = replace(self.current, status="loading", message=message)

    def ended(self, exit_code: int) -> None:
        """Notes that the process is gone, and why, as far as its output told."""
        self.failed(self._failure.reason(exit_code))

    def _read_download(self, data: str) -> None:
        download = json.loads(data)
        done, total = download["bytes_done"], download["bytes_total"]
        share = done / total if total else 1.0
        self._advance(
            "downloading",
            f"Downloading the model: {done / 1e9:.2f} of {total / 1e9:.2f} GB",
            DOWNLOADING + share * (LOADING - DOWNLOADING),
        )
        self.current = replace(
            self.current,
            current_file=download["current_file"],
            files_downloaded=download["files_downloaded"],
            total_files=download["total_files"],
        )

    def _read_span(self, what: str, found: re.Match[str], span: tuple[float, float]) -> None:
        done, total = int(found.group(1)), int(found.group(2))
        share = done / total if total else 1.0
        self._load(f"{what}: {done} of {total}", span[0] + share * (span[1] - span[0]))

    def _load(self, message: str, share: float) -> None:
        self._advance("loading", message, LOADING + share * (WARMING_UP - LOADING))

    def _advance(self, status: Status, message: str, progress: float) -> None:
        if progress < self._reached or self.current.status == "error":
            return
        self._reached = progress
        shown = max(progress, self._least)
        self.current = replace(self.current, status=status, message=message, progress=shown, current_file="")
