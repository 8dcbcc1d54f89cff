"""Downloads a model's files from the hub before the engine starts, and prints how far it is.

Run as `python -m adapter.engine.fetch MODEL` by launch_vllm.sh with the engine's Python, which has
huggingface_hub. Each line that begins with `download: ` is JSON for `progress`.
"""

import errno
import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
LINE_PREFIX = "download: "
INTERVAL_S = 0.5


@dataclass(frozen=True)
class RemoteFile:
    """One file of the model: its name, its size, and the name of its blob in the hub's cache."""

    name: str
    size_bytes: int
    blob: str


@dataclass(frozen=True)
class Download:
    """How much of the files lies in the cache."""

    bytes_done: int
    bytes_total: int
    files_downloaded: int
    total_files: int
    current_file: str


def measure(files: list[RemoteFile], blobs: Path) -> Download:
    """Measures what lies in the cache's folder of blobs, where a file under way is `BLOB*.incomplete`."""
    done, whole, current = 0, 0, ""
    for file in files:
        finished = blobs / file.blob
        if finished.exists():
            done += file.size_bytes
            whole += 1
            continue
        partial = sum(_size_bytes(path) for path in blobs.glob(f"{file.blob}*.incomplete"))
        if partial:
            current = file.name
        done += min(partial, file.size_bytes)
    return Download(done, sum(file.size_bytes for file in files), whole, len(files), current)


def fetch(model: str) -> None:
    """Brings all of the model's files into the cache. Ends the program with one line where that fails."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        info = HfApi().model_info(model, files_metadata=True)
    except HFValidationError:
        sys.exit(f"error: {model} is neither a folder nor a model's name; check CAPTION_MODEL")
    except GatedRepoError:
        sys.exit(f"error: {model} is gated: accept its terms on the hub and set HF_TOKEN")
    except RepositoryNotFoundError:
        sys.exit(f"error: there is no model {model} on the hub; check CAPTION_MODEL")
    except (HTTPError, OfflineModeIsEnabled, OSError):
        try:
            snapshot_download(model, local_files_only=True, allow_patterns=list(PATTERNS))
        except LocalEntryNotFoundError:
            sys.exit(
                f"error: the hub can't be reached and {model} isn't in its cache; check the network, "
                "or put a local folder into CAPTION_MODEL"
            )
        return
    files = wanted_files(info)
    blobs = Path(HF_HUB_CACHE) / f"models--{model.replace('/', '--')}" / "blobs"
    failure: list[BaseException] = []

    def download() -> None:
        try:
            snapshot_download(model, allow_patterns=[file.name for file in files])
        except (HTTPError, OSError) as error:
            failure.append(error)

    worker = threading.Thread(target=download, daemon=True)
    worker.start()
    while worker.is_alive():
        report(measure(files, blobs))
        worker.join(INTERVAL_S)
    if failure:
        full = getattr(failure[0], "errno", None) == errno.ENOSPC
        print(f"{type(failure[0]).__name__}: {failure[0]}", file=sys.stderr)
        reason = "no space is left on the disk" if full else "the connection failed; start again to go on"
        sys.exit(f"error: downloading {model} stopped: {reason}")
    report(measure(files, blobs))


def wanted_files(info: Any) -> list[RemoteFile]:
    """Gives the files of a hub model (huggingface_hub's ModelInfo) that match PATTERNS."""
    from fnmatch import fnmatch

    return [
        RemoteFile(
            sibling.rfilename,
            sibling.size or 0,
            sibling.lfs.sha256 if sibling.lfs else sibling.blob_id or "",
        )
        for sibling in info.siblings or []
        if any(fnmatch(sibling.rfilename, pattern) for pattern in PATTERNS)
    ]


def report(download: Download) -> None:
    """Prints the line that `progress` reads."""
    print(LINE_PREFIX + json.dumps(vars(download)), flush=True)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    if not Path(sys.argv[1]).is_dir():
        fetch(sys.argv[1])
