"""Changes that are made to many texts at once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import regex

from adapter.caption.tag_list import with_tags, without_tags
from adapter.dataset.texts.text_file import MAX_BYTES
from adapter.errors import WrongFieldError

MAX_FIND, MAX_REPLACEMENT = 1000, 10_000  # characters
MAX_TAGS = 200
MAX_EXPANDED: Final = 16 * MAX_BYTES  # characters in the place of one match
TIMEOUT_S: Final = 1.0  # for one text: some expressions would take years


@dataclass(frozen=True)
class Replace:
    """Puts `replacement` in the place of all that `find` finds: itself, or what it matches as an expression.

    In an expression's replacement `\\1` and `\\g<name>` stand for its groups.
    """

    find: str
    replacement: str = ""
    is_expression: bool = False
    ignores_case: bool = False

    def compiled(self) -> Callable[[str], str]:
        """Gives what changes a text. Raises WrongFieldError, as what it gives does."""
        if not self.find or len(self.find) > MAX_FIND:
            raise WrongFieldError("find", f"should have 1 to {MAX_FIND} characters")
        if len(self.replacement) > MAX_REPLACEMENT:
            raise WrongFieldError("replacement", f"has more than {MAX_REPLACEMENT} characters")
        flags = regex.MULTILINE | (regex.IGNORECASE if self.ignores_case else 0)
        try:
            with warnings.catch_warnings():
                # Sets such as `[[a]` may be read otherwise by later versions.
                warnings.simplefilter("ignore")
                pattern = regex.compile(self.find if self.is_expression else regex.escape(self.find), flags)
        except (regex.error, RecursionError, OverflowError, MemoryError) as error:
            raise WrongFieldError("find", f"is no regular expression: {error}") from error
        replacement = self.replacement if self.is_expression else self.replacement.replace("\\", r"\\")
        # Enough of them to make the text too long, and no more.
        most = 1 + MAX_BYTES // max(1, len(replacement))
        references = replacement.count("\\") if self.is_expression else 0

        def expanded(match: regex.Match[str]) -> str:
            longest = max((len(group) for group in (match[0], *match.groups()) if group), default=0)
            if longest * references > MAX_EXPANDED:
                raise WrongFieldError("replacement", "makes a text far too long")
            return match.expand(replacement)

        def change(text: str) -> str:
            try:
                return pattern.sub(
                    expanded if references else replacement, text, count=most, timeout=TIMEOUT_S
                )
            except TimeoutError as error:
                raise WrongFieldError(
                    "find", f"takes more than {TIMEOUT_S:g} s for one text: make it simpler"
                ) from error
            except MemoryError as error:
                raise WrongFieldError(
                    "find", "takes too much memory for one text: make it simpler"
                ) from error
            except (regex.error, IndexError) as error:
                raise WrongFieldError("replacement", f"doesn't fit the expression: {error}") from error

        return change


@dataclass(frozen=True)
class AddTags:
    """Adds those of the tags that a text doesn't have, behind it or, if `first`, before it."""

    tags: tuple[str, ...]
    first: bool = False

    def compiled(self) -> Callable[[str], str]:
        """Gives what changes a text. Raises WrongFieldError."""
        tags = _checked(self.tags)
        return lambda text: with_tags(text, tags, first=self.first)


@dataclass(frozen=True)
class RemoveTags:
    """Takes tags out of texts."""

    tags: tuple[str, ...]

    def compiled(self) -> Callable[[str], str]:
        """Gives what changes a text. Raises WrongFieldError."""
        tags = _checked(self.tags)
        return lambda text: without_tags(text, tags)


Change = Replace | AddTags | RemoveTags


def _checked(tags: tuple[str, ...]) -> tuple[str, ...]:
    if not any(tag.strip() for tag in tags) or len(tags) > MAX_TAGS:
        raise WrongFieldError("tags", f"should be 1 to {MAX_TAGS} tags")
    if any(len(tag) > MAX_FIND for tag in tags):
        raise WrongFieldError("tags", f"should each have at most {MAX_FIND} characters")
    return tags
