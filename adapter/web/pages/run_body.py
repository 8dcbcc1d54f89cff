"""The body of `POST /api/runs`: a dataset run as the command has it, by the names of the other faces."""

import os
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from adapter.caption.prompts import MAX_NAME, PromptBook
from adapter.caption.request import Limit
from adapter.dataset.decide import Existing
from adapter.dataset.order import Order
from adapter.dataset.recipe import Recipe, recipes_for
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Selection
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import FileNotAllowedError, WrongFieldError
from adapter.field_names import fields_named
from adapter.settings import Settings
from adapter.web.wire import PROMPT_FIELD_NAMES, PromptOptions, Temperature, TopK, TopP

MAX_TOKENS = 2048


class RunBody(PromptOptions):
    """What to caption, what to ask, and what becomes of texts that are there."""

    folder: Annotated[str, Field(min_length=1)]
    recursive: bool = True
    retry_failed: bool = False
    prompt: str = ""
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    seed: int | None = None
    trigger: Annotated[str, Field(max_length=MAX_NAME)] = ""
    existing: Literal["skip", "overwrite", "append", "prepend"] = "skip"
    extension: Annotated[str, Field(pattern=r"^\.[\w.-]{1,30}$")] = ".txt"

    def order(self, book: PromptBook, settings: Settings) -> Order:
        """Gives the run that is asked for. Raises InvalidRequestError, FileNotAllowedError."""
        existing = Existing(self.existing)
        return Order(
            Selection([allowed_folder(self.folder, settings)], recursive=self.recursive),
            self._recipes(book, settings),
            Sidecars(existing, self.extension),
            Conditions(engine_first=existing is not Existing.SKIP),
            retry_failed=self.retry_failed,
        )

    def _recipes(self, book: PromptBook, settings: Settings) -> tuple[Recipe, ...]:
        default = self.max_tokens is None
        like = Recipe(
            prompts=(),
            system_prompt=book.system_prompt,
            sampling=book.default_sampling.overridden(
                temperature=self.temperature,
                top_p=self.top_p,
                top_k=self.top_k,
                max_tokens=book.sampling.dataset_max_tokens if default else self.max_tokens,
            ),
            seed=self.seed,
            trigger=self.trigger,
            exact_pixels=settings.exact_pixels,
            briefs=book.briefs,
            limit=Limit.DEFAULT if default else Limit.CHOSEN,
            former_max_tokens=book.sampling.max_tokens if default else None,
        )
        choice = replace(self.choice, prompt=self.prompt if self.prompt.strip() else "")
        with fields_named(PROMPT_FIELD_NAMES):
            return recipes_for(book, choice, like)


def allowed_folder(path: str, settings: Settings) -> str:
    """Gives the real path of a folder that runs may work in. Raises WrongFieldError, FileNotAllowedError."""
    if not os.path.isabs(path) or "\0" in path:
        raise WrongFieldError("folder", "must be an absolute path")
    real = os.path.realpath(path)
    roots = settings.roots
    if roots is not None and not any(os.path.commonpath([real, root]) == root for root in roots):
        raise FileNotAllowedError("That folder lies outside the allowed ones")
    if not os.path.isdir(real):
        raise WrongFieldError("folder", "is not there")
    return real
