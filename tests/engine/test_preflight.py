"""What would stop a start, and how that is found out."""

import json
import sys
from pathlib import Path

import pytest

from adapter.engine.preflight import GB, Machine, Need, cuda_of, driver_cuda, inspect, obstacles

GOOD = Machine((13, 0), 13, has_compiler=True, has_headers=True, shared_bytes=8 * GB)
# As pip reports them for vLLM 0.32.
REQUIREMENTS = ["torch==2.13.0", "ninja", "nvidia-cutlass-dsl[cu13]==4.8.0", "humming-kernels[cu13]==0.1.17"]


def need(what: str, disk: int, needed: float, free: float) -> Need:
    """Makes a need, in GB."""
    return Need(what, f"{what.upper()}_DIR", f"/{what}", disk, int(needed * GB), int(free * GB))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (GOOD, []),
        (Machine(), []),  # nothing is known
        (Machine((13, 2), 12), []),  # drivers run older CUDA too
        (Machine((12, 8), None), []),
        (Machine((12, 8), 13), ["the NVIDIA driver runs CUDA 12.8 at most, but vLLM needs CUDA 13. Renew"]),
        (Machine(has_compiler=False), ["there is no C compiler"]),
        (Machine(has_headers=False, python="/p"), ["/p has no Python.h"]),
        (Machine(shared_bytes=64 * 10**6), ["/dev/shm has 0.06 GB free, and GPUs that share a model need 1"]),
        (Machine(needs=(need("a", 1, 5, 5), need("b", 2, 17, 17))), []),
        (
            Machine(needs=(need("a", 1, 12, 20), need("b", 1, 17, 20))),
            ["the disk of /a has 20.0 GB free, and this start needs 12 GB for a and 17 GB for b: make room"],
        ),
        (
            Machine((12, 4), 13, has_compiler=False, needs=(need("b", 1, 17, 3),)),
            ["the NVIDIA driver", "there is no C compiler", "the disk of /b has 3.0 GB free"],
        ),
    ],
)
def test_obstacles_names_each_with_what_to_do(machine: Machine, expected: list[str]) -> None:
    """Each is one line."""
    found = list(obstacles(machine))
    assert len(found) == len(expected)
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning)
        assert "\n" not in line


def test_obstacles_names_the_driver_that_is_wanted() -> None:
    """People look for a driver by its own version."""
    (line,) = obstacles(Machine((12, 8), 13))
    assert "to 580 or newer" in line
    (line,) = obstacles(Machine((12, 8), 14))
    assert "Renew the driver, or set" in line


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("| NVIDIA-SMI 580.95.05   Driver Version: 580.95.05   CUDA Version: 13.0     |", (13, 0)),
        ("| NVIDIA-SMI 595.10   KMD Version: 595.10   CUDA UMD Version: 13.2   |", (13, 2)),
        ("CUDA Version        : 12.8", (12, 8)),
        ("0, GPU-aaaa-1, 24564, 8.9", None),
        ("CUDA Version: N/A", None),
        ("", None),
    ],
)
def test_driver_cuda_reads_what_nvidia_smi_prints(printed: str, expected: tuple[int, int] | None) -> None:
    """Newer ones print it in other words."""
    assert driver_cuda(printed) == expected


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (REQUIREMENTS, 13),
        (["nvidia-cublas-cu12==12.8"], 12),
        (["torch==2.13.0", "cupy-cuda13x"], None),
        ([], None),
    ],
)
def test_cuda_of_reads_it_from_the_wheels_requirements(requirements: list[str], expected: int | None) -> None:
    """It stands in the names of NVIDIA's packages, or in their extras."""
    assert cuda_of(requirements) == expected


def facts(tmp_path: Path, **changed: str) -> dict[str, str]:
    """Gives what launch_vllm.sh would say, of a machine with a GPU."""
    return {
        "device": "cuda",
        "model": "/my model",
        "split": "1",
        "venv": str(tmp_path / "not/there/.venv-engine"),
        "cc": "",
        "installed": "no",
        "python": sys.executable,
        "nvidia_smi": "CUDA Version: 12.8",
        "hub_cache": str(tmp_path / "hub"),
        "requirement": "vllm==0.32.0",
    } | changed


def fake_python(tmp_path: Path, requirements: list[str]) -> str:
    """Writes a Python whose pip would install a wheel with these requirements, and gives its path."""
    report = json.dumps({"install": [{"metadata": {"name": "vllm", "requires_dist": requirements}}]})
    (tmp_path / "report.json").write_text(report)
    python = tmp_path / "python"
    python.write_text(
        f"""#!/bin/sh
case "$*" in
  *--dry-run*) cat "{tmp_path}/report.json" ;;
  -c*) exec "{sys.executable}" "$@" ;;
esac
"""
    )
    python.chmod(0o755)
    return str(python)


def test_inspect_asks_pip_what_the_wheel_is_built_for(tmp_path: Path) -> None:
    """Nothing is installed for that."""
    machine = inspect(facts(tmp_path, python=fake_python(tmp_path, REQUIREMENTS)))
    assert (machine.driver_cuda, machine.wheel_cuda) == ((12, 8), 13)
    assert machine.has_headers is not None
    assert machine.shared_bytes is None
    assert [each.what for each in machine.needs] == ["the engine's environment"]
    assert machine.needs[0].free_bytes > 0


def test_inspect_without_a_registry_leaves_the_wheel_open(tmp_path: Path) -> None:
    """pip says elsewhere, and better, that it reaches none."""
    assert inspect(facts(tmp_path, python="/bin/false")).wheel_cuda is None
    assert inspect(facts(tmp_path, python="/bin/true")).wheel_cuda is None


def test_inspect_of_an_installed_engine_asks_its_python(tmp_path: Path) -> None:
    """It needs no more room, and no registry."""
    machine = inspect(facts(tmp_path, installed="yes", requirement="aiohttp==1"))
    assert machine.wheel_cuda is None
    assert not machine.needs


def test_inspect_counts_what_is_missing_of_the_model(tmp_path: Path) -> None:
    """What lies in the hub's cache already takes no more room."""
    model = "fancyfeast/llama-joycaption-beta-one-hf-llava"
    whole = inspect(facts(tmp_path, model=model, installed="yes", python="/bin/false")).needs
    assert [(each.what, each.needed_bytes) for each in whole] == [("the model", 17 * GB)]
    blobs = tmp_path / "hub" / f"models--{model.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "one").write_bytes(b"x" * 1000)
    (rest,) = inspect(facts(tmp_path, model=model, installed="yes", python="/bin/false")).needs
    assert rest.needed_bytes == 17 * GB - 1000


def test_inspect_of_a_split_model_looks_at_shared_memory(tmp_path: Path) -> None:
    """One GPU doesn't need it."""
    machine = inspect(facts(tmp_path, split="2", installed="yes", python="/bin/false"))
    assert machine.shared_bytes is not None


def test_inspect_for_the_cpu_needs_nothing_but_room(tmp_path: Path) -> None:
    """Nothing is compiled there."""
    machine = inspect({"device": "cpu", "installed": "no", "venv": str(tmp_path), "python": "/bin/false"})
    assert (machine.has_compiler, machine.wheel_cuda) == (None, None)
    assert len(machine.needs) == 1


def test_inspect_finds_the_compiler_that_cc_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have any name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert inspect(facts(tmp_path, python="/bin/false")).has_compiler is False
    compiler = tmp_path / "my-cc"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert inspect(facts(tmp_path, python="/bin/false", cc=str(compiler))).has_compiler is True
