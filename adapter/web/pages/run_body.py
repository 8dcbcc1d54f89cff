"""The body of `POST /api/runs`: a dataset run as the command has it, by the names of the other faces."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from adapter.caption.prompt_choice import MAX_NAME
from adapter.caption.prompts import PromptBook
from adapter.dataset.decide import Existing
from adapter.dataset.inputs.share import Share
from adapter.dataset.order import Order
from adapter.dataset.recipe import Recipe, WeightedPrompt, recipe_like, recipes_for
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Selection
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import FileNotAllowedError, WrongFieldError
from adapter.field_names import fields_named
from adapter.settings import Settings
from adapter.web.wire import PROMPT_FIELD_NAMES, SampledPromptOptions, WireModel

MAX_STYLES = 20
EXTENSION = r"^\.[\w.-]{1,30}$"
MAX_PROMPTS = 1000

# A mere text has the weight 1.
Prompt = Annotated[
    WeightedPrompt, BeforeValidator(lambda one: {"text": one} if isinstance(one, str) else one)
]


def _each_once(styles: list[str]) -> list[str]:
    if len(set(styles)) < len(styles):
        raise ValueError("names one of them twice")
    return styles


class RunChange(WireModel):
    """The body of `POST /api/runs/ID`."""

    action: Literal["pause", "resume"]


class RunBody(SampledPromptOptions):
    """What to caption, what to ask, and what becomes of texts that are there."""

    folder: Annotated[str, Field(min_length=1)]
    recursive: bool = True
    retry_failed: bool = False
    seed: int | None = None
    styles: Annotated[list[str], Field(max_length=MAX_STYLES), AfterValidator(_each_once)] = Field(default=[])
    prompts: Annotated[list[Prompt], Field(max_length=MAX_PROMPTS)] = Field(default=[])
    prefix: Annotated[str, Field(max_length=MAX_NAME)] = ""
    suffix: Annotated[str, Field(max_length=MAX_NAME)] = ""
    trigger: Annotated[str, Field(max_length=MAX_NAME)] = ""
    existing: Literal["skip", "overwrite", "append", "prepend"] = "skip"
    overwrite_edited: bool = False
    full_name: bool = False
    limit: Annotated[int | None, Field(ge=1)] = None
    shard: str = ""
    extension: Annotated[str, Field(pattern=EXTENSION)] = ".txt"

    def order(self, book: PromptBook, settings: Settings) -> Order:
        """Gives the run that is asked for. Raises InvalidRequestError, FileNotAllowedError."""
        existing = Existing(self.existing)
        share = Share.parse(self.shard) if self.shard else None
        return Order(
            Selection([allowed_folder(self.folder, settings)], recursive=self.recursive, share=share),
            self._recipes(book, settings),
            Sidecars(existing, self.extension, self.full_name, self.overwrite_edited),
            Conditions(limit=self.limit, engine_first=existing is not Existing.SKIP),
            retry_failed=self.retry_failed,
        )

    def _check_choices(self) -> None:
        """Raises WrongFieldError where several fields say what is asked: `style` alone has a default."""
        chosen = ("styles", "prompts", "prompt", "caption_type", "style")
        given = [name for name in chosen if name in self.model_fields_set and getattr(self, name)]
        if given[1:] and given[0] in ("styles", "prompts"):
            raise WrongFieldError(given[0], f"can't be used together with {given[1]}")

    def _recipes(self, book: PromptBook, settings: Settings) -> tuple[Recipe, ...]:
        self._check_choices()
        like = recipe_like(
            book,
            self.sampled,
            seed=self.seed,
            prefix=self.prefix,
            suffix=self.suffix,
            trigger=self.trigger,
            exact_pixels=settings.exact_pixels,
        )
        with fields_named(PROMPT_FIELD_NAMES):
            return recipes_for(
                book, self.whole_choice, like, sampled=self.sampled, styles=self.styles, prompts=self.prompts
            )


def allowed_folder(path: str, settings: Settings) -> str:
    """Gives the real path of a folder that runs may work in. Raises WrongFieldError, FileNotAllowedError."""
    if not os.path.isabs(path) or "\0" in path:
        raise WrongFieldError("folder", "must be an absolute path")
    real = os.path.realpath(path)
    if not is_below_roots(real, settings.roots):
        raise FileNotAllowedError("That folder lies outside the allowed ones")
    if not os.path.isdir(real):
        raise WrongFieldError("folder", "is not there")
    return real


def is_below_roots(path: str, roots: tuple[str, ...] | None) -> bool:
    """Tells whether an absolute path lies in one of the `roots`, of which None stands for any."""
    return roots is None or any(os.path.commonpath([path, root]) == root for root in roots)
