"""What is asked of each image, and how its text is put together: the same on every run and every machine."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from adapter.chat import CaptionRequest, SamplingParameters, question, to_text
from adapter.dataset.scan import stable_hash
from adapter.errors import InvalidRequestError
from adapter.prompts import PromptBook, refuse_special_tokens
from adapter.sources import ImageSource

SEED_BITS = 31


class WeightedPrompt(BaseModel):
    """One text of `--prompts`, and how often it is taken in relation to the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)


PROMPT_LIST = TypeAdapter(list[WeightedPrompt | str])


def load_prompts(path: Path) -> tuple[WeightedPrompt, ...]:
    """A JSON or YAML list of texts, or of `{text, weight}`. Raises InvalidRequestError."""
    try:
        entries = PROMPT_LIST.validate_python(yaml.safe_load(path.read_text("utf-8")))  # JSON is YAML
        prompts = tuple(WeightedPrompt(text=entry) if isinstance(entry, str) else entry for entry in entries)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InvalidRequestError(
            f"{path} must be a JSON or YAML list of texts, or of text and weight"
        ) from error
    if not prompts:
        raise InvalidRequestError(f"{path} holds no text")
    for prompt in prompts:
        refuse_special_tokens(prompt.text, str(path))
    return prompts


@dataclass(frozen=True)
class Recipe:
    """How one text of an image is made.

    `style` names it among several of one image, empty when there is only one. `seed` None: sampling differs
    from run to run. `exact_pixels` is how the captioner prepares images; here it only tells texts apart.
    """

    style: str
    prompts: tuple[WeightedPrompt, ...]
    system_prompt: str
    sampling: SamplingParameters
    seed: int | None = None
    prefix: str = ""
    suffix: str = ""
    trigger: str = ""
    exact_pixels: bool = False

    def prompt(self, relative: str) -> str:
        """The prompt of the image with that path."""
        if len(self.prompts) == 1:
            return self.prompts[0].text
        chance = random.Random(stable_hash(f"prompt\0{self.seed}\0{relative}"))
        weights = [prompt.weight for prompt in self.prompts]
        return chance.choices(self.prompts, weights)[0].text

    def request(self, image: ImageSource, relative: str) -> CaptionRequest:
        """What the captioner is asked."""
        sampling = self.sampling
        if self.seed is not None:
            own = stable_hash(f"seed\0{self.seed}\0{self.style}\0{relative}")
            sampling = replace(sampling, seed=own >> (64 - SEED_BITS))
        return CaptionRequest(image, question(self.prompt(relative), self.system_prompt), sampling)

    def text(self, caption: str) -> str:
        """What is written for a caption; empty when it is."""
        return to_text(self.prefix + caption + self.suffix, self.trigger) if caption else ""

    def details(self, relative: str, model: str) -> str:
        """All that decides about an image's text but for the image, and for chance where there is no seed."""
        values: dict[str, Any] = {
            "model": model,
            "prompt": self.prompt(relative),
            "system_prompt": self.system_prompt,
            "sampling": asdict(self.sampling),
            "seed": self.seed,
            "prefix": self.prefix,
            "suffix": self.suffix,
            "trigger": self.trigger,
            "exact_pixels": self.exact_pixels,
        }
        return json.dumps(values, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Wording:
    """What people choose a prompt by."""

    prompt: str = ""
    prompts_file: Path | None = None
    style: str = ""
    styles: tuple[str, ...] = ()
    caption_type: str = ""
    length: str = ""
    options: Sequence[str] = ()
    name: str = ""


def make_recipes(wording: Wording, book: PromptBook, recipe: Recipe) -> tuple[Recipe, ...]:
    """One recipe for each text that an image gets, otherwise like `recipe`. Raises InvalidRequestError."""
    choices = [
        name
        for name, value in (
            ("--prompt", wording.prompt),
            ("--prompts", wording.prompts_file),
            ("--style", wording.style),
            ("--styles", wording.styles),
            ("--caption-type", wording.caption_type),
        )
        if value
    ]
    if len(choices) > 1:
        raise InvalidRequestError(f"{' and '.join(choices)} exclude each other")
    if wording.prompts_file is not None:
        prompts = load_prompts(wording.prompts_file)
        return (replace(recipe, prompts=tuple(_with_options(prompt, wording, book) for prompt in prompts)),)
    if wording.prompt:
        refuse_special_tokens(wording.prompt, "--prompt")
        own = _with_options(WeightedPrompt(text=wording.prompt), wording, book)
        return (replace(recipe, prompts=(own,)),)
    if len(set(wording.styles)) < len(wording.styles):
        raise InvalidRequestError("--styles names one of them twice")
    recipes = []
    for style in wording.styles or (wording.style,):
        options: dict[str, Any] = {"style": style} if style else {}
        if wording.caption_type:
            book.require_caption_type(wording.caption_type)
            options["caption_type"] = wording.caption_type
        if wording.length:
            options["caption_length"] = wording.length.strip().lower()
        text = book.build(extra_options=wording.options, name=wording.name, **options)
        name = style if wording.styles else ""
        if "/" in name or name.startswith("."):
            raise InvalidRequestError(f"The style {name!r} can't be a part of a file's name")
        recipes.append(replace(recipe, style=name, prompts=(WeightedPrompt(text=text),)))
    return tuple(recipes)


def _with_options(prompt: WeightedPrompt, wording: Wording, book: PromptBook) -> WeightedPrompt:
    text = book.append_options(prompt.text, wording.options, wording.name)
    return WeightedPrompt(text=text, weight=prompt.weight)
