"""Writes Llama 3's tokenizer as JoyCaption has it into a model's folder. It runs with the engine's Python.

`llama3_tokenizer.py TOKENIZER_MODEL FOLDER`: the first is the file of tiktoken ranks that Meta's package
`llama-models` ships. Llama 3's own tokenizer puts the beginning-of-text token before each text.
"""

import json
import sys
from pathlib import Path

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
RANKS = 128_000
SPECIAL = 256
NAMED = {
    0: "<|begin_of_text|>",
    1: "<|end_of_text|>",
    4: "<|finetune_right_pad_id|>",
    6: "<|start_header_id|>",
    7: "<|end_header_id|>",
    8: "<|eom_id|>",
    9: "<|eot_id|>",
    10: "<|python_tag|>",
}
BEGIN, END, IMAGE = "<|begin_of_text|>", "<|eot_id|>", "<|reserved_special_token_69|>"


def special_tokens() -> list[str]:
    """Gives the 256 special tokens in the order of their ids."""
    reserved = (f"<|reserved_special_token_{number}|>" for number in range(SPECIAL))
    return [NAMED.get(place) or next(reserved) for place in range(SPECIAL)]


def main(ranks: str, folder: Path) -> None:
    tokenizer = TikTokenConverter(
        vocab_file=ranks, pattern=PATTERN, add_prefix_space=False, extra_special_tokens=special_tokens()
    ).converted()
    begin = tokenizer.token_to_id(BEGIN)
    assert (begin, tokenizer.token_to_id(IMAGE)) == (RANKS, 128_077)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, begin)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END).save_pretrained(
        folder
    )
    config = json.loads((folder / "config.json").read_text())
    config["image_token_index"] = tokenizer.token_to_id(IMAGE)
    (folder / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
