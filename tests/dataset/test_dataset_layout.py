"""What each reader's file is called, how it names images, and what it says of them."""

from pathlib import Path
from typing import Any

import pytest

from adapter.dataset.dataset_layout import DatasetLayout, Format
from adapter.errors import InvalidRequestError

BOTH = {"a": "long", "b": "short"}


@pytest.mark.parametrize(
    ("chosen", "good", "bad"),
    [
        (None, ["x.jsonl", "x.csv", "x.parquet"], ["x.json", "x", "jsonl"]),
        (Format.IMAGEFOLDER, ["metadata.jsonl", "metadata.csv", "metadata.parquet"], ["x.jsonl"]),
        (Format.KOHYA, ["x.json", "x.jsonl"], ["x.csv", "x.JSON"]),
        (Format.MUSUBI, ["x.jsonl"], ["x.json"]),
        (Format.DIFFUSION_PIPE, ["captions.json"], ["x.json", "captions.jsonl"]),
        (Format.AI_TOOLKIT, ["x.json"], ["x.jsonl"]),
    ],
)
def test_a_file_is_called_as_its_reader_wants(chosen: Format | None, good: list[str], bad: list[str]) -> None:
    """Some find it by its whole name, others tell by the ending what is in it."""
    layout = DatasetLayout(chosen)
    for name in good:
        layout.check(Path("/d", name), 1)
    for name in bad:
        with pytest.raises(InvalidRequestError, match=r"must (end in|be called) "):
            layout.check(Path("/d", name), 1)


@pytest.mark.parametrize(
    ("chosen", "name", "most"),
    [
        (None, "x.jsonl", None),
        (Format.IMAGEFOLDER, "metadata.jsonl", None),
        (Format.KOHYA, "x.json", 1),
        (Format.MUSUBI, "x.jsonl", 1),
        (Format.DIFFUSION_PIPE, "captions.json", None),
        (Format.AI_TOOLKIT, "x.json", 2),
    ],
)
def test_more_texts_than_a_file_holds_are_refused(chosen: Format | None, name: str, most: int | None) -> None:
    """The others are never left out without a word."""
    layout = DatasetLayout(chosen)
    layout.check(Path(name), most or 9)
    if most is not None:
        with pytest.raises(InvalidRequestError, match=r"--styles: --format .* holds .* per image"):
            layout.check(Path(name), most + 1)


@pytest.mark.parametrize("column", ["", " ", "file_name"])
def test_a_column_of_texts_needs_a_name_of_its_own(column: str) -> None:
    """Images are named in the one that is called file_name."""
    with pytest.raises(InvalidRequestError, match="--text-column can't be"):
        DatasetLayout(text_column=column).check(Path("x.jsonl"), 1)


def test_a_file_without_columns_has_no_column_of_texts() -> None:
    """An option that changes nothing would be a promise that isn't kept."""
    with pytest.raises(InvalidRequestError, match="--text-column is not for --format kohya"):
        DatasetLayout(Format.KOHYA, "caption").check(Path("x.json"), 1)


@pytest.mark.parametrize(
    ("chosen", "below", "deeper", "elsewhere", "odd"),
    [
        (None, "a.png", "b/a.png", "/e/a.png", r"\udcff.png"),
        (Format.IMAGEFOLDER, "a.png", "b/a.png", None, None),
        (Format.KOHYA, "/d/a.png", "/d/b/a.png", "/e/a.png", "/d/\udcff.png"),
        (Format.MUSUBI, "/d/a.png", "/d/b/a.png", "/e/a.png", "/d/\udcff.png"),
        (Format.DIFFUSION_PIPE, "a.png", None, None, "\udcff.png"),
        (Format.AI_TOOLKIT, "/d/a.png", "/d/b/a.png", "/e/a.png", "/d/\udcff.png"),
    ],
)
def test_images_are_named_as_the_reader_finds_them(
    chosen: Format | None, below: str, deeper: str | None, elsewhere: str | None, odd: str | None
) -> None:
    """What it couldn't find has no name; the last one's isn't UTF-8."""
    names = [
        DatasetLayout(chosen).name("/d", place)
        for place in ("/d/a.png", "/d/b/a.png", "/e/a.png", "/d/\udcff.png")
    ]
    assert names == [below, deeper, elsewhere, odd]


@pytest.mark.parametrize(
    ("chosen", "one", "two"),
    [
        (
            None,
            {"file_name": "n", "text": "long"},
            {"file_name": "n", "text": "long", "text_a": "long", "text_b": "short"},
        ),
        (Format.KOHYA, {"caption": "long"}, None),
        (Format.MUSUBI, {"caption": "long"}, None),
        (Format.DIFFUSION_PIPE, ["long"], ["long", "short"]),
        (Format.AI_TOOLKIT, {"caption": "long"}, {"caption": "long", "caption_short": "short"}),
    ],
)
def test_a_file_says_what_its_reader_reads(chosen: Format | None, one: Any, two: Any) -> None:
    """Of several texts the first is the caption."""
    layout = DatasetLayout(chosen)
    assert layout.content("n", {"": "long"}, [""]) == one
    assert layout.content("n", {}, [""]) is None
    if two is not None:
        assert layout.content("n", BOTH, ["a", "b"]) == two


def test_an_image_without_its_first_text_is_left_out_where_that_is_the_caption() -> None:
    """Its reader would take an empty caption, or another file's, without a word."""
    only_second = {"b": "short"}
    assert DatasetLayout(Format.AI_TOOLKIT).content("n", only_second, ["a", "b"]) is None
    assert DatasetLayout(Format.DIFFUSION_PIPE).content("n", only_second, ["a", "b"]) == ["short"]
    assert DatasetLayout(Format.IMAGEFOLDER).content("n", only_second, ["a", "b"]) == {
        "file_name": "n",
        "text_b": "short",
    }


def test_the_column_of_texts_gives_its_name_to_those_of_styles() -> None:
    """Rows and columns agree."""
    layout = DatasetLayout(text_column="caption")
    assert list(layout.content("n", BOTH, ["a", "b"])) == layout.columns(["a", "b"])
    assert layout.columns([""]) == ["file_name", "caption"]
