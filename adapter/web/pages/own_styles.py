"""The user's own styles, as the page saves them: they count at once, and for every command."""

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from adapter.caption.prompts import PromptBook
from adapter.caption.style import PromptStyle
from adapter.caption.style_name import refuse_style_name
from adapter.errors import (
    InvalidRequestError,
    SettingsError,
    UnroutedRequestError,
    WriteError,
    WrongFieldError,
)
from adapter.own_styles_file import read_own_styles
from adapter.web.pages.trial import Wanted
from adapter.web.pages.whole_file import replace_file

MAX_STYLES = 500


class StyleBody(Wanted):
    """The body of `POST /api/styles`: the style's `name`, and the settings that it stands for.

    `replace` lets it take the place of a style of that name.
    """

    as_name: Annotated[str, StringConstraints(strip_whitespace=True), Field(alias="name")]
    replace: bool = False

    def saved(self, book: PromptBook) -> PromptStyle:
        """Gives the style. Raises UnknownStyleError and WrongFieldError."""
        asked = self.caption_request(book)
        own = book.style_sampling(self.whole_choice).model_dump(exclude_none=True)
        sampling = own | {name: value for name, value in self.sampled.items() if value is not None}
        # What was asked in the user's own words may ask for anything, and is judged so.
        form = None if asked.brief is None or asked.brief.has_own_words else asked.brief.form
        return PromptStyle.model_validate(
            {
                "prompt": asked.prompt.strip(),
                "form": None if form is None else form.value,
                "sampling": sampling or None,
            }
        )


class OwnStyles:
    """Keeps a user's own styles in the file at `path`, and in `book`."""

    def __init__(self, path: Path, book: PromptBook) -> None:
        self._path = path
        self._book = book

    def save(self, body: StyleBody) -> None:
        """Saves a style.

        Raises WrongFieldError, InvalidRequestError where the file holds a mistake, and WriteError.
        """
        name, book = body.as_name, self._book
        refuse_style_name(name, {**book.caption_types, **book.caption_type_aliases}, book.styles)
        style = body.saved(self._book).model_dump(exclude_none=True)

        def put(styles: dict[str, Any]) -> None:
            if not body.replace and name in {**book.styles, **styles}:
                raise WrongFieldError("name", "is that of a style that there is already")
            if name not in styles and len(styles) >= MAX_STYLES:
                raise InvalidRequestError(f"There are {MAX_STYLES} styles already: delete some")
            styles[name] = style

        self._change(put)

    def remove(self, name: str) -> None:
        """Removes a style; one of the project's that it hid comes back.

        Raises UnroutedRequestError where there is none of that name, and what `save` raises.
        """

        def drop(styles: dict[str, Any]) -> None:
            if styles.pop(name, None) is None:
                raise UnroutedRequestError("There is no style of your own with that name")

        self._change(drop)

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        with self._held():
            try:
                content = read_own_styles(self._path)
                # Somebody may have edited the file; a mistake in it is told before anything is lost.
                self._book.put_own(content, str(self._path))
            except SettingsError as error:
                raise InvalidRequestError(f"Your own styles can't be read: {error.message}") from error
            whole = json.loads(content)
            change(whole.setdefault("styles", {}))
            new = json.dumps(whole, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            try:
                _replace(self._path, new)
            except OSError as error:
                raise _unwritable(self._path, error) from error
            self._book.put_own(new, str(self._path))

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Lets one program at a time change the file."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(f"{self._path}.lock", flags, 0o600)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        with open(descriptor, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _unwritable(path: Path, error: OSError) -> WriteError:
    return WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0)


def _replace(path: Path, content: bytes) -> None:
    """Puts a file in the place of the one at `path`, or of what that links to, with its mode."""
    place = Path(os.path.realpath(path))
    mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o600
    replace_file(place, content, mode=mode, is_synced=True)
