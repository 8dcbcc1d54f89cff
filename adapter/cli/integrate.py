"""`joycaption integrate`: puts our extension into another program's checkout, and takes it out again."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from adapter.cli.results import print_result
from adapter.config import PROJECT_DIR
from adapter.errors import InvalidRequestError, WriteError
from adapter.policy import ExitCode

SOURCE = PROJECT_DIR / "integrations/ai-toolkit/joycaption"
NAME = "joycaption"
MARKER = ".joycaption-extension"  # only a folder that holds it is ours to replace or remove
BASE_CLASS = "extensions_built_in/captioner/BaseCaptioner.py"
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache")
NEXT_STEP = """The JoyCaption extension is in {place}.
In AI-Toolkit, open Caption Dataset, then Advanced, and write into the job:
    type: JoyCaption
All its fields and a whole job are in {readme}."""


def integrate(
    program: Annotated[Literal["ai-toolkit"], Parameter(help="The program to work with.")],
    path: Annotated[Path, Parameter(help="The program's checkout.")],
    /,
    *,
    link: Annotated[
        bool, Parameter(negative=(), help="Link to this folder's extension instead of copying it.")
    ] = False,
    remove: Annotated[bool, Parameter(negative=(), help="Take the extension out again.")] = False,
) -> ExitCode:
    """Let AI-Toolkit's captioner jobs use this service: puts an extension into its checkout."""
    if link and remove:
        raise InvalidRequestError("--link and --remove can't be used together")
    checkout = path.expanduser().absolute()
    place = checkout / "extensions" / NAME
    try:
        if remove:
            is_there = _remove(place)
            print_result(f"{place} is removed" if is_there else f"{place} isn't there")
        else:
            _require_checkout(checkout)
            _put(place, link=link)
            print_result(NEXT_STEP.format(place=place, readme=SOURCE.parent / "README.md"))
    except OSError as error:
        raise WriteError(f"{place} can't be changed: {error.strerror}", error.errno or 0) from error
    return ExitCode.DONE


def _require_checkout(checkout: Path) -> None:
    """Raises InvalidRequestError where it isn't one of a release that has captioner jobs."""
    if (checkout / BASE_CLASS).is_file():
        return
    if not (checkout / "run.py").is_file() or not (checkout / "toolkit").is_dir():
        raise InvalidRequestError(f"{checkout} is no checkout of AI-Toolkit")
    if (checkout / "ui/src/components/CaptioningSection.tsx").is_file():
        raise InvalidRequestError(
            "This branch of AI-Toolkit has no captioner jobs, but a captioning section that starts this "
            f"service: put {PROJECT_DIR} in the place of its folder captioning_service, see README.md"
        )
    raise InvalidRequestError(
        f"This AI-Toolkit is too old to have captioner jobs ({BASE_CLASS} is missing): update it by git pull"
    )


def _put(place: Path, *, link: bool) -> None:
    """Puts the extension at `place`, whole or not at all. Raises InvalidRequestError, OSError."""
    if not SOURCE.is_dir():
        raise InvalidRequestError(f"The extension is missing: there is no folder {SOURCE}")
    _require_ours(place)
    place.parent.mkdir(exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{NAME}-"))
    try:
        new = temporary / "new"
        if link:
            new.symlink_to(SOURCE, target_is_directory=True)
        else:
            shutil.copytree(SOURCE, new, ignore=LEFT_OUT)
            (new / MARKER).write_text("Put here by joycaption integrate, which may replace this folder.\n")
        if os.path.lexists(place):
            place.rename(temporary / "old")
        try:
            new.rename(place)
        except OSError:
            with contextlib.suppress(OSError):
                (temporary / "old").rename(place)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove(place: Path) -> bool:
    """Takes the extension out. Tells whether there was one. Raises InvalidRequestError, OSError."""
    if not os.path.lexists(place):
        return False
    _require_ours(place)
    if place.is_symlink():
        place.unlink()
        return True
    # Renamed first, so that no job finds half of it.
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{NAME}-"))
    place.rename(temporary / "old")
    shutil.rmtree(temporary)
    return True


def _require_ours(place: Path) -> None:
    """Raises InvalidRequestError where something else is in our place."""
    if not os.path.lexists(place):
        return
    if place.is_symlink():
        # Of this checkout or of another, which may have been moved since.
        is_ours = Path(os.readlink(place)).parts[-3:] == SOURCE.parts[-3:]
    else:
        is_ours = (place / MARKER).is_file()
    if not is_ours:
        raise InvalidRequestError(f"{place} wasn't put there by this command: move it away first")
