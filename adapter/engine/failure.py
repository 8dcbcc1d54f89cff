"""Reads from the lines that a start prints why it failed, in words for users. Pure."""

import re

KILLED = (-9, 137)  # by SIGKILL, itself or within the script
LAST_RAISED = re.compile(r"(?:^|\s)(?:\w+\.)*\w*(?:Error|Exception): (.{1,200})")
EXCEPTION_NAME = re.compile(r"\b(?:\w+\.)*\w*(?:Error|Exception)\b(?:: )?")
TELLS_NOTHING = re.compile(r"stack trace|root cause", re.IGNORECASE)  # it points at other lines
TRIED_AGAIN = re.compile(r"^\s*WARNING: Retrying ")  # pip's connection, which may well succeed yet
OUR_ERROR = re.compile(r"^error: (.+)")
PIP_ERROR = re.compile(r"^ERROR: (.{1,200})")
PIP_CAUSE = " due to an OSError"
POINTER = "; see the lines above"  # of our own scripts, which is of use where the lines are seen
STOPPED = "The engine stopped: "
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
    (
        re.compile(
            r"Temporary failure in name resolution|Failed to establish a new connection"
            r"|Network is unreachable|No matching distribution found"
        ),
        "Something couldn't be downloaded: check the network, then start again; what was downloaded stays",
    ),
    (re.compile(r"unrecognized arguments: .*"), "vLLM doesn't know an argument it was given"),
)


class Failure:
    """What went wrong, as far as the lines have told. Python's names of exceptions are left out."""

    def __init__(self) -> None:
        self._known: str | None = None
        self._last_raised: str | None = None
        self._pip_error: str | None = None

    def read(self, line: str) -> None:
        """Takes one line of output, without its line end."""
        if TRIED_AGAIN.match(line):
            return
        # The first one tells most: what comes after it fails because of it.
        if self._known is None:
            if found := OUR_ERROR.match(line):
                instead = f": {self._pip_error}" if self._pip_error else "; the log tells why"
                self._known = found.group(1).replace(POINTER, instead)
            else:
                self._known = next((what for pattern, what in KNOWN_ERRORS if pattern.search(line)), None)
        if self._pip_error is None and (found := PIP_ERROR.match(line)):
            self._pip_error = EXCEPTION_NAME.sub("", found.group(1).replace(PIP_CAUSE, ""))
        if (found := LAST_RAISED.search(line)) and not TELLS_NOTHING.search(line):
            self._last_raised = EXCEPTION_NAME.sub("", found.group(1)).strip() or None

    def reason(self, exit_code: int) -> str:
        """Gives the reason for the end of what printed the lines."""
        if self._known is not None:
            return self._known
        if self._last_raised is not None:
            return f"{STOPPED}{self._last_raised}"
        if exit_code in KILLED:
            return "The engine was killed, perhaps because the memory ran out"
        return f"The engine stopped with exit code {exit_code}: the end of its output is in the log"
