"""What is asked about each item, and how its text is put together: alike on every run and every machine."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapter.caption.brief import Briefs
from adapter.caption.prompt_choice import PromptChoice, refuse_special_tokens, with_options
from adapter.caption.prompts import PromptBook
from adapter.caption.request import CaptionRequest, Limit, question
from adapter.caption.sampling import Sampling
from adapter.caption.trigger import with_trigger
from adapter.errors import InvalidRequestError
from adapter.stable_hash import stable_hash, stable_seed


class WeightedPrompt(BaseModel):
    """One of several prompts, and how often it is taken in relation to the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)


@dataclass(frozen=True)
class Recipe:
    """How one text of an item is made.

    `style` names it among several of one item, and is empty where there is only one. With `seed` None
    sampling differs from run to run. `briefs` know what prompts ask for. `limit` tells who chose
    `max_tokens`; where nobody did, texts made under the `former_max_tokens` count as made under these.
    `exact_pixels` is how the captioner prepares images; here it only tells texts apart.
    """

    prompts: tuple[WeightedPrompt, ...]
    system_prompt: str
    sampling: Sampling
    style: str = ""
    seed: int | None = None
    prefix: str = ""
    suffix: str = ""
    trigger: str = ""
    exact_pixels: bool = False
    briefs: Briefs = field(default_factory=Briefs, repr=False)
    limit: Limit = Limit.DEFAULT
    former_max_tokens: int | None = None

    def prompt(self, key: str) -> str:
        """Gives the prompt for the item of that key."""
        if len(self.prompts) == 1:
            return self.prompts[0].text
        chance = random.Random(stable_hash(f"prompt\0{self.seed}\0{key}"))
        weights = [prompt.weight for prompt in self.prompts]
        return chance.choices(self.prompts, weights)[0].text

    def request(self, key: str, earlier: int = 0) -> CaptionRequest:
        """Gives what the captioner is asked, after so many `earlier` attempts of other runs.

        The trigger isn't a part of it: the prefix may come in between.
        """
        sampling = self.sampling
        if self.seed is not None:
            sampling = replace(sampling, seed=stable_seed(f"seed\0{self.seed}\0{self.style}\0{key}"))
        prompt = self.prompt(key)
        return CaptionRequest(
            question(prompt, self.system_prompt),
            sampling,
            brief=self.briefs.of(prompt),
            limit=self.limit,
            earlier=earlier,
        )

    def text(self, caption: str) -> str:
        """Gives what is written for a caption; nothing where the caption is empty."""
        return with_trigger(self.prefix + caption + self.suffix, self.trigger) if caption else ""

    def is_same(self, details: str, key: str, model: str) -> bool:
        """Tells whether an item's text with these details was made in this way."""
        if details == self.details(key, model):
            return True
        if self.former_max_tokens is None:
            return False
        former = replace(self, sampling=replace(self.sampling, max_tokens=self.former_max_tokens))
        return details == former.details(key, model)

    def details(self, key: str, model: str) -> str:
        """Gives all that decides about an item's text, except its image, and chance if there is no seed."""
        values = {"model": model, "prompt": self.prompt(key)} | self._shared()
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    def settings(self) -> dict[str, Any]:
        """Gives all that decides about the texts of all items, except the model, for JSON."""
        return {"prompts": [prompt.model_dump() for prompt in self.prompts]} | self._shared()

    def _shared(self) -> dict[str, Any]:
        return {
            "system_prompt": self.system_prompt,
            # Ledgers that are in use have null where no top-k cut is made.
            "sampling": asdict(self.sampling) | {"top_k": self.sampling.top_k or None},
            "seed": self.seed,
            "prefix": self.prefix,
            "suffix": self.suffix,
            "trigger": self.trigger,
            "exact_pixels": self.exact_pixels,
        }


def recipe_like(
    book: PromptBook,
    sampled: Mapping[str, float | int | None],
    *,
    seed: int | None = None,
    prefix: str = "",
    suffix: str = "",
    trigger: str = "",
    exact_pixels: bool = False,
) -> Recipe:
    """Gives a recipe without a prompt. Of `sampled` what is None is the book's own for datasets."""
    is_default = sampled.get("max_tokens") is None
    sampling = book.default_sampling.overridden(max_tokens=book.sampling.dataset_max_tokens)
    return Recipe(
        prompts=(),
        system_prompt=book.system_prompt,
        sampling=sampling.overridden(**sampled),
        seed=seed,
        prefix=prefix,
        suffix=suffix,
        trigger=trigger,
        exact_pixels=exact_pixels,
        briefs=book.briefs,
        limit=Limit.DEFAULT if is_default else Limit.CHOSEN,
        former_max_tokens=book.sampling.max_tokens if is_default else None,
    )


def recipes_for(
    book: PromptBook,
    choice: PromptChoice,
    like: Recipe,
    *,
    sampled: Mapping[str, float | int | None] = MappingProxyType({}),
    styles: Sequence[str] = (),
    prompts: Sequence[WeightedPrompt] = (),
) -> tuple[Recipe, ...]:
    """Gives one recipe for each text that an item gets, otherwise like `like`.

    A style with its own sampling has that where `sampled`, which `like` was made with, says nothing. With
    `prompts`, or the choice's own prompt, that is one text, of one of them. With `styles` there is a text of
    each. The choice's options follow every prompt. Raises UnknownStyleError, WrongFieldError,
    InvalidRequestError.
    """
    if choice.prompt:
        prompts = (WeightedPrompt(text=choice.prompt),)
    if prompts:
        for prompt in prompts:
            refuse_special_tokens(prompt.text, "prompt")
        whole = tuple(
            WeightedPrompt(text=with_options(prompt.text, choice), weight=prompt.weight) for prompt in prompts
        )
        return (replace(like, prompts=whole),)
    if choice.caption_type:
        book.require_caption_type(choice.caption_type)
    recipes = []
    for style in styles or (choice.style,):
        text = book.prompt(replace(choice, style=style))
        name = style if styles else ""
        if "/" in name or name.startswith("."):
            raise InvalidRequestError(f"The style {name!r} can't be a part of a file's name")
        own = book.style_sampling(replace(choice, style=style)).model_dump(exclude_none=True)
        own = {field: value for field, value in own.items() if sampled.get(field) is None}
        made = replace(
            like, style=name, prompts=(WeightedPrompt(text=text),), sampling=like.sampling.overridden(**own)
        )
        if "max_tokens" in own:
            made = replace(made, limit=Limit.CHOSEN, former_max_tokens=None)
        recipes.append(made)
    return tuple(recipes)
