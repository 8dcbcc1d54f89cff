"""The benchmarks' own parts, each run as people run it: they measure what they say."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from adapter.config import PROJECT_DIR

JOYCAPTION_TOKENS = 128256


def bench(*words: str | Path, **environment: str) -> str:
    """Runs one of the project's programs with this Python, and gives what it prints."""
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT_DIR,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    return ended.stdout


def write_geometry(folder: Path, size: str, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes a model folder of that size, and gives its configuration and its tokenizer."""
    bench("bench/geometry.py", size, folder, *options)
    return json.loads((folder / "config.json").read_text()), json.loads(
        (folder / "tokenizer.json").read_text()
    )


def test_the_geometries_have_joycaptions_image_tokens(tmp_path: Path) -> None:
    """An image stands for 729 of them; the real size is SigLIP's and Llama's."""
    configs = {size: write_geometry(tmp_path / size, size)[0] for size in ("small", "joycaption")}
    for config in configs.values():
        vision = config["vision_config"]
        assert (vision["image_size"] // vision["patch_size"]) ** 2 == config["image_seq_length"] == 729
    small, real = configs["small"], configs["joycaption"]
    assert (small["text_config"]["vocab_size"], small["vision_config"]["hidden_size"]) == (1024, 128)
    assert (real["text_config"]["hidden_size"], real["text_config"]["num_hidden_layers"]) == (4096, 32)
    assert (real["vision_config"]["hidden_size"], real["vision_config"]["num_hidden_layers"]) == (1152, 27)
    assert real["text_config"]["vocab_size"] == JOYCAPTION_TOKENS


def test_a_geometry_has_a_word_for_each_of_its_logits(tmp_path: Path) -> None:
    """Whatever token a model without weights takes says something, except the end, which it can't take."""
    for folder, options in (("own", ()), ("large", ("--vocabulary", str(JOYCAPTION_TOKENS)))):
        config, tokenizer = write_geometry(tmp_path / folder, "small", *options)
        logits = config["text_config"]["vocab_size"]
        assert sorted(tokenizer["model"]["vocab"].values()) == list(range(logits))
        assert config["text_config"]["eos_token_id"] == tokenizer["added_tokens"][-1]["id"] == logits


def test_results_collect_sections(tmp_path: Path) -> None:
    """Each benchmark's figures stand in a place of their own, with three digits."""
    results = tmp_path / "new/results.json"
    for section, images in (("one", "1"), ("two", "2")):
        program = "import sys; from pathlib import Path; from bench.stage import record; "
        program += f"record(Path(sys.argv[1]), '{section}', {{'rate': 1.23456, 'of': {{'n': {images}}}}})"
        bench("-c", program, results, PYTHONPATH=str(PROJECT_DIR))
    assert json.loads(results.read_text()) == {
        "one": {"rate": 1.23, "of": {"n": 1}},
        "two": {"rate": 1.23, "of": {"n": 2}},
    }


def test_gpu_sh_asks_for_what_the_benchmarks_understand(tmp_path: Path) -> None:
    """Both benchmarks run with both quantizations, then come the sweeps, all at JoyCaption's size."""
    stand_ins = {
        "nvidia-smi": "echo '0, GPU-aaaa-1, 143771, 9.0'",
        "engine": "exit 0",
        "python": f"""
            case "$*" in
              *--name) echo big ;;
              *ceiling.py* | *legacy.py*)
                printf '%s ' "$CAPTION_QUANTIZATION" >>{tmp_path}/asked
                {shlex.quote(sys.executable)} "$@" --dry-run | tr -d '\n' >>{tmp_path}/asked
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
        quantization, _, options = line.partition(" ")
        given = json.loads(options)
        assert (given["geometry"], given["tokens"]) == ("joycaption", 200)
        assert given["results"] == str(tmp_path / "big-gpu.json")
        asked.append((quantization, given["section"]))
    assert asked[:4] == [
        ("none", "ceiling_bf16"),
        ("none", "legacy_bf16"),
        ("fp8", "ceiling_fp8"),
        ("fp8", "legacy_fp8"),
    ]
    assert {section.rpartition("_")[0] for _, section in asked[4:]} == {"in_flight", "batched_tokens"}
    assert {quantization for quantization, _ in asked[4:]} == {"none"}


def test_a_short_soak_loses_nothing() -> None:
    """The service stands between the load and an engine that answers at once."""
    told = bench("bench/soak.py", "--minutes", "0.1", "--in-flight", "24")
    assert "lost 0, another's answer 0, twice at the engine 0" in told
    assert "memory" in told
