"""Memory that two processes share."""

import errno
import os
import resource

import pytest

from adapter.images.parcel import Parcel


def test_parcel_of_bytes_gives_them_again() -> None:
    """It may be read as often as needed, and by whoever has its descriptor."""
    with Parcel.of(b"bytes") as parcel:
        other = Parcel(os.dup(parcel.descriptor))
        assert parcel.read() == other.read() == b"bytes"
        assert parcel.read(3) == b"byt"
        other.close()
        assert parcel.read() == b"bytes"


def test_fill_writes_the_parts_after_one_another_and_gives_their_size() -> None:
    """What was longer before keeps its end, so only the size tells what counts."""
    with Parcel.of(b"x" * 10) as parcel:
        assert parcel.fill(b'"', b"", b"ab", b'"') == 4
        assert parcel.read(4) == b'"ab"'
        assert parcel.read() == b'"ab"xxxxxx'
        assert parcel.fill(b"y" * 20) == 20
        assert parcel.read() == b"y" * 20


def test_close_lets_the_memory_go() -> None:
    """Nobody else holds the descriptor of a parcel that was never passed on."""
    parcel = Parcel.of(b"bytes")
    parcel.close()
    with pytest.raises(OSError) as caught:
        parcel.read()
    assert caught.value.errno == errno.EBADF


def test_parcel_of_bytes_where_memory_is_short_leaves_no_descriptor() -> None:
    """A file size limit stands for memory that runs out in the middle."""
    before = set(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError):
            Parcel.of(b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert set(os.listdir("/proc/self/fd")) == before
