"""A run over shards on two machines, each with a real engine that its worker starts; one is killed."""

import asyncio
import io
import json
import os
import random
import sys
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR, environment_name
from adapter.settings import Settings
from demo.captions import caption
from demo.scenes import Scene, draw
from tests.e2e.conftest import MARK, RunningService
from tests.machines import cluster
from tests.shards import rows, tar_of
from tests.waiting import until

SHARDS, IMAGES = 8, 80
START_S, RUN_S = 400.0, 400.0


def write_shards(folder: Path) -> dict[str, str]:
    """Writes tars of pictures, and gives the right caption of each key."""
    rng = random.Random(7)
    right: dict[str, str] = {}
    for shard in range(SHARDS):
        members = []
        for number in range(IMAGES):
            scene, key = Scene.random(rng), f"{shard}-{number}"
            file = io.BytesIO()
            draw(scene, rng, (200, 200)).save(file, "JPEG", quality=95)
            members.append((f"{key}.jpg", file.getvalue()))
            right[key] = caption(scene, "casual")
        (folder / f"{shard}.tar").write_bytes(tar_of(members))
    return right


@pytest.mark.xdist_group("engines")
async def test_a_killed_machine_with_an_engine_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key is there once with its right text, and no process of either machine is left behind."""
    right = write_shards(tmp_path)
    mark = f"cluster-{os.getpid()}"
    for name in {environment_name(name) for name in Settings.model_fields} - {"CAPTION_VENV_DIR"}:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        **{MARK: mark, "CUDA_VISIBLE_DEVICES": "", "RAY_USAGE_STATS_ENABLED": "0"},
        **{"RAY_AUTH_MODE": "disabled"},
        **{"PYTHONPATH": str(PROJECT_DIR), "VLLM_CPU_KVCACHE_SPACE": "1"},
        **{"CAPTION_RUN_DIR": str(tmp_path / "run"), "CAPTION_LOG_DIR": str(tmp_path / "log")},
    }.items():
        monkeypatch.setenv(name, value)
    parts = tmp_path / "out/_parts"
    with cluster() as machines:
        machines.have(2)
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapter", "caption", str(tmp_path / "*.tar"), "--style", "casual"),
            *("--output", str(tmp_path / "out"), "--temperature", "0", "--json", "--save-every", "0.5"),
            *("--ray", machines.address),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        ending = asyncio.create_task(run.communicate())
        await until(lambda: len(list(parts.glob("*/*"))) > 1 and len(list(parts.glob("*"))) > 1, START_S)
        machines.kill_one()
        async with asyncio.timeout(RUN_S):
            output, errors = await ending
        assert run.returncode == 0, errors.decode()
        probe = RunningService(run, tmp_path / "none", mark)  # type: ignore[arg-type]
        await until(lambda: not probe.engine_processes(), START_S)
    result = json.loads(output)
    assert (result["done"] + result["skipped"], result["failed"]) == (len(right), 0)
    assert b"was lost" in errors
    made = [(key, row) for path in (tmp_path / "out").glob("*.parquet") for key, row in rows(path).items()]
    assert sorted(key for key, _ in made) == sorted(right)
    assert sum(row["caption"] == right[key] for key, row in made) >= 0.97 * len(right)
    assert not list(parts.glob("*"))
