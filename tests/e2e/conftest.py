"""The real service, started once for all tests as a user starts it, and transformers beside it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapter.config import PROJECT_DIR, environment_name
from adapter.settings import Settings

MARK = "CAPTION_TEST_MARK"
START_LIMIT_S = 600
STOP_LIMIT_S = 40
POLL_S = 0.1
CLIENTS = 16  # that ask at one time, where the order doesn't matter


@dataclass
class RunningService:
    """A start_service.sh that was started, and all that it started in turn."""

    process: subprocess.Popen[bytes]
    log: Path
    mark: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        found = re.search(r"listening on (http://\S+)", self.log.read_text())
        assert found, self.log.read_text()
        return found.group(1)

    @property
    def engine_url(self) -> str:
        """The engine's socket, as launch_vllm.sh tells it."""
        found = re.findall(r"CAPTION_ENGINE_URL=(unix:\S+) reaches it", self.log.read_text())
        assert found, self.log.read_text()
        last: str = found[-1]
        return last

    @property
    def run_dir(self) -> Path:
        """Where this service announces its engine, apart from others on this machine."""
        return self.log.parent / "run"

    def get(self, path: str) -> dict[str, Any]:
        return self._ask(urllib.request.Request(self.url + path))[1]

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, headers))

    def caption(self, image: Path, **fields: Any) -> str:
        status, body = self.post("/caption", {"image_path": str(image), "do_sample": False, **fields})
        assert status == 200, body
        text: str = body["caption"]
        return text

    def written(self, image: Path, prompt: str, **fields: Any) -> str:
        """Gives what the model writes, greedily unless told otherwise, whether it is a good caption or not.

        A stream isn't judged.
        """
        parts = [
            {"type": "image_url", "image_url": {"url": image.as_uri()}},
            {"type": "text", "text": prompt},
        ]
        messages = [{"role": "user", "content": parts}]
        body = {"model": "joycaption", "messages": messages, "temperature": 0, "stream": True, **fields}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            lines = response.read().decode().splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        return "".join(event["choices"][0]["delta"].get("content", "") for event in events)

    def captions(self, asked: Iterable[tuple[Path, dict[str, Any]]]) -> list[str]:
        """Gives the caption of each image with these fields, several asked for at one time."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            return list(clients.map(lambda one: self.caption(one[0], **one[1]), asked))

    def wait_for_log(self, text: str, limit_s: float = START_LIMIT_S, *, times: int = 1) -> None:
        deadline = time.monotonic() + limit_s
        while self.log.read_text().count(text) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(POLL_S)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            health = self.get("/health")
            self.seen.append(health)
            if health["model_loaded"]:
                return
            assert health["loading_progress"]["status"] != "error", self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(POLL_S)

    def descendants(self) -> list[int]:
        """Gives every process that inherited this start's mark, whoever its parent is by now.

        The processes in their sessions count too: vLLM's core writes its title over its environment.
        """
        wanted = f"{MARK}={self.mark}".encode()
        marked, session_of = set(), {}
        for folder in Path("/proc").iterdir():
            process = int(folder.name) if folder.name.isdigit() else os.getpid()
            with contextlib.suppress(OSError):
                if process != os.getpid():
                    session_of[process] = os.getsid(process)
                    if wanted in (folder / "environ").read_bytes().split(b"\0"):
                        marked.add(process)
        self.sessions |= {session_of[process] for process in marked}
        self.sessions -= {os.getsid(0)}
        return [pid for pid, session in session_of.items() if pid in marked or session in self.sessions]

    def engine_processes(self) -> list[int]:
        """Gives the processes of vLLM, none where there is no engine just now."""
        return [pid for pid in self.descendants() if b"vllm.entrypoints" in command_line(pid)]

    def kill_engine(self, number: signal.Signals) -> None:
        """Sends a signal to the engine's processes, as an accident would."""
        engine = self.engine_processes()
        assert engine
        for pid in engine:
            os.kill(pid, number)

    def wait_until_gone(self, limit_s: float = STOP_LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        self.process.wait(limit_s)
        while left := self.descendants():
            assert time.monotonic() < deadline, f"orphans: {left}"
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Ends the service by SIGTERM, checks that nothing of it is left, and kills what is."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.wait_until_gone()
        finally:
            self.kill()

    def kill(self) -> None:
        """Kills all that is left, whatever went wrong."""
        for process in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def _ask(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


def command_line(process: int) -> bytes:
    """Gives the words of a process, with a NUL after each; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def start(folder: Path, **environment: str) -> RunningService:
    """Runs the README's command on a free port, with none of this machine's settings but where to install."""
    ours = {environment_name(name) for name in Settings.model_fields} - {"CAPTION_VENV_DIR"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    environment = (
        inherited
        | {"CAPTION_PORT": "0", "CAPTION_RUN_DIR": str(folder / "run"), "CUDA_VISIBLE_DEVICES": ""}
        | {"CAPTION_LOG_DIR": str(folder / "log"), "CAPTION_DATA_DIR": str(folder / "data")}
        | environment
    )
    return start_command(folder, [str(PROJECT_DIR / "start_service.sh")], environment)


def start_command(folder: Path, command: list[str], environment: dict[str, str]) -> RunningService:
    """Runs `command` in `folder`, detached, with its output in a file there, and returns once it listens."""
    mark = uuid.uuid4().hex
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment | {MARK: mark},
            start_new_session=True,
        )
    service = RunningService(process, log, mark)
    service.wait_for_log("listening on ")
    return service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Gives the service with the demonstration model, ready. At its end nothing of it may be left."""
    running = start(tmp_path_factory.mktemp("service"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()
    assert running.process.returncode == 0, running.log.read_text()[-2000:]


class Reference:
    """The model card's recipe in transformers: one process, asked as often as needed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def answers(self, questions: list[dict[str, Any]], *, captions: bool) -> list[dict[str, Any]]:
        """Gives what transformers makes of each question: `ids`, and `caption` if asked for.

        A question has an image and a prompt, or instead of that `messages` and an `image_turn`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps({"questions": questions, "captions": captions}), file=self._process.stdin, flush=True
        )
        line = self._process.stdout.readline()
        assert line, "the reference has ended"
        given: list[dict[str, Any]] = json.loads(line)
        return given


@pytest.fixture(scope="session")
def reference(engine_python: Path) -> Iterator[Reference]:
    """Starts the reference. It gets ready by itself, until it is asked."""
    command = [engine_python, PROJECT_DIR / "tests/e2e/reference.py", PROJECT_DIR / "demo/model"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Reference(process)
