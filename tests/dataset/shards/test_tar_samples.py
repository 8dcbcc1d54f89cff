"""The images of tars, which come from anybody."""

import io
import random
import tarfile

import pytest

from adapter.dataset.shards.sample import MAX_KEY_BYTES, Sample
from adapter.dataset.shards.tar_samples import MAX_HEADER_BYTES, TarSamples
from adapter.errors import CaptionError, ImageError, ImageTooLargeError, StoreError
from tests.shards import damaged, tar_of, webdataset


def samples(content: bytes, max_bytes: int = 1000) -> TarSamples:
    return TarSamples(io.BytesIO(content), "a.tar", max_bytes)


def test_a_key_ends_at_the_first_dot_of_the_base_name() -> None:
    """As in WebDataset; folders belong to it, and other fields of a sample are no images of it."""
    names = ("a.png", "b/c.d/e.JPG", "b/f.seg.png", "./g.webp", "h.txt", "no", ".i.png", "j-masklabel.png")
    found = samples(tar_of([(name, name.encode()) for name in (*names, "_controls/k.png")]))
    assert list(found) == [
        Sample("a", b"a.png"),
        Sample("b/c.d/e", b"b/c.d/e.JPG"),
        Sample("./g", b"./g.webp"),
    ]
    assert found.others == 1


@pytest.mark.parametrize(
    "name", ["../a.png", "/a.png", "b/../../a.png", "b/..png", "a\nb.png", "\x1b[2Ja.png"]
)
def test_a_key_that_leads_out_or_hides_something_is_an_error(name: str) -> None:
    """Whoever reads the output may make names of files of it."""
    found = [sample for sample in samples(tar_of([(name, b"x")])) if not isinstance(sample.image, bytes)]
    if name == "b/..png":
        assert not found, "it begins with a dot, and is hidden"
    else:
        assert [type(sample.image) for sample in found] == [ImageError]
        assert found[0].key.isprintable()


def test_a_key_that_is_too_long_is_cut() -> None:
    """It could fill the memory."""
    (sample,) = samples(tar_of([("x" * (MAX_KEY_BYTES + 1) + ".png", b"x")]))
    assert len(sample.key) == 200
    assert isinstance(sample.image, CaptionError)


def test_a_member_over_the_limit_is_not_read() -> None:
    """The next one is good."""
    first, second = samples(tar_of([("a.png", b"x" * 11), ("b.png", b"y" * 10)]), 10)
    assert isinstance(first.image, ImageTooLargeError)
    assert second == Sample("b", b"y" * 10)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_plain_file_is_an_error(kind: bytes) -> None:
    """Links are never followed."""
    member = tarfile.TarInfo("b.png")
    member.type, member.linkname = kind, "a.png"
    _, found = samples(tar_of([("a.png", b"x"), member]))
    assert (found.key, type(found.image)) == ("b", ImageError)


def test_a_name_that_takes_a_gigabyte_ends_the_tar() -> None:
    """It is never read into the memory."""
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**30
    content = tar_of([("a.png", b"x")])[: 2 * 512] + member.tobuf() + bytes(2 * MAX_HEADER_BYTES)
    found = iter(samples(content))
    assert next(found).key == "a"
    with pytest.raises(StoreError, match=f"has {2**30} bytes"):
        next(found)


@pytest.mark.parametrize("cut", [0, 100, 512 + 20, 512 * 6, -512 * 20, -10_240])
def test_a_tar_that_breaks_off_gives_what_it_has_and_an_error(cut: int) -> None:
    """Wherever it was cut, in a member or between two."""
    whole = webdataset(20)
    found: list[Sample] = []
    with pytest.raises(StoreError, match=r"a\.tar breaks off or is damaged: "):
        found += samples(whole.rstrip(b"\0")[:cut] if cut < 0 else whole[:cut])
    assert len(found) < 20


def test_damage_in_the_middle_is_no_end() -> None:
    """A header that is none would end the tar silently."""
    whole = bytearray(webdataset(20))
    place = whole.index(b"000000010.png")
    whole[place : place + 512] = b"\xff" * 512
    found: list[Sample] = []
    with pytest.raises(StoreError):
        found.extend(samples(bytes(whole)))


def test_what_is_no_tar_is_an_error() -> None:
    """Also where it is empty."""
    for content in (b"", b"no tar" * 500, bytes(range(256)) * 8):
        with pytest.raises(StoreError):
            list(samples(content))


@pytest.mark.parametrize("seed", range(10))
def test_whatever_a_tar_holds_it_is_read_or_told_to_be_damaged(seed: int) -> None:
    """Bytes are changed, lost and added, and blocks overwritten, at random."""
    chance = random.Random(seed)
    for _ in range(30):
        content = damaged(webdataset(20), chance)
        try:
            found = list(samples(content))
        except StoreError as error:
            assert "a.tar" in error.message
        else:
            assert len(found) <= 20
