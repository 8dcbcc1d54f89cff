"""Reads how far an engine is from the lines that it prints. Pure.

Every figure was seen: packages that pip named, bytes in the hub's cache, shards and stages that vLLM logged.
Nothing is taken from the clock, and nothing goes backwards.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Status = Literal["idle", "downloading", "loading", "ready", "error"]

# Where each stage begins, of 1.0. An installed and downloaded model starts at LOADING.
INSTALLING, DOWNLOADING, LOADING, WARMING_UP, READY = 0.0, 0.2, 0.6, 0.95, 1.0
PACKAGES_HALFWAY = 80  # a first install collects about 180 packages
INSTALL_LINE = re.compile(r"^(?:Collecting|Installing collected packages:) ([\w.-]+)")
SHARDS_LINE = re.compile(r"Loading safetensors checkpoint shards:.*?(\d+)/(\d+)")
GRAPHS_LINE = re.compile(r"Capturing CUDA graphs?.*?(\d+)/(\d+)")
# What vLLM 0.32 logs while it loads, in order: the line, how far LOADING then is, and what to say.
LOADING_LINES: tuple[tuple[re.Pattern[str], float, str], ...] = (
    (re.compile(r"launch: engine starts"), 0.02, "Starting the engine"),
    (re.compile(r"Initializing a V1 LLM engine"), 0.2, "Initializing the engine"),
    (re.compile(r"Starting to load model"), 0.3, "Loading the model"),
    (re.compile(r"Loading weights took"), 0.6, "Weights loaded"),
    (re.compile(r"Encoder cache will be initialized"), 0.65, "Profiling the model"),
    (re.compile(r"KV cache size"), 0.8, "Key-value cache allocated"),
    (re.compile(r"init engine .* took"), 0.9, "Engine initialized"),
    (re.compile(r"Starting vLLM server|Application startup complete"), 1.0, "Engine is up"),
)
SHARDS_SPAN = (0.3, 0.6)
GRAPHS_SPAN = (0.8, 0.9)
KILLED = (-9, 137)  # by SIGKILL, itself or within the script
LAST_RAISED = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception): .{1,200})")
OUR_ERROR = re.compile(r"^error: (.+)")
# How the engine's own output names what went wrong, and what to do about it.
KNOWN_ERRORS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"OutOfMemoryError|CUDA out of memory|No available memory for the cache blocks"),
        "Out of GPU memory: close other programs on the GPU, lower CAPTION_MAX_MODEL_LEN, or set "
        "CAPTION_QUANTIZATION=fp8",
    ),
    (
        re.compile(r"DefaultCPUAllocator: .*memory|Cannot allocate memory|^MemoryError"),
        "Out of memory: close other programs, or set VLLM_CPU_KVCACHE_SPACE to fewer GB",
    ),
    (
        re.compile(r"Free memory on device .* is less than desired GPU memory utilization"),
        "Too little GPU memory is free: close other programs on the GPU or lower "
        "CAPTION_GPU_MEMORY_UTILIZATION",
    ),
    (
        re.compile(r"larger than the (?:available|maximum)|To serve at least one request"),
        "Too little memory for the context: lower CAPTION_MAX_MODEL_LEN",
    ),
    (
        re.compile(r"No space left on device"),
        "No space is left on the disk: make room, or put the environments and the model elsewhere by "
        "CAPTION_VENV_DIR and HF_HOME; the next start goes on where this one was",
    ),
    (
        re.compile(r"[Aa]ddress already in use"),
        "The engine's socket is taken by another program: end it, or name another by CAPTION_RUN_DIR",
    ),
    (
        re.compile(
            r"NVIDIA driver .*too old|no NVIDIA driver|CUDA driver version is insufficient"
            r"|libcuda\.so\.1: cannot open"
        ),
        "The NVIDIA driver is missing or too old for this vLLM: update it, or set CUDA_VISIBLE_DEVICES= "
        "(empty) for the demonstration on the CPU",
    ),
    (
        re.compile(r"no kernel image is available for execution"),
        "This GPU is too old for this vLLM: use a newer one, or set CUDA_VISIBLE_DEVICES= (empty) for the "
        "demonstration on the CPU",
    ),
    (re.compile(r"unrecognized arguments: .*"), "vLLM doesn't know an argument it was given"),
)


@dataclass(frozen=True)
class Progress:
    """What `/progress` answers: `progress` runs from 0.0 to 1.0."""

    status: Status = "idle"
    message: str = "Starting"
    progress: float = 0.0
    current_file: str = ""
    files_downloaded: int = 0
    total_files: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Gives the fields by their names, with `progress` to three decimals."""
        return asdict(self) | {"progress": round(self.progress, 3)}


class ProgressReader:
    """Reads the engine's output line by line."""

    def __init__(self) -> None:
        self.current = Progress()
        self.is_asleep = False
        self._packages = 0
        self._error: str | None = None
        self._last_raised: str | None = None

    def read(self, line: str) -> None:
        """Takes one line of output, without its line end. Of a sleeping engine it changes nothing."""
        if self.is_asleep:
            return
        self._note_error(line)
        if line.startswith("download: "):
            self._read_download(line.removeprefix("download: "))
        elif line.startswith("Installing: "):
            self._advance("loading", "Installing the engine", INSTALLING)
        elif found := INSTALL_LINE.match(line):
            self._packages += 1
            share = self._packages / (self._packages + PACKAGES_HALFWAY)
            message = f"Installing the engine: {found.group(1)}"
            self._advance("loading", message, INSTALLING + share * (DOWNLOADING - INSTALLING))
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

    def restarting(self, reason: str) -> None:
        """Notes that the engine ended for that reason and is about to be started again."""
        self.current = Progress("loading", f"Starting again: {reason}")

    def ended(self, exit_code: int) -> None:
        """Notes that the engine's process is gone, and why, as far as its output told."""
        reason = self._last_raised or "the end of its output is in the log"
        if self._last_raised is None and exit_code in KILLED:
            reason = "it was killed, perhaps because the memory ran out"
        self.failed(self._error or f"The engine ended with exit code {exit_code}: {reason}")

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
        if progress < self.current.progress or self.current.status == "error":
            return
        self.current = replace(
            self.current, status=status, message=message, progress=progress, current_file=""
        )

    def _note_error(self, line: str) -> None:
        # The first one tells most: what comes after it fails because of it.
        if self._error is None:
            if found := OUR_ERROR.match(line):
                self._error = found.group(1)
            else:
                self._error = next((what for pattern, what in KNOWN_ERRORS if pattern.search(line)), None)
        if found := LAST_RAISED.search(line):
            self._last_raised = found.group(1)
