"""The layouts that one file with all texts can have: its name, how it names images, and what it says.

They are those that trainers read. Writing the file is left to `metadata_file`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from adapter.dataset.inputs.image_file import key_below
from adapter.dataset.records import encodable
from adapter.errors import InvalidRequestError

FILE_NAME = "file_name"
TEXT = "text"


class Format(StrEnum):
    """Whose layout it is."""

    IMAGEFOLDER = "imagefolder"  # Hugging Face's datasets
    KOHYA = "kohya"  # sd-scripts
    MUSUBI = "musubi"
    DIFFUSION_PIPE = "diffusion-pipe"
    AI_TOOLKIT = "ai-toolkit"


# What the files' names are or end in, by the readers' sources. Imagefolder's and diffusion-pipe's readers
# find their files by the whole name.
NAMES = {
    None: (".jsonl", ".csv", ".parquet"),
    Format.IMAGEFOLDER: ("metadata.jsonl", "metadata.csv", "metadata.parquet"),
    Format.KOHYA: (".json", ".jsonl"),
    Format.MUSUBI: (".jsonl",),
    Format.DIFFUSION_PIPE: ("captions.json",),
    Format.AI_TOOLKIT: (".json",),
}
# The largest number of texts per image; the others take any. AI-Toolkit knows a caption and a short one.
MAX_TEXTS = {Format.KOHYA: 1, Format.MUSUBI: 1, Format.AI_TOOLKIT: 2}


@dataclass(frozen=True)
class DatasetLayout:
    """A layout. Without a `format` it is imagefolder's, with any name and anywhere: images elsewhere have
    absolute paths. `text_column` names the column of texts where there are columns.
    """

    format: Format | None = None
    text_column: str = TEXT

    @property
    def has_columns(self) -> bool:
        """Whether each image is a row with named columns that people can add to."""
        return self.format in (None, Format.IMAGEFOLDER)

    def check(self, path: Path, texts: int) -> None:
        """Raises InvalidRequestError where the file can't be called so, or can't hold so many texts."""
        names = NAMES[self.format]
        wanted = path.name in names if names[0][0] != "." else path.suffix in names
        what = "" if self.format is None else f" with --format {self.format}"
        if not wanted:
            verb = "must end in" if names[0][0] == "." else "must be called"
            raise InvalidRequestError(f"--output {path} {verb} {_either(names)}{what}")
        limit = MAX_TEXTS.get(self.format) if self.format is not None else None
        if limit is not None and texts > limit:
            held = "one text" if limit == 1 else f"{limit} texts"
            raise InvalidRequestError(f"--styles: --format {self.format} holds {held} per image")
        if self.text_column != TEXT and not self.has_columns:
            raise InvalidRequestError(f"--text-column is not for --format {self.format}")
        if not self.text_column.strip() or self.text_column == FILE_NAME:
            raise InvalidRequestError(f"--text-column can't be {self.text_column!r}")

    def name(self, folder: str, place: str) -> str | None:
        """Gives the name of the image at the absolute `place` in a file in `folder`.

        None where the reader wouldn't find it: imagefolder and diffusion-pipe look beside their files.
        """
        below = key_below(folder, place)
        match self.format:
            case None:
                return encodable(below or place)
            case Format.IMAGEFOLDER:
                return below if below is not None and below == encodable(below) else None
            case Format.DIFFUSION_PIPE:
                return below if below is not None and os.sep not in below else None
            case _:
                return place  # these open it as it is, wherever they are started

    def content(self, name: str, given: Mapping[str, str], styles: Sequence[str]) -> Any:
        """Gives what the file says about an image with the texts `given`, by their style.

        None where its reader would have no use for it: without any text, or the one that it takes first.
        """
        first = given.get(styles[0])
        if self.format is Format.DIFFUSION_PIPE:
            return [given[style] for style in styles if style in given] or None
        if self.has_columns:
            row = {FILE_NAME: name} | ({} if first is None else {self.text_column: first})
            row |= {f"{self.text_column}_{style}": text for style, text in given.items() if style}
            return row if given else None
        if first is None:
            return None
        caption = {"caption": first}
        if self.format is Format.AI_TOOLKIT and len(styles) > 1 and styles[1] in given:
            caption["caption_short"] = given[styles[1]]
        return caption

    def filled(self, columns: Mapping[str, Any], text: str | None) -> dict[str, Any]:
        """Gives the columns of a row that is there already, with the text where there is one.

        All rows have the column of texts: a reader may tell by the first ones which columns there are.
        """
        own = {self.text_column: columns.get(self.text_column) if text is None else text}
        return {**columns, **own}

    def columns(self, styles: Sequence[str]) -> list[str]:
        """Gives the names of all columns of a layout that has some."""
        return [
            FILE_NAME,
            self.text_column,
            *(f"{self.text_column}_{style}" for style in styles if style),
        ]


def _either(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last
