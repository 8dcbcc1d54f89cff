"""The NVIDIA GPUs that CUDA would use, from what nvidia-smi prints.

Pure, and nothing but the standard library.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapter.errors import SettingsError

Capability = tuple[int, int]

NVIDIA_SMI_FIELDS = 4


@dataclass(frozen=True)
class GPU:
    """One card as nvidia-smi describes it. `capability` is CUDA's compute capability: (8, 9) is Ada."""

    index: int
    uuid: str
    memory_mib: int
    capability: Capability

    def __str__(self) -> str:
        return f"{self.index},{self.uuid},{self.memory_mib},{dotted(self.capability)}"


def visible_gpus(nvidia_smi_output: str, cuda_visible_devices: str | None) -> tuple[GPU, ...]:
    """Gives the GPUs that CUDA would use, in CUDA's order.

    The output has one line `index, UUID, MiB, compute capability` per GPU. CUDA_VISIBLE_DEVICES is applied as
    CUDA applies it (CUDA Programming Guide, and torch.cuda._parse_visible_devices for what that leaves open):
    up to the first entry that names no GPU. None means that it is unset, and shows them all. Raises
    SettingsError when nvidia-smi gives no memory size or capability for a visible GPU.
    """
    lines = [[value.strip() for value in line.split(",")] for line in nvidia_smi_output.splitlines()]
    rows = [line for line in lines if len(line) == NVIDIA_SMI_FIELDS]  # "No devices were found" isn't one
    if cuda_visible_devices is not None:
        rows = _select(rows, cuda_visible_devices.split(","))
    return tuple(_to_gpu(*row) for row in rows)


def _select(rows: Sequence[list[str]], entries: Iterable[str]) -> list[list[str]]:
    selected: list[list[str]] = []
    for entry in entries:
        named = [row for row in rows if _names(entry.strip(), index=row[0], uuid=row[1])]
        if len(named) != 1:  # no GPU, or the beginning of several UUIDs
            break
        if named[0] in selected:
            return []  # a repeated GPU hides them all
        selected += named
    return selected


def _names(entry: str, index: str, uuid: str) -> bool:
    if entry.startswith("GPU-"):
        return uuid.startswith(entry)
    number = re.match(r"\d+", entry)  # CUDA reads it as C's strtoul does: "1x" is GPU 1
    return number is not None and int(number.group()) == int(index)


def _to_gpu(index: str, uuid: str, memory_mib: str, capability: str) -> GPU:
    major, _, minor = capability.partition(".")
    try:
        return GPU(int(index), uuid, int(memory_mib), (int(major), int(minor)))
    except ValueError as error:
        raise SettingsError(
            f"nvidia-smi reports {memory_mib} MiB and compute capability {capability} for GPU {index}: "
            "both must be numbers. Leave this GPU out by CUDA_VISIBLE_DEVICES"
        ) from error


def dotted(capability: Capability) -> str:
    """Gives a compute capability as NVIDIA writes it: `8.9`."""
    return f"{capability[0]}.{capability[1]}"
