"""Which GPUs CUDA would use."""

import pytest

from adapter.engine.gpus import visible_gpus
from adapter.errors import SettingsError


@pytest.mark.parametrize(
    ("cuda_visible_devices", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        (" 2 , 0 ", [2, 0]),
        ("-1", []),
        ("0,-1,1", [0]),
        ("0,7,1", [0]),
        ("0,,1", [0]),
        ("1,", [1]),
        ("NoDevFiles", []),
        ("1x", [1]),
        ("0-2", [0]),
        ("0,0", []),
        ("GPU-bbbb-2", [1]),
        ("GPU-b", [1]),
        ("GPU-c,GPU-bbbb", [2, 1]),
        ("GPU-c,GPU-x,GPU-b", [2]),
        ("GPU-", []),
        ("gpu-bbbb", []),
        ("MIG-bbbb", []),
    ],
)
def test_visible_gpus_with_cuda_visible_devices_are_those_that_cuda_uses(
    cuda_visible_devices: str | None, expected: list[int]
) -> None:
    """An entry is an index or the beginning of a UUID; the first that names no GPU ends the list."""
    lines = "0, GPU-aaaa-1, 24564, 8.9\n1, GPU-bbbb-2, 16376, 8.9\n2, GPU-cccc-3, 24576, 12.0\n"
    gpus = visible_gpus(lines, cuda_visible_devices)
    assert [gpu.index for gpu in gpus] == expected


def test_visible_gpus_with_a_card_have_its_memory_and_capability() -> None:
    """As text a GPU is what `--list-gpus` prints."""
    (gpu,) = visible_gpus("3, GPU-cccc-3, 183359, 10.0\n", None)
    assert (gpu.index, gpu.uuid, gpu.memory_mib, gpu.capability) == (3, "GPU-cccc-3", 183359, (10, 0))
    assert str(gpu) == "3,GPU-cccc-3,183359,10.0"


@pytest.mark.parametrize("output", ["", "\n", "No devices were found\n"])
def test_visible_gpus_without_a_card_are_none(output: str) -> None:
    """What else nvidia-smi writes is no GPU."""
    assert visible_gpus(output, None) == ()


def test_visible_gpus_with_unknown_memory_are_refused_unless_hidden() -> None:
    """Some integrated GPUs share the machine's memory, and nvidia-smi gives no size."""
    lines = "0, GPU-aaaa-1, [N/A], 12.1\n1, GPU-bbbb-2, 16376, 8.9\n"
    with pytest.raises(SettingsError, match=r"nvidia-smi reports \[N/A\] MiB .* for GPU 0"):
        visible_gpus(lines, None)
    assert [gpu.index for gpu in visible_gpus(lines, "1")] == [1]
