"""Several real engines behind one service: what is lost with one of them, and what is given back with all."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapter.config import PROJECT_DIR
from demo.captions import caption
from demo.samples import FOLDER, SAMPLES
from demo.scenes import Scene, draw
from tests.e2e.conftest import RunningService, command_line, start

# With the other tests that start several engines, so that they never need their memory at one time.
pytestmark = pytest.mark.xdist_group("engines")
LIMIT_S = 300
IMAGES = 240


def wait_for(holds: Callable[[], bool], service: RunningService) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, service.log.read_text()[-5000:]
        time.sleep(0.1)


def engines(service: RunningService) -> dict[str, str]:
    """Gives the engines' states by their names."""
    return {engine["name"]: engine["state"] for engine in service.get("/health")["engines"]}


def wait_until_all_are(state: str, service: RunningService) -> None:
    wait_for(lambda: set(engines(service).values()) == {state}, service)


def signal_engine(service: RunningService, number: int, sent: signal.Signals) -> None:
    """Sends a signal to one engine's process, which is known by its socket."""
    told = re.findall(
        rf"engine-{number}: launch: engine starts; CAPTION_ENGINE_URL=unix:(\S+) reaches",
        service.log.read_text(),
    )
    (process,) = [pid for pid in processes(service) if told[-1].encode() in command_line(pid)]
    os.kill(process, sent)


def processes(service: RunningService) -> list[int]:
    """Gives the processes of all engines."""
    return [pid for pid in service.descendants() if b"vllm.entrypoints" in command_line(pid)]


def start_run(folder: Path, service: RunningService, *options: str) -> "subprocess.Popen[str]":
    """Starts a dataset run that finds the service's engines."""
    command = [
        sys.executable,
        "-m",
        "adapter",
        "caption",
        str(folder),
        "--style",
        "casual",
        "--temperature",
        "0",
    ]
    return subprocess.Popen(
        [*command, "--json", *options],
        env=os.environ | {"PYTHONPATH": str(PROJECT_DIR), "CAPTION_RUN_DIR": str(service.run_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def draw_dataset(folder: Path) -> dict[str, str]:
    """Draws pictures into the folder, and gives the right text for each one's file."""
    rng = random.Random(8)
    folder.mkdir()
    right = {}
    for number in range(IMAGES):
        scene = Scene.random(rng)
        draw(scene, rng, (192, 192)).save(folder / f"{number}.png")
        right[f"{number}.txt"] = caption(scene, "casual")
    return right


def test_engines_that_are_lost_leave_the_others_to_answer(tmp_path: Path) -> None:
    """Nothing is lost and nothing done twice, in a batch and in a dataset run; each engine comes back."""
    service = start(tmp_path, CAPTION_ENGINES="3", CAPTION_ENGINE_SILENCE_S="5")
    try:
        wait_until_all_are("ready", service)
        right = draw_dataset(tmp_path / "pictures")
        images = [tmp_path / "pictures" / f"{number}.png" for number in range(IMAGES)]
        body = {"image_paths": list(map(str, images)), "style": "casual", "do_sample": False}
        with ThreadPoolExecutor(1) as client:
            batch = client.submit(service.post, "/batch_caption", body)
            wait_for(lambda: all(at_work(service).values()), service)
            signal_engine(service, 2, signal.SIGKILL)
            wait_for(lambda: engines(service)["engine-2"] == "restarting", service)
            name, (scene, _) = next(iter(SAMPLES.items()))
            assert service.caption(FOLDER / name, style="booru") == caption(scene, "booru")
            assert service.get("/health")["model_loaded"] is True
            status, answer = batch.result()
        assert (status, answer["successful_captions"]) == (200, IMAGES)
        said = [result["caption"] for result in answer["results"]]
        assert sum(map(str.__eq__, said, right.values())) >= 0.97 * IMAGES
        wait_until_all_are("ready", service)

        run = start_run(tmp_path / "pictures", service)
        wait_for(lambda: len(list((tmp_path / "pictures").glob("*.txt"))) > 20, service)
        signal_engine(service, 3, signal.SIGSTOP)
        output, errors = run.communicate(timeout=LIMIT_S)
        assert run.returncode == 0, errors
        assert json.loads(output)["done"] == IMAGES
        texts = {path.name: path.read_text() for path in (tmp_path / "pictures").glob("*.txt")}
        assert [texts[place] for place in right] == said
        wait_until_all_are("ready", service)
        assert service.log.read_text().count("starts again in") == 2
        service.stop()
    finally:
        service.kill()


def at_work(service: RunningService) -> dict[str, int]:
    """Gives how many requests each engine has, by its name."""
    return {engine["name"]: engine["in_flight"] for engine in service.get("/health")["engines"]}


def test_engines_that_nobody_needs_are_ended_and_come_back_when_somebody_does(tmp_path: Path) -> None:
    """They wake for a request and for a dataset run, while which they can't be asked back."""
    service = start(tmp_path, CAPTION_ENGINES="2", CAPTION_IDLE_S="2")
    try:
        service.wait_until_ready()
        wait_until_all_are("asleep", service)
        wait_for(lambda: not processes(service), service)
        health = service.get("/health")
        assert (health["model_loaded"], health["engine"]) == (True, "asleep")
        assert service.get("/progress")["message"].startswith("engine-1: Asleep")
        name, (scene, _) = next(iter(SAMPLES.items()))
        assert service.caption(FOLDER / name, style="booru") == caption(scene, "booru")

        wait_until_all_are("asleep", service)
        right = draw_dataset(tmp_path / "pictures")
        run = start_run(tmp_path / "pictures", service)
        wait_for(lambda: "ready" in engines(service).values(), service)
        status, refused = service.post("/release", {})
        assert (status, refused["error"]) == (409, "The engine is at work for a dataset run; force ends that")
        output, errors = run.communicate(timeout=LIMIT_S)
        assert run.returncode == 0, errors
        done: dict[str, Any] = json.loads(output)
        assert (done["done"], done["failed"]) == (IMAGES, 0)
        assert len(list((tmp_path / "pictures").glob("*.txt"))) == len(right)
        assert service.post("/release", {})[0] == 200
        assert set(engines(service).values()) == {"asleep"}
        assert not processes(service)
        service.stop()
    finally:
        service.kill()
