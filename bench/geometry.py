"""Writes a model folder without weights: `python bench/geometry.py {joycaption,small} FOLDER`.

It is for vLLM's `--load-format dummy`: what a token costs doesn't depend on the weights' values.
`joycaption` is SigLIP so400m/14 at 384 pixels and Llama 3.1 8B; `small` has the same 729 image tokens and
little else, for CPUs. The tokenizer is the demonstration model's, with made-up words up to the size of the
model's vocabulary: without weights each token is as likely as any other, and each has to say something.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

DEMO_MODEL = Path(__file__).resolve().parent.parent / "demo/model"
LAST_TOKEN = "<|never_written|>"  # noqa: S105 - of a text
MADE_UP_WORD = "\u0120word{}"  # with the byte-level alphabet's blank in front
PATCH_PX = 14  # 27 x 27 patches of 384 pixels: 729 image tokens
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "joycaption": {
        "vision_config": {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
        },
        "text_config": {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 128256,
            "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            },
        },
    },
    "small": {"vision_config": {}, "text_config": {}},  # as the demonstration model's
}


def write(size: str, folder: Path, vocabulary: int | None = None) -> None:
    """Writes a model of that size into `folder`, which is made if it isn't there.

    `vocabulary` is the number of its tokens, None for the size's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(DEMO_MODEL / "chat_template.jinja", folder)
    config = json.loads((DEMO_MODEL / "config.json").read_text())
    for part, fields in SIZES[size].items():
        config[part] |= fields
    config["vision_config"] |= {"image_size": 384, "patch_size": PATCH_PX}
    config["text_config"]["vocab_size"] = vocabulary or config["text_config"]["vocab_size"]
    last = write_tokenizer(folder, config["text_config"]["vocab_size"])
    config["text_config"]["eos_token_id"] = last
    config["image_seq_length"] = (384 // PATCH_PX) ** 2
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    processor = json.loads((DEMO_MODEL / "processor_config.json").read_text())
    processor["patch_size"] = PATCH_PX
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=1))


def write_tokenizer(folder: Path, vocabulary: int) -> int:
    """Writes the demonstration model's tokenizer with `vocabulary` tokens and one more behind them.

    Gives the id of the latter, by which answers would end: the model has no logit for it, so that all of them
    have their full length.
    """
    tokenizer = json.loads((DEMO_MODEL / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words |= {MADE_UP_WORD.format(number): number for number in range(len(words), vocabulary)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["added_tokens"].append({"id": vocabulary, "content": LAST_TOKEN, **flags})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    for name, field, value in (
        ("tokenizer_config.json", "eos_token", LAST_TOKEN),
        ("generation_config.json", "eos_token_id", vocabulary),
    ):
        fields = json.loads((DEMO_MODEL / name).read_text()) | {field: value}
        (folder / name).write_text(json.dumps(fields, indent=1))
    return vocabulary


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocabulary", type=int, help="tokens of the model; by default the size's own")
    given = parser.parse_args()
    write(given.size, given.folder, given.vocabulary)
