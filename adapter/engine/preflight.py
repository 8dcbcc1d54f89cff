"""Finds what would stop the engine's start, before anything is installed or downloaded for it.

Run as `python -m adapter.engine.preflight NAME=value...` by launch_vllm.sh, with any Python: it imports
nothing but the standard library. It prints a line for each obstacle, which says what to do, and then exits
with 1. What can't be found out counts as no obstacle.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GB = 10**9
INSTALL_BYTES = {"cuda": 12 * GB, "cpu": 5 * GB}  # vLLM 0.32 with all that it wants; the CPU's was measured
JOYCAPTION_BYTES = 17 * GB
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the kernel's own
MIN_SHARED_BYTES = 2**30  # NCCL and vLLM's message queues, which have 10 chunks of 16 MiB each
MIN_DRIVERS = {12: "525", 13: "580"}  # by CUDA's major version, from NVIDIA's release notes
CUDA_EXTRA = re.compile(r"\[cu(\d\d)\]|-cu(\d\d)\b")  # as in nvidia-cutlass-dsl[cu13]
PIP_LIMIT_S = 120.0


@dataclass(frozen=True)
class Need:
    """Room on a disk: `what` for, in which folder, which `disk` that is on, and how many bytes there are."""

    what: str
    variable: str
    folder: str
    disk: int
    needed_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Machine:
    """What a start depends on. None stands for unknown, or for what this start doesn't need.

    `driver_cuda` is the newest CUDA that the driver can run, `wheel_cuda` the major version that vLLM's wheel
    is built for. `has_headers` tells whether `python` has its C headers.
    """

    driver_cuda: tuple[int, int] | None = None
    wheel_cuda: int | None = None
    has_compiler: bool | None = None
    has_headers: bool | None = None
    python: str = "python3"
    shared_bytes: int | None = None
    needs: tuple[Need, ...] = ()


def obstacles(machine: Machine) -> Iterator[str]:
    """Gives what stands in the way of a start on this machine, each in a line that says what to do."""
    driver, wheel = machine.driver_cuda, machine.wheel_cuda
    if driver is not None and wheel is not None and driver[0] < wheel:
        newer = f" to {MIN_DRIVERS[wheel]} or newer" if wheel in MIN_DRIVERS else ""
        yield (
            f"the NVIDIA driver runs CUDA {driver[0]}.{driver[1]} at most, but vLLM needs CUDA {wheel}. "
            f"Renew the driver{newer}, or set CUDA_VISIBLE_DEVICES= (empty) for the demonstration on the CPU"
        )
    if machine.has_compiler is False:
        yield (
            "there is no C compiler, and Triton compiles a small library at the engine's start: install gcc "
            "(on Debian and Ubuntu: apt install build-essential), or name a compiler in CC"
        )
    if machine.has_headers is False:
        yield (
            f"{machine.python} has no Python.h, and Triton compiles a small library at the engine's start: "
            "install Python's headers (on Debian and Ubuntu: apt install python3-dev), or name another in "
            "CAPTION_PYTHON"
        )
    if machine.shared_bytes is not None and machine.shared_bytes < MIN_SHARED_BYTES:
        yield (
            f"{SHARED_MEMORY} has {machine.shared_bytes / GB:.2f} GB free, and GPUs that share a model need "
            f"{MIN_SHARED_BYTES / GB:.1f}: start the container with --shm-size=2g or --ipc=host"
        )
    yield from _too_little_room(machine.needs)


def _too_little_room(needs: Sequence[Need]) -> Iterator[str]:
    for disk in dict.fromkeys(need.disk for need in needs):
        here = [need for need in needs if need.disk == disk]
        needed_bytes = sum(need.needed_bytes for need in here)
        free_bytes = min(need.free_bytes for need in here)
        if free_bytes < needed_bytes:
            whats = " and ".join(f"{need.needed_bytes / GB:.0f} GB for {need.what}" for need in here)
            variables = " and ".join(need.variable for need in here)
            yield (
                f"the disk of {here[0].folder} has {free_bytes / GB:.1f} GB free, and this start needs "
                f"{whats}: make room, or choose another place by {variables}"
            )


def inspect(given: Mapping[str, str]) -> Machine:
    """Finds out about this machine what launch_vllm.sh's `given` words leave open."""
    device, python = given["device"], given["python"]
    needs = []
    if given["installed"] == "no":
        what = "the engine's environment"
        there_bytes = _size_bytes(Path(given["venv"]))  # of an older one, which is removed first
        missing_bytes = max(0, INSTALL_BYTES[device] - there_bytes)
        needs.append(_need(what, "CAPTION_VENV_DIR", given["venv"], missing_bytes))
    if device == "cpu":
        return Machine(needs=tuple(needs))
    if "/llama-joycaption" in given["model"] and not Path(given["model"]).exists():
        cached = Path(given["hub_cache"], f"models--{given['model'].replace('/', '--')}", "blobs")
        there_bytes = _size_bytes(cached)
        missing_bytes = max(0, JOYCAPTION_BYTES - there_bytes)
        needs.append(_need("the model", "HF_HOME", given["hub_cache"], missing_bytes))
    required = _requirements(python, given["requirement"], installed=given["installed"] == "yes")
    return Machine(
        driver_cuda=driver_cuda(given["nvidia_smi"]),
        wheel_cuda=cuda_of(required),
        has_compiler=any(map(shutil.which, filter(None, (given["cc"], "gcc", "clang", "cc")))),
        has_headers=_has_headers(python),
        python=python,
        shared_bytes=_free_bytes(SHARED_MEMORY) if given["split"] != "1" else None,
        needs=tuple(needs),
    )


def driver_cuda(nvidia_smi_output: str) -> tuple[int, int] | None:
    """Reads the newest CUDA that the driver runs from what plain `nvidia-smi` prints above its table."""
    found = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d+)\.(\d+)", nvidia_smi_output)
    return (int(found[1]), int(found[2])) if found else None


def cuda_of(requirements: Sequence[str]) -> int | None:
    """Gives the major version of CUDA that a wheel with these requirements is built for."""
    found = [match for match in map(CUDA_EXTRA.search, requirements) if match]
    return int(found[0][1] or found[0][2]) if found else None


def _requirements(python: str, requirement: str, *, installed: bool) -> list[str]:
    """Gives what vLLM's wheel requires: the installed one's, or of that which pip would install."""
    if installed:
        name = requirement.partition("==")[0]
        program = f"import importlib.metadata as m, json; print(json.dumps(m.requires({name!r})))"
        printed = _run([python, "-c", program])
        return [str(each) for each in json.loads(printed)] if printed else []
    with tempfile.TemporaryDirectory() as folder:
        if _run([python, "-m", "pip", "--version"]) is None:  # venv brings one along
            if _run([python, "-m", "venv", folder]) is None:
                return []
            python = f"{folder}/bin/python"
        options = ["--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-"]
        printed = _run([python, "-m", "pip", "install", *options, requirement])
    try:
        return list(json.loads(printed or "")["install"][0]["metadata"].get("requires_dist", []))
    except (ValueError, LookupError):
        return []


def _has_headers(python: str) -> bool | None:
    program = "import os, sysconfig; print(os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    printed = _run([python, "-c", program])
    return {"True": True, "False": False}.get((printed or "").strip())


def _run(command: Sequence[str]) -> str | None:
    """Gives what a command prints, None where it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PIP_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None


def _need(what: str, variable: str, folder: str, needed_bytes: int) -> Need:
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    return Need(what, variable, folder, there.stat().st_dev, needed_bytes, _free_bytes(there) or 0)


def _size_bytes(folder: Path) -> int:
    total = 0
    for above, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(above, name)).st_size
    return total


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


if __name__ == "__main__":
    words = dict(word.partition("=")[::2] for word in sys.argv[1:])
    lines = [f"error: {obstacle}" for obstacle in obstacles(inspect(words))]
    print("\n".join(lines), file=sys.stderr) if lines else None
    sys.exit(1 if lines else 0)
