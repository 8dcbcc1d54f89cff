"""Follows the model card's recipe in transformers, without anything of ours. Runs with the engine's Python.

`reference.py MODEL` reads lines of JSON, `{"questions": [...], "captions": bool}`, and writes for each one a
line with the list of answers.
"""

import json
import os
import sys
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

SYSTEM = "You are a helpful image captioner."
MAX_TOKENS = 100
IMAGE_MARK = "<|reserved_special_token_70|><|reserved_special_token_69|><|reserved_special_token_71|>"
WITHOUT_IMAGE = "(this turn has no image)"


def conversation(processor: Any, question: dict[str, Any]) -> str:
    """Gives the recipe's text, with image tokens only in the turn that has an image."""
    messages = question.get("messages") or [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question["prompt"]},
    ]
    image_turn = question.get("image_turn", 1)
    for number, message in enumerate(messages):
        if message["role"] == "user" and number != image_turn:
            message["content"] = WITHOUT_IMAGE + message["content"]
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text.replace(IMAGE_MARK + WITHOUT_IMAGE, "")


class Recipe:
    """The model in `folder` with its processor."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._processor = AutoProcessor.from_pretrained(folder)

    @cached_property
    def _model(self) -> Any:
        return LlavaForConditionalGeneration.from_pretrained(self._folder, dtype=torch.float32).eval()

    def answer(self, question: dict[str, Any], *, caption: bool) -> dict[str, Any]:
        """Gives the token `ids` of a question, and the `caption` if asked for."""
        tokenizer = self._processor.tokenizer
        text = conversation(self._processor, question)
        if question["image"] is None:
            return {"ids": tokenizer.encode(text, add_special_tokens=False)}
        with Image.open(question["image"]) as opened:
            image = opened.resize((384, 384), Image.Resampling.LANCZOS).convert("RGB")
        inputs = self._processor(text=[text], images=[image], return_tensors="pt")
        ids = inputs["input_ids"][0].tolist()
        if not caption:
            return {"ids": ids}
        written = self._model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0][len(ids) :]
        text = tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return {"ids": ids, "caption": text.strip()}


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    recipe = Recipe(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        with torch.inference_mode():
            given = [recipe.answer(each, caption=asked["captions"]) for each in asked["questions"]]
        print(json.dumps(given), file=answers, flush=True)


if __name__ == "__main__":
    main()
