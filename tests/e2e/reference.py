"""The model card's recipe in transformers, without anything of ours: run with the engine's Python.

reference.py MODEL QUESTIONS.json ANSWERS.json [--captions]
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

SYSTEM = "You are a helpful image captioner."
MAX_TOKENS = 100
IMAGE_MARK = "<|reserved_special_token_70|><|reserved_special_token_69|><|reserved_special_token_71|>"
WITHOUT_IMAGE = "(this turn has no image)"


def conversation(processor: Any, question: dict[str, Any]) -> str:
    """The recipe's text, without the image tokens that the template writes into turns without an image."""
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


def answer(processor: Any, model: Any, question: dict[str, Any]) -> dict[str, Any]:
    text = conversation(processor, question)
    if question["image"] is None:
        return {"ids": processor.tokenizer.encode(text, add_special_tokens=False)}
    with Image.open(question["image"]) as opened:
        image = opened.resize((384, 384), Image.Resampling.LANCZOS).convert("RGB")
    inputs = processor(text=[text], images=[image], return_tensors="pt")
    ids = inputs["input_ids"][0].tolist()
    if model is None:
        return {"ids": ids}
    written = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0][len(ids) :]
    caption = processor.tokenizer.decode(
        written, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return {"ids": ids, "caption": caption.strip()}


def main() -> None:
    folder, asked, answered = sys.argv[1:4]
    processor = AutoProcessor.from_pretrained(folder)
    model = None
    if "--captions" in sys.argv:
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    questions = json.loads(Path(asked).read_text())
    with torch.inference_mode():
        answers = [answer(processor, model, question) for question in questions]
    Path(answered).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
