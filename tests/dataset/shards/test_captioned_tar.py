"""New tars of shards, with captions beside the images."""

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from adapter.dataset.shards.captioned_tar import CaptionedTar, Mark, mark_at, member_key
from adapter.dataset.shards.captions_file import captions_at
from adapter.dataset.shards.parquet_samples import Columns
from adapter.dataset.shards.row_layout import About, Layout, column, to_file
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import Place, place_of
from adapter.dataset.shards.tar_samples import key_and_ending
from adapter.errors import StoreError
from tests.datasets import RECIPE
from tests.shards import contents, shade, tar_of, webdataset, write_parquet
from tests.stores import bucket_url

MAX_BYTES = 100_000


def new_tar(
    folder: Place,
    captions: Mapping[str, str | Sequence[str | None] | None],
    *,
    shard: str = "a.tar",
    styles: Sequence[str] = ("",),
) -> CaptionedTar:
    """Gives the new tar of the shard in that folder, with a caption of each style, None for a failure."""
    layout = Layout([replace(RECIPE, style=style) for style in styles])
    rows: list[dict[str, str | None]] = []
    for key, texts in captions.items():
        several = [texts] if texts is None or isinstance(texts, str) else texts
        cells = {column("caption", style): text for style, text in zip(styles, several, strict=True)}
        rows.append({"key": key, **cells})
    output = folder.below("out", "a.parquet")
    output.write(to_file(layout.table(rows), About("a.tar", layout.settings)))
    found = captions_at(output)
    assert found is not None
    return CaptionedTar(Shard(folder.below(shard)), found, folder.below("new", "a.tar"), Columns(), MAX_BYTES)


@pytest.fixture(params=["here", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Gives a folder without files: here, or in a store that speaks S3."""
    if request.param == "here":
        return place_of(str(tmp_path / "folder"))
    return place_of(bucket_url(request.getfixturevalue("s3_port"), f"folder/{tmp_path.name}"))


def test_files_stay_as_they_are_and_each_caption_is_beside_its_image(folder: Place) -> None:
    """The alternative text makes way for the caption; what has none is left out with all of its sample."""
    whole = webdataset(3)
    folder.below("a.tar").write(whole)
    tar = new_tar(folder, {"000000000": "one", "000000001": None, "000000002": "due é"})
    assert tar.write() == 2
    before = contents(whole)
    with tar.place.stream() as stream:
        new = contents(stream.read())
    assert list(new) == [
        "000000000.png",
        "000000000.txt",
        "000000000.json",
        "000000002.png",
        "000000002.txt",
        "000000002.json",
    ]
    assert new["000000000.txt"] == b"one"
    assert new["000000002.txt"].decode() == "due é"
    assert all(new[name] == before[name] for name in new if not name.endswith(".txt"))
    assert mark_at(tar.place) == tar.mark
    with folder.below("a.tar").stream() as stream:
        assert stream.read() == whole
    assert [place.name for place in folder.below("new").files()] == ["a.tar"]


def test_several_styles_are_fields_of_their_own(tmp_path: Path) -> None:
    """The shard's own text stays, because nothing has its name; an image that lacks one style is left out."""
    (tmp_path / "a.tar").write_bytes(webdataset(2))
    captions = {"000000000": ("one", "two"), "000000001": ("three", None)}
    tar = new_tar(place_of(str(tmp_path)), captions, styles=("a", "b"))
    assert tar.write() == 1
    new = contents((tmp_path / "new/a.tar").read_bytes())
    assert list(new) == [f"000000000.{end}" for end in ("png", "a.txt", "b.txt", "txt", "json")]
    assert (new["000000000.a.txt"], new["000000000.b.txt"]) == (b"one", b"two")


def test_links_and_names_that_come_twice_are_left_out(tmp_path: Path) -> None:
    """Readers follow the first, and refuse the second; what lies elsewhere would have no caption."""
    link = tarfile.TarInfo("a.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    files = [("a.cls", b"1"), ("a.png", b"x"), ("a.PNG", b"y"), ("a.webp", b"w"), ("a.b.c", b"1")]
    files += [("a.TXT", b"old")]
    more = [("d/b.c/e.png", b"z"), ("none", b""), ("a.png", b"again"), ("a.jpg", b"far"), ("a.d", b"1")]
    (tmp_path / "a.tar").write_bytes(tar_of([*files, link, *more]))
    assert new_tar(place_of(str(tmp_path)), {"a": "one", "d/b.c/e": "two"}).write() == 2
    new = contents((tmp_path / "new/a.tar").read_bytes())
    assert new == {
        **{"a.cls": b"1", "a.png": b"x", "a.txt": b"one", "a.webp": b"w", "a.b.c": b"1"},
        **{"d/b.c/e.png": b"z", "d/b.c/e.txt": b"two"},
    }


@pytest.mark.parametrize("cut", [512 * 4, -1024 * 8, 512 * 3 + 20])
def test_a_shard_that_breaks_off_leaves_no_tar(folder: Place, cut: int) -> None:
    """Nothing is left in the place of the new one, nor beside it."""
    folder.below("a.tar").write(webdataset(3).rstrip(b"\0")[:cut])
    tar = new_tar(folder, {"000000000": "one"})
    with pytest.raises(StoreError, match=r"a\.tar breaks off or is damaged"):
        tar.write()
    assert folder.below("new").files() == []


def test_a_shard_that_has_changed_leaves_the_tar_that_was_there(folder: Place) -> None:
    """The captions are of other images."""
    folder.below("a.tar").write(webdataset(1))
    first = new_tar(folder, {"000000000": "one"})
    assert first.write() == 1
    with pytest.raises(StoreError, match=r"a\.tar has changed: 1 captioned images are gone"):
        new_tar(folder, {"000000000": "one", "x": "two"}).write()
    assert mark_at(first.place) == first.mark
    assert [place.name for place in folder.below("new").files()] == ["a.tar"]


def test_a_tar_that_nobody_wants_any_more_is_given_up(folder: Place) -> None:
    """The run was interrupted."""
    folder.below("a.tar").write(webdataset(3))
    tar = replace(new_tar(folder, {"000000000": "one"}), should_stop=lambda: True)
    assert tar.write() is None
    assert folder.below("new").files() == []


def test_without_a_caption_there_is_no_tar(tmp_path: Path) -> None:
    """Readers refuse an empty one."""
    (tmp_path / "a.tar").write_bytes(webdataset(1))
    assert new_tar(place_of(str(tmp_path)), {"000000000": None}).write() == 0
    assert not (tmp_path / "new").exists()


def test_a_parquet_file_becomes_a_tar(tmp_path: Path) -> None:
    """Each image has the extension of its format, and keys with dots stay whole."""
    images = [shade(1), b"\xff\xd8\xffjpeg", shade(2), shade(3), shade(4), bytes(MAX_BYTES + 1)]
    keys = ["cat.v2", "d.e/dog", "cat.v2", "none", "g/", "large"]
    write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": i, "path": ""} for i in images], "key": keys})
    captions = {"cat.v2": "a cat", "d.e/dog": "a dog", "none": None, "g/": "odd", "large": None}
    assert new_tar(place_of(str(tmp_path)), captions, shard="a.parquet").write() == 3
    assert contents((tmp_path / "new/a.tar").read_bytes()) == {
        **{"cat%2Ev2.png": shade(1), "cat%2Ev2.txt": b"a cat"},
        **{"d.e/dog.jpg": images[1], "d.e/dog.txt": b"a dog"},
        **{"g%2F.png": shade(4), "g%2F.txt": b"odd"},
    }


@pytest.mark.parametrize("key", ["a", "a.b", ".a", "a/b.c", "a%2E", "a/", "7", "ä ö"])
def test_a_rows_key_can_be_read_back_from_its_name(key: str) -> None:
    """WebDataset ends a key at the first dot of its last part."""
    name = f"{member_key(key)}.png"
    assert key_and_ending(name) == (member_key(key), "png")
    assert unquote(member_key(key)) == key


def test_a_tar_of_somebody_else_has_no_mark(tmp_path: Path) -> None:
    """Neither has one that holds a member which says so."""
    place = place_of(str(tmp_path / "a.tar"))
    assert mark_at(place) is None
    for content in (b"", webdataset(1), tar_of([("a.png", b"30 JOYCAPTION.made_from=ab cd\n")])):
        place.write(content)
        assert mark_at(place) == Mark()


def test_the_same_captions_make_the_same_tar(tmp_path: Path) -> None:
    """A tar of ours as a shard gives its own mark to no member of the next one."""
    folder = place_of(str(tmp_path))
    (tmp_path / "a.tar").write_bytes(webdataset(2))
    captions = {"000000000": "one", "000000001": "two"}
    new_tar(folder, captions).write()
    first = (tmp_path / "new/a.tar").read_bytes()
    os.replace(tmp_path / "new/a.tar", tmp_path / "a.tar")
    new_tar(folder, captions).write()
    assert (tmp_path / "new/a.tar").read_bytes() == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert len({member.name for member in tar}) == len(tar.getmembers()) == 6
