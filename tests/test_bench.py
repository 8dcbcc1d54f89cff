"""The benchmarks' own parts: they run, and measure what they say."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR
from bench import ceiling, geometry, legacy
from bench.stage import percentile, record


def test_the_geometries_have_joycaptions_image_tokens(tmp_path: Path) -> None:
    """729 of them, and an end that can't be written."""
    for size in geometry.SIZES:
        geometry.write(size, tmp_path / size)
        config = json.loads((tmp_path / size / "config.json").read_text())
        vision, text = config["vision_config"], config["text_config"]
        assert (vision["image_size"] // vision["patch_size"]) ** 2 == config["image_seq_length"] == 729
        assert text["eos_token_id"] == 1024
    assert (text["vocab_size"], vision["hidden_size"]) == (1024, 128)
    real = json.loads((tmp_path / "joycaption/config.json").read_text())
    assert (real["text_config"]["hidden_size"], real["text_config"]["num_hidden_layers"]) == (4096, 32)
    assert (real["vision_config"]["hidden_size"], real["vision_config"]["num_hidden_layers"]) == (1152, 27)


def test_results_collect_sections(tmp_path: Path) -> None:
    """Rounded, each in its place."""
    results = tmp_path / "new/results.json"
    record(results, "one", {"rate": 1.23456, "by_case": {"a": 2}})
    record(results, "two", {"rate": 12345.678})
    assert json.loads(results.read_text()) == {
        "one": {"rate": 1.23, "by_case": {"a": 2}},
        "two": {"rate": 12300.0},
    }
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_gpu_sh_asks_for_what_the_benchmarks_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both quantizations by both benchmarks, then the sweeps, all at JoyCaption's size."""
    stand_ins = {
        "nvidia-smi": "echo '0, GPU-aaaa-1, 143771, 9.0'",
        "engine": "exit 0",
        "python": f"""
            case "$*" in
              *--name) echo big ;;
              *ceiling.py* | *legacy.py*) printf '%q ' "$CAPTION_QUANTIZATION" "$@" >>{tmp_path}/asked
                echo >>{tmp_path}/asked ;;
            esac""",
    }
    for name, program in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{program}\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CAPTION_BENCH_PYTHON": str(tmp_path / "python"),
        "CAPTION_ENGINE_PYTHON": str(tmp_path / "engine"),
    }
    subprocess.run(["bash", "bench/gpu.sh", tmp_path], cwd=PROJECT_DIR, env=environment, check=True)
    asked = []
    for line in (tmp_path / "asked").read_text().splitlines():
        quantization, *words = shlex.split(line)
        monkeypatch.setattr("sys.argv", words)
        given = (ceiling if words[0] == "bench/ceiling.py" else legacy).options()
        assert (given.geometry, given.tokens) == ("joycaption", 200)
        assert given.results == tmp_path / "big-gpu.json"
        asked.append((quantization, given.section))
    assert asked[:4] == [
        ("none", "ceiling_bf16"),
        ("none", "legacy_bf16"),
        ("fp8", "ceiling_fp8"),
        ("fp8", "legacy_fp8"),
    ]
    assert {section.rpartition("_")[0] for _, section in asked[4:]} == {"in_flight", "batched_tokens"}
    assert {quantization for quantization, _ in asked[4:]} == {"none"}


def test_a_short_soak_loses_nothing() -> None:
    """The instant engine, the service on it, and the load."""
    ended = subprocess.run(
        [sys.executable, "bench/soak.py", "--minutes", "0.1", "--in-flight", "24"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert "lost 0, another's answer 0, twice at the engine 0" in ended.stdout
    assert "memory" in ended.stdout
