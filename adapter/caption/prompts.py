"""The contents of styles.json, and the prompts that it makes of what users choose.

Reading files is left to the command line. What the fields of a choice are called by a client, or on a
command line, is left to each face.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from pydantic import Field, PrivateAttr, ValidationError

from adapter.caption.brief import Briefs
from adapter.caption.flaws import Form
from adapter.caption.prompt_choice import (
    DEFAULT_STYLE,
    MAX_PROMPT,
    PromptChoice,
    refuse_long,
    refuse_special_tokens,
    with_options,
)
from adapter.caption.sampling import Sampling
from adapter.caption.style import (
    CaptionType,
    PromptStyle,
    SamplingDefaults,
    StrictModel,
    Style,
    StyleSampling,
    Text,
    TypeStyle,
)
from adapter.errors import SettingsError, UnknownStyleError


class OwnStyles(StrictModel):
    """The contents of a user's own styles.json."""

    styles: dict[Text, Style] = Field(default_factory=dict)


class PromptBook(StrictModel):
    """The contents of styles.json, checked. `styles` holds a user's own, too, before its namesakes."""

    system_prompt: Text
    sampling: SamplingDefaults
    styles: dict[Text, Style] = Field(min_length=1)
    caption_types: dict[Text, CaptionType]
    caption_type_aliases: dict[Text, Text] = Field(default_factory=dict)
    extra_options: list[Text] = Field(default_factory=list)
    _own: dict[str, Style] = PrivateAttr(default_factory=dict)
    _hidden: dict[str, Style] = PrivateAttr(default_factory=dict)  # by the user's own of these names

    @classmethod
    def parse(cls, content: bytes, source: str) -> "PromptBook":
        """Reads the JSON in `content`.

        Raises SettingsError, naming `source` and the place of the first mistake.
        """
        book = _parsed(cls, content, source)
        book._check_references(book.styles, source)
        return book

    @property
    def own_styles(self) -> Mapping[str, Style]:
        """The user's own styles."""
        return MappingProxyType(self._own)

    def put_own(self, content: bytes, source: str) -> None:
        """Puts the styles in a user's own file in the place of those that were put before.

        Raises SettingsError as `parse` does, and then changes nothing.
        """
        own = _parsed(OwnStyles, content, source).styles
        project = {name: style for name, style in self.styles.items() if name not in self._own}
        project.update(self._hidden)
        self._check_references({**project, **own}, source)
        self._hidden = {name: project[name] for name in own if name in project}
        self._own = own
        # All at once, because others may read it meanwhile.
        self.__dict__["styles"] = {**project, **own}
        self.__dict__.pop("briefs", None)

    def _check_references(self, styles: Mapping[str, Style], source: str) -> None:
        named = {
            f"styles.{name}.caption_type": style.caption_type
            for name, style in styles.items()
            if isinstance(style, TypeStyle)
        }
        named |= {
            f"caption_type_aliases.{name}": target for name, target in self.caption_type_aliases.items()
        }
        for place, target in named.items():
            if target not in self.caption_types:
                raise SettingsError(f"{source}: {place}: there is no caption type {target!r}")
        if DEFAULT_STYLE not in styles:
            raise SettingsError(f"{source}: styles: the style {DEFAULT_STYLE!r} must be there")

    @property
    def default_sampling(self) -> Sampling:
        """What is sent where a request says nothing."""
        return Sampling(**self.sampling.model_dump(exclude={"dataset_max_tokens"}))

    def style_sampling(self, choice: PromptChoice) -> StyleSampling:
        """Gives what the chosen style sends; nothing where a prompt or a caption type wins over it."""
        is_type = bool(choice.caption_type) and self.caption_type(choice.caption_type) is not None
        style = None if choice.prompt or is_type else self.styles.get(choice.style)
        own = style.sampling if isinstance(style, PromptStyle) else None
        return own or StyleSampling()

    def sampling_for(self, choice: PromptChoice) -> Sampling:
        """Gives what is sent for a choice where a request says nothing."""
        return self.default_sampling.overridden(**self.style_sampling(choice).model_dump())

    @cached_property
    def briefs(self) -> Briefs:
        """What the prompts of this book ask for."""
        return Briefs(self._wordings(), self.extra_options)

    def _wordings(self) -> Iterator[tuple[str, Form | None]]:
        for kind in self.caption_types.values():
            for wording in (kind.any, kind.words, kind.length):
                yield wording, Form(kind.form) if kind.form else None
        for style in self.styles.values():
            if isinstance(style, PromptStyle):
                yield style.prompt, Form(style.form) if style.form else None

    @property
    def style_prompts(self) -> Mapping[str, str]:
        """Each style's prompt."""
        return MappingProxyType({name: self._style_prompt(name) for name in self.styles})

    def caption_type(self, name: str) -> CaptionType | None:
        """Gives the caption type of that name or alias, None where there is none."""
        return self.caption_types.get(self.caption_type_aliases.get(name, name))

    def require_caption_type(self, name: str) -> CaptionType:
        """Gives the caption type of that name or alias. Raises UnknownStyleError, naming the known ones."""
        found = self.caption_type(name)
        if found is None:
            known = ", ".join(self.caption_types)
            raise UnknownStyleError(f"Unknown caption type: {name}. Known types: {known}", "caption_type")
        return found

    def prompt(self, choice: PromptChoice) -> str:
        """Gives the prompt for a choice: `prompt` as it is, else the caption type's, else the style's.

        An unknown caption type counts as none; a style that is a caption type's name counts as that type. The
        options follow. Raises UnknownStyleError, and WrongFieldError for an unknown length or a special
        token.
        """
        if choice.prompt:
            refuse_long(choice.prompt, MAX_PROMPT, "prompt")
            refuse_special_tokens(choice.prompt, "prompt")
            return choice.prompt
        known = self.caption_type(choice.caption_type) if choice.caption_type else None
        if known is None and choice.style not in self.styles:
            known = self.caption_type(choice.style)
        return with_options(
            known.prompt(choice.length) if known else self._style_prompt(choice.style), choice
        )

    def _style_prompt(self, name: str) -> str:
        style = self.styles.get(name)
        if style is None:
            known = ", ".join(self.styles)
            raise UnknownStyleError(f"Unknown prompt style: {name}. Known styles: {known}", "style")
        match style:
            case TypeStyle():
                return self.caption_types[style.caption_type].any
            case PromptStyle():
                return style.prompt
            case _:
                return style


Model = TypeVar("Model", bound=StrictModel)


def _parsed(kind: type[Model], content: bytes, source: str) -> Model:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise SettingsError(f"{source}: {place}: {first['msg']}") from error
