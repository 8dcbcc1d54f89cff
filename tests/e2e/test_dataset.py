"""The dataset command with the demonstration model: right texts, whatever happens to the run."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapter.config import PROJECT_DIR, environment_name
from adapter.settings import Settings
from demo.captions import caption
from demo.scenes import Scene, draw
from tests.e2e.conftest import MARK, RunningService

PICTURES, BROKEN = 300, 15
KILLS = 20
NAMES = [
    "plain",
    "with space",
    "quote's",
    'double"',
    "new\nline",
    "😀 日本",
    "x" * 200,
    "dot.ted",
    "-dash",
    "é",
]
KINDS = ["png", "jpg", "webp", "bmp", "gif", "tiff", "JPEG"]
BREAKAGES = [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"<svg/>", b"\xff\xd8\xff\xe0 cut"]


@dataclass
class Dataset:
    """Pictures in nested folders, and what is on each."""

    root: Path
    right: dict[str, str]  # the sidecar's path and the text it should have
    broken: list[str]

    def texts(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in self.root.rglob("*.txt")
            if ".joycaption" not in path.parts
        }


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = random.Random(21)
    root = tmp_path / "data set"
    made = Dataset(root, {}, [])
    for number in range(PICTURES):
        folder = root / f"{number % 7}" / ("deep er" if number % 3 else ".") / f"{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        scene = Scene.random(rng)
        path = folder / f"{NAMES[number % len(NAMES)][:195]} {number}.{KINDS[number % len(KINDS)]}"
        picture = draw(scene, rng, (rng.randint(150, 400), rng.randint(150, 400)))
        options: dict[str, Any] = {"quality": 95} if path.suffix in (".jpg", ".JPEG", ".webp") else {}
        if path.suffix == ".gif":
            picture = picture.convert("P", palette=Image.Palette.ADAPTIVE)
        picture.save(path, **options)
        made.right[str(path.relative_to(root).with_suffix(".txt"))] = caption(scene, "casual")
    for number in range(BROKEN):
        path = root / f"{number % 7}" / f"broken {number}.{KINDS[number % len(KINDS)]}"
        path.write_bytes(BREAKAGES[number % len(BREAKAGES)])
        made.broken.append(path.name)
    return made


def start(dataset: Dataset, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    ours = {environment_name(name) for name in Settings.model_fields} - {"CAPTION_VENV_DIR"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    style = () if "--styles" in arguments else ("--style", "casual")
    command = [sys.executable, "-m", "adapter", "caption", str(dataset.root), *style]
    return subprocess.Popen(
        [*command, "--temperature", "0", "--json", *arguments],
        env=inherited | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(PROJECT_DIR)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def assert_right(dataset: Dataset) -> None:
    """Each good image has its text, and 97 of 100 are right, as the demo model's README claims."""
    texts = dataset.texts()
    assert set(texts) == set(dataset.right)
    assert sum(text == dataset.right[name] for name, text in texts.items()) >= 0.97 * PICTURES


@pytest.mark.xdist_group("service")
def test_a_run_killed_at_any_moment_goes_on_and_loses_nothing(
    dataset: Dataset, service: RunningService
) -> None:
    """After twenty kills in a row each good image has exactly its one right text."""
    rng = random.Random(4)
    seen: dict[str, tuple[int, int]] = {}
    said: dict[str, str] = {}
    for kill in range(KILLS):
        before = len(dataset.texts())
        run = start(dataset, "--engine-url", service.engine_url)
        is_late = kill % 4 == 3  # while it writes, however slow the machine is
        while is_late and len(dataset.texts()) == before and run.poll() is None:
            time.sleep(0.01)
        deadline = time.monotonic() + (rng.uniform(0, 0.5) if is_late else rng.uniform(1.2, 3.5))
        while time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        for name, text in dataset.texts().items():
            assert text == said.setdefault(name, text), "a text that is there stays as it is"
            assert text.startswith("So here's ") and text.endswith("background!"), "and is whole"
            status = (dataset.root / name).stat()
            assert seen.setdefault(name, (status.st_ino, status.st_mtime_ns)) == (
                status.st_ino,
                status.st_mtime_ns,
            ), "nor is it made again"
    assert seen, "the runs were killed before they did anything"
    run = start(dataset, "--engine-url", service.engine_url)
    output, errors = run.communicate(timeout=300)
    result = json.loads(output)
    assert run.returncode == 1, errors.decode()
    assert_right(dataset)
    assert (result["done"], result["failed"]) == (PICTURES - len(seen), BROKEN)
    left = [path for path in dataset.root.rglob("*") if path.name.startswith(".joycaption-")]
    assert not left


def test_a_run_without_a_service_brings_its_own_engine(dataset: Dataset, tmp_path: Path) -> None:
    """It captions all it can, restarts an engine that is killed or stopped, and leaves no process behind."""
    mark = f"dataset-{os.getpid()}"
    folders = {"CAPTION_RUN_DIR": str(tmp_path / "run"), "CAPTION_LOG_DIR": str(tmp_path / "log")}
    run = start(dataset, **folders, **{MARK: mark, "CAPTION_ENGINE_SILENCE_S": "5"})
    probe = RunningService(run, tmp_path / "none", mark)
    try:
        for number, texts in ((signal.SIGKILL, 20), (signal.SIGSTOP, PICTURES // 2)):
            # The texts may have come before the first kill, while the next engine is not there yet.
            while len(dataset.texts()) < texts or not probe.engine_processes():
                assert run.poll() is None, run.communicate()
                time.sleep(0.05)
            probe.kill_engine(number)
        output, errors = run.communicate(timeout=400)
        result = json.loads(output)
        assert run.returncode == 1, errors.decode()
        assert_right(dataset)
        assert (result["done"], result["failed"]) == (PICTURES, BROKEN)
        assert set(result["failures"]) <= {"not_an_image", "image_damaged"}
        assert b"Starting an engine for this run" in errors
        assert errors.count(b"is back after") == 2
        probe.wait_until_gone()
    finally:
        probe.kill()


@pytest.mark.xdist_group("service")
def test_a_running_services_engine_is_found(dataset: Dataset, service: RunningService) -> None:
    """Its prefix cache then serves the second style of each image."""

    def cached_tokens() -> float:
        ended = subprocess.run(
            [
                "curl",
                "-s",
                "--unix-socket",
                service.engine_url.removeprefix("unix:"),
                "http://engine/metrics",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = re.findall(r"^vllm:prefix_cache_hits_total\{.*?\} (\S+)$", ended.stdout, re.M)
        return float(line)

    # On a CPU a block of the cache holds 128 tokens, more than this image and the system prompt together.
    book = json.loads((PROJECT_DIR / "styles.json").read_text())
    book["styles"] |= {name: f"{'Look at it well. ' * 30}Then write about it, {name}." for name in "ab"}
    (dataset.root.parent / "styles.json").write_text(json.dumps(book))
    before = cached_tokens()
    run = start(
        dataset,
        *("--limit", "30", "--styles", "a,b", "--max-tokens", "10"),
        *("--styles-file", str(dataset.root.parent / "styles.json")),
        CAPTION_RUN_DIR=str(service.run_dir),
    )
    output, errors = run.communicate(timeout=120)
    assert run.returncode in (0, 1), errors.decode()
    assert b"Using the running service's engine" in errors
    done = json.loads(output)["done"]
    assert done == len(dataset.texts()) >= 2 * (30 - BROKEN)
    assert cached_tokens() - before >= done / 2 * 128


def test_the_console_script_is_there() -> None:
    """The README calls it so."""
    ended = subprocess.run(
        [PROJECT_DIR / "joycaption", "--help"], capture_output=True, text=True, check=True, timeout=300
    )
    assert "caption" in ended.stdout
    assert "serve" in ended.stdout
    assert "status" in ended.stdout
