"""Which outputs go with which selections and texts: what can be told before anything is begun."""

import os
from collections.abc import Iterator
from pathlib import Path

from adapter.dataset.dataset_layout import DatasetLayout, Format
from adapter.dataset.inputs.image_file import key_below
from adapter.dataset.inputs.metadata_list import is_metadata
from adapter.dataset.selection import Selection
from adapter.errors import InvalidRequestError
from adapter.images.image_name import may_hold_images


def check_output_rules(layout: DatasetLayout, path: Path, selection: Selection, texts: int) -> None:
    """Raises InvalidRequestError where the file at `path` couldn't hold that number of texts of each image.

    Images of a list are left to the end of the run: only then it is known what they are.
    """
    layout.check(path, texts)
    for given in filter(is_metadata, selection.paths):
        _check_columns(layout, path, given, selection, texts)
    folder = os.path.dirname(os.path.abspath(path))
    match layout.format:
        case Format.IMAGEFOLDER:
            _check_below(folder, path, selection)
            _check_alone(folder, path)
        case Format.DIFFUSION_PIPE:
            _check_one_folder(folder, path, selection)


def _check_columns(layout: DatasetLayout, path: Path, given: str, selection: Selection, texts: int) -> None:
    """Checks that the rows of a metadata file can go into the output, with all of their columns."""
    if os.path.realpath(path) == os.path.realpath(given):
        raise InvalidRequestError(f"--output {path} is the dataset itself: rename that, and caption it so")
    if selection.text_column is None:
        if layout.has_columns:
            raise InvalidRequestError(f"--output {path} keeps the columns of {given} only with --no-sidecar")
    elif texts > 1:
        raise InvalidRequestError(f"--styles: {given} has one column of texts")
    elif layout.has_columns and (len(selection.paths) > 1 or selection.from_file):
        raise InvalidRequestError(f"{given} can't be captioned together with others: its columns are its own")
    elif layout.has_columns and path.suffix != os.path.splitext(given)[1]:
        raise InvalidRequestError(f"--output {path} must end as {given} does, whose columns it keeps")


def _check_below(folder: str, path: Path, selection: Selection) -> None:
    for given, root in _roots(selection):
        if root != folder and key_below(folder, root) is None:
            raise InvalidRequestError(
                f"--output {path}: imagefolder names images by their paths below the file, and {given} is "
                "elsewhere"
            )


def _check_alone(folder: str, path: Path) -> None:
    """Its reader refuses a folder with metadata files of two kinds."""
    for ending in (".jsonl", ".csv", ".parquet"):
        other = os.path.join(folder, f"metadata{ending}")
        if ending != path.suffix and os.path.lexists(other):
            raise InvalidRequestError(f"--output {path}: imagefolder can't be read with {other} beside it")


def _check_one_folder(folder: str, path: Path, selection: Selection) -> None:
    for given, root in _roots(selection):
        if root != folder:
            raise InvalidRequestError(
                f"--output {path}: diffusion-pipe reads it for the images of its own folder, and {given} is "
                "elsewhere"
            )
        if selection.recursive and os.path.isdir(given) and _has_folders(root):
            raise InvalidRequestError(
                f"--output {path}: diffusion-pipe reads it for the images of its own folder, not for those "
                "of folders below: add --no-recursive, and caption those by themselves"
            )


def _roots(selection: Selection) -> Iterator[tuple[str, str]]:
    """Gives what was named, and the absolute folder that its images are in."""
    for given in selection.paths:
        absolute = os.path.abspath(given)
        yield given, absolute if os.path.isdir(absolute) else os.path.dirname(absolute)


def _has_folders(root: str) -> bool:
    """Tells whether images may be in folders below. An unreadable folder is left to the run to tell."""
    try:
        with os.scandir(root) as entries:
            return any(
                entry.is_dir() and not entry.name.startswith(".") and may_hold_images(entry.name)
                for entry in entries
            )
    except OSError:
        return False
