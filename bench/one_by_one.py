"""Captions by transformers' `generate`, one image at a time, as the legacy server does; legacy.py runs it.

`one_by_one.py MODEL TOKENS {random|weights} PROMPT IMAGE...`, run by the engine's Python, prints a JSON
object with images/s (`rate`) and the mean number of `tokens` per answer.
"""

import json
import sys
import time
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoProcessor, LlavaForConditionalGeneration

SYSTEM = "You are a helpful image captioner."


def load(folder: str, weights: str, device: str) -> Any:
    """Gives the model of `folder` with its weights, or with `random` ones."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    if weights == "random":
        with torch.device(device):
            model = LlavaForConditionalGeneration(AutoConfig.from_pretrained(folder))
        return model.to(dtype).eval()
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype).to(device).eval()


def main() -> None:
    folder, tokens, weights, prompt, *images = sys.argv[1:]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = AutoProcessor.from_pretrained(folder)
    model = load(folder, weights, device)
    conversation = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    text = processor.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    length: dict[str, int] = {"min_new_tokens": int(tokens)} if weights == "random" else {}
    written = 0
    started = 0.0
    with torch.inference_mode():
        for number, path in enumerate([images[0], *images]):
            if number == 1:  # the first was a warm-up
                started, written = time.monotonic(), 0
            image = Image.open(path).resize((384, 384), Image.Resampling.LANCZOS).convert("RGB")
            inputs = processor(text=[text], images=[image], return_tensors="pt").to(device)
            inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
            ids = model.generate(**inputs, max_new_tokens=int(tokens), do_sample=False, **length)
            written += ids.shape[1] - inputs["input_ids"].shape[1]
    seconds = time.monotonic() - started
    print(json.dumps({"rate": len(images) / seconds, "tokens": written / len(images)}))


if __name__ == "__main__":
    main()
