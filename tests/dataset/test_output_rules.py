"""Outputs that can't hold what is captioned are refused before anything is begun."""

from pathlib import Path

import pytest

from adapter.dataset.dataset_layout import DatasetLayout, Format
from adapter.dataset.output_rules import check_output_rules
from adapter.dataset.selection import Selection
from adapter.errors import InvalidRequestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder with an image in it, beside another folder."""
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    (tmp_path / "d/a.png").touch()
    return tmp_path / "d"


def check(chosen: Format, path: Path, *given: Path, recursive: bool = True) -> None:
    """Checks an output for one text of each image of what is given."""
    check_output_rules(DatasetLayout(chosen), path, Selection(list(map(str, given)), recursive=recursive), 1)


def test_imagefolder_lies_in_the_folder_of_its_images_or_above(folder: Path) -> None:
    """It names them by relative paths."""
    check(Format.IMAGEFOLDER, folder / "metadata.jsonl", folder, folder / "a.png")
    check(Format.IMAGEFOLDER, folder.parent / "metadata.jsonl", folder, folder.parent / "e")
    for given in (folder, folder / "a.png", folder.parent):
        with pytest.raises(InvalidRequestError, match="is elsewhere"):
            check(Format.IMAGEFOLDER, folder.parent / "e/metadata.jsonl", given)


def test_imagefolder_has_one_kind_of_metadata(folder: Path) -> None:
    """Its reader refuses a folder with two."""
    (folder / "metadata.csv").touch()
    check(Format.IMAGEFOLDER, folder / "metadata.csv", folder)
    with pytest.raises(InvalidRequestError, match=r"can't be read with .*metadata\.csv beside it"):
        check(Format.IMAGEFOLDER, folder / "metadata.jsonl", folder)


def test_diffusion_pipe_reads_one_folder(folder: Path) -> None:
    """Images in folders below have no name in its file."""
    output = folder / "captions.json"
    (folder / "_controls").mkdir()
    (folder / ".hidden").mkdir()
    check(Format.DIFFUSION_PIPE, output, folder, folder / "a.png")
    with pytest.raises(InvalidRequestError, match="is elsewhere"):
        check(Format.DIFFUSION_PIPE, output, folder, folder.parent / "e")
    with pytest.raises(InvalidRequestError, match="is elsewhere"):
        check(Format.DIFFUSION_PIPE, folder.parent / "captions.json", folder)
    (folder / "below").mkdir()
    check(Format.DIFFUSION_PIPE, output, folder, recursive=False)
    with pytest.raises(InvalidRequestError, match="--no-recursive"):
        check(Format.DIFFUSION_PIPE, output, folder)


@pytest.mark.parametrize(
    ("chosen", "name"),
    [(Format.KOHYA, "x.json"), (Format.MUSUBI, "x.jsonl"), (Format.AI_TOOLKIT, "x.json")],
)
def test_absolute_names_reach_everywhere(folder: Path, chosen: Format, name: str) -> None:
    """Those files may lie anywhere."""
    check(chosen, folder.parent / "e" / name, folder, folder.parent)
