"""How right is the demonstration model? `python -m demo.evaluate [MODEL]`.

It draws held-out scenes at all sizes, and counts captions that are right to the letter. They are made by the
recipe of JoyCaption's model card: Pillow's LANCZOS to 384 x 384, the processor, greedy generation.
"""

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

from adapter.caption.prompt_choice import PromptChoice
from adapter.cli.files import load_book
from demo.captions import FORM_OF_TYPE, FORM_OF_UNKNOWN, FORMS, PromptSampler, caption
from demo.model import SIDE_PX
from demo.scenes import PLACES, SIZES, Scene, draw, random_side_px, through_jpeg
from demo.train import HERE, STYLES

BATCH = 60


class Captioner:
    """Captions several pictures at a time by transformers, each with a prompt of its own."""

    def __init__(self, folder: Path, system_prompt: str) -> None:
        self._processor = AutoProcessor.from_pretrained(folder)
        self._processor.tokenizer.padding_side = "left"
        self._model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self._model.eval()
        self._system_prompt = system_prompt

    @torch.inference_mode()
    def captions(self, pictures: list[Image.Image], prompts: list[str]) -> list[str]:
        """Gives one caption for each picture."""
        texts = [
            self._processor.apply_chat_template(
                [
                    {"role": "system", "content": self._system_prompt},
                    {"role": "user", "content": prompt},
                ],
                tokenize=False,
                add_generation_prompt=True,
            )
            for prompt in prompts
        ]
        inputs = self._processor(text=texts, images=pictures, return_tensors="pt", padding=True)
        written = self._model.generate(**inputs, max_new_tokens=100, do_sample=False)
        answers = written[:, inputs["input_ids"].shape[1] :]
        return [
            text.strip() for text in self._processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
        ]


def main() -> None:
    arguments = parse_arguments()
    book = load_book(STYLES)
    captioner = Captioner(arguments.model, book.system_prompt)
    rng = random.Random(arguments.seed)
    scenes = [Scene.random(rng) for _ in range(arguments.scenes)]
    pictures = [held_out_picture(scene, rng) for scene in scenes]
    prompts = PromptSampler(book, rng)

    report: dict[str, dict[str, float]] = {"exact": {}, "shape and both colours": {}}
    for form in FORMS:
        asked = [book.prompt(PromptChoice(style=form))] * len(scenes)
        said = in_batches(captioner, pictures, asked)
        right = [caption(scene, form) for scene in scenes]
        report["exact"][form] = share(a == b for a, b in zip(said, right, strict=True))
        report["shape and both colours"][form] = share(
            names_shape_and_colours(text, scene, form) for text, scene in zip(said, scenes, strict=True)
        )
    report["exact by caption type, any length and options"] = {
        name: form_share(captioner, pictures, scenes, [prompts.caption_type(name)[0] for _ in scenes], form)
        for name, form in FORM_OF_TYPE.items()
    }  # fmt: skip
    report["unknown prompts"] = {
        FORM_OF_UNKNOWN: form_share(
            captioner, pictures, scenes, [prompts.unknown() for _ in scenes], FORM_OF_UNKNOWN
        )
    }
    print(json.dumps(report, indent=2))


def held_out_picture(scene: Scene, rng: random.Random) -> Image.Image:
    """Gives a picture of the scene as it reaches the model; two of three went through JPEG."""
    picture = draw(scene, rng, random_side_px(rng))
    if rng.random() < 2 / 3:
        picture = through_jpeg(picture, rng)
    return picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def in_batches(captioner: Captioner, pictures: list[Image.Image], prompts: list[str]) -> list[str]:
    """Gives the captions of any number of pictures."""
    said: list[str] = []
    for first in range(0, len(pictures), BATCH):
        part = slice(first, first + BATCH)
        said += captioner.captions(pictures[part], prompts[part])
    return said


def form_share(
    captioner: Captioner,
    pictures: list[Image.Image],
    scenes: list[Scene],
    prompts: list[str],
    form: str,
) -> float:
    """Gives the share of captions that are right to the letter in `form`, over a fifth of the pictures."""
    part = slice(0, max(1, len(pictures) // 5))
    said = in_batches(captioner, pictures[part], prompts[part])
    right = [caption(scene, form) for scene in scenes[part]]
    return share(a == b for a, b in zip(said, right, strict=True))


def names_shape_and_colours(text: str, scene: Scene, form: str) -> bool:
    """Tells whether `text` is right, except perhaps for size and place."""
    return any(
        text == caption(Scene(scene.shape, scene.colour, scene.background, size, place), form)
        for size in SIZES
        for place in PLACES
    )


def share(results: Iterable[bool]) -> float:
    """Gives the share of results that are true."""
    listed = list(results)
    return sum(listed) / len(listed)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=HERE / "model")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=20_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
