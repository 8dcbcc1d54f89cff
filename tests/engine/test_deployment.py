"""How many engines there are to be, and on which GPUs."""

import os
import stat
from pathlib import Path

import pytest

from adapter.engine.deployment import cpu_threads, fleet_for, gpu_groups, list_gpus
from adapter.engine.gpus import GPU
from adapter.errors import SettingsError
from adapter.settings import RunSettings

FOUR = tuple(GPU(number, f"GPU-{number}", 24_564, (8, 9)) for number in range(4))


@pytest.mark.parametrize(
    ("gpus", "engines", "split", "expected"),
    [
        (FOUR, None, 1, [("GPU-0",), ("GPU-1",), ("GPU-2",), ("GPU-3",)]),
        (FOUR, None, 2, [("GPU-0", "GPU-1"), ("GPU-2", "GPU-3")]),
        (FOUR, None, 3, [("GPU-0", "GPU-1", "GPU-2")]),
        (FOUR, 2, 1, [("GPU-0",), ("GPU-1",)]),
        (FOUR, 1, 2, [("GPU-0", "GPU-1")]),
        (FOUR[:1], None, 1, [("GPU-0",)]),
        (FOUR[:1], None, 2, [("GPU-0",)]),  # the launch says that two are wanted
        ((), None, 1, [()]),
        ((), 3, 1, [(), (), ()]),
        (None, None, 1, [None]),
    ],
)
def test_gpu_groups_give_each_engine_gpus_of_its_own(
    gpus: tuple[GPU, ...] | None, engines: int | None, split: int, expected: list[tuple[str, ...] | None]
) -> None:
    """Without a GPU there is one engine, or as many as are asked for."""
    assert gpu_groups(gpus, engines, split) == expected


@pytest.mark.parametrize(("engines", "split"), [(5, 1), (3, 2)])
def test_gpu_groups_for_more_engines_than_there_are_gpus_are_refused(engines: int, split: int) -> None:
    """Two engines on one GPU would only take each other's memory."""
    with pytest.raises(SettingsError, match=f"--engines {engines} needs {engines * split} GPUs, and 4 can"):
        gpu_groups(FOUR, engines, split)


def test_cpu_threads_share_the_cores() -> None:
    """Each engine has one at least."""
    assert cpu_threads(1) >= cpu_threads(2) >= cpu_threads(1000) == 1


def test_fleet_for_names_its_engines() -> None:
    """The names are the same at each start."""
    owned = fleet_for(RunSettings(engines=2), "You are.", FOUR)
    assert [(engine.identity.name, engine.identity.gpus) for engine in owned.engines] == [
        ("engine-1", ("GPU-0",)),
        ("engine-2", ("GPU-1",)),
    ]
    remote = fleet_for(RunSettings(engine_url="http://a:1, unix:/b/"), "You are.")
    assert [(engine.identity.name, engine.identity.url) for engine in remote.engines] == [
        ("engine-1", "http://a:1"),
        ("engine-2", "unix:/b"),
    ]


async def test_list_gpus_without_visible_ones_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty CUDA_VISIBLE_DEVICES hides all."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert await list_gpus() == ()


async def test_list_gpus_gives_what_nvidia_smi_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in CUDA's order."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-a, 24564, 8.9'\necho '1, GPU-b, 16376, 8.6'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert [gpu.uuid for gpu in await list_gpus() or ()] == ["GPU-b", "GPU-a"]


@pytest.mark.parametrize("program", ["exit 9", "echo '0, GPU-a, [N/A], 8.9'"])
async def test_list_gpus_that_can_not_be_told_leaves_them_to_the_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Somebody whose driver is broken must not get the demonstration's captions for JoyCaption's."""
    nvidia_smi = tmp_path / "nvidia-smi"
    nvidia_smi.write_text(f"#!/bin/sh\n{program}\n")
    nvidia_smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = await list_gpus()
    assert gpus is None
    (engine,) = fleet_for(RunSettings(), "You are.", gpus).engines
    assert engine.identity.gpus is None


def test_fleet_for_arguments_that_split_the_model_leaves_the_gpus_to_vllm() -> None:
    """It says itself how many it takes."""
    settings = RunSettings(engine_args="--pipeline-parallel-size 2")
    (engine,) = fleet_for(settings, "You are.", FOUR).engines
    assert engine.identity.gpus is None
