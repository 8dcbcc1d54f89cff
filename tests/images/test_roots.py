"""Which files are opened, and which aren't."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.errors import CaptionError, FileMissingError, FileNotAllowedError, NotAnImageError
from adapter.images.roots import open_file

SECRET = b"secret"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Makes `tmp_path/root`, and beside it what must not be read. No test may leave a descriptor open."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub/a.png").write_bytes(b"a")
    (tmp_path / "root-not").mkdir()
    (tmp_path / "root-not/b.png").write_bytes(SECRET)
    before = len(os.listdir("/proc/self/fd"))
    yield root
    assert len(os.listdir("/proc/self/fd")) == before, "descriptors are left open"


def read(path: Path | str, *roots: Path) -> bytes:
    descriptor = open_file(str(path), [str(root) for root in roots] if roots else None)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "path",
    [
        "sub/a.png",
        "./sub//a.png",
        "sub/../sub/a.png",
        "link.png",
        "absolute.png",
        "folder/a.png",
        "up/sub/a.png",
    ],
)
def test_open_file_inside_of_a_root_opens_it(root: Path, path: str) -> None:
    """Links that stay inside are followed."""
    (root / "link.png").symlink_to("sub/a.png")
    (root / "absolute.png").symlink_to(root / "sub/a.png")
    (root / "folder").symlink_to("sub")
    (root / "up").symlink_to("sub/..")
    assert read(f"{root}/{path}", root) == b"a"
    assert read(f"{root}/{path}") == b"a"


@pytest.mark.parametrize(
    "path",
    [
        "../root-not/b.png",
        "../root-not/none.png",
        "../root/sub/a.png",
        "sub/../../root-not/b.png",
        "out.png",
        "out-none.png",
        "out-relative.png",
        "folder/b.png",
        "folder/none.png",
        "chain.png",
        "loop.png",
        "/etc/passwd",
        "/etc/none",
        "/",
    ],
)
def test_open_file_outside_is_refused_whether_it_is_there_or_not(root: Path, path: str) -> None:
    """Neither names nor `..` nor links lead out; a name that only begins like a root's is another folder."""
    beside = root.parent / "root-not"
    (root / "out.png").symlink_to(beside / "b.png")
    (root / "out-none.png").symlink_to(beside / "none.png")
    (root / "out-relative.png").symlink_to("../root-not/b.png")
    (root / "folder").symlink_to(beside)
    (root / "chain.png").symlink_to("out.png")
    (root / "loop.png").symlink_to("loop.png")
    whole = path if path.startswith("/") else f"{root}/{path}"
    with pytest.raises(FileNotAllowedError) as caught:
        read(whole, root)
    assert caught.value.message == f"Outside of the folders that may be read: {whole}"
    with pytest.raises(FileNotAllowedError):
        read(f"{root}-not/b.png", root)


@pytest.mark.parametrize("path", ["none.png", "none/a.png", "sub/a.png/x", "dangling.png"])
def test_open_file_of_nothing_inside_says_that_it_is_missing(root: Path, path: str) -> None:
    """Only inside may an answer tell what exists."""
    (root / "dangling.png").symlink_to("nothing")
    for roots in ((root,), ()):
        with pytest.raises(FileMissingError):
            read(root / path, *roots)


def test_open_file_with_several_roots_follows_links_between_them(root: Path) -> None:
    """A link from one root into another stays inside."""
    beside = root.parent / "root-not"
    (root / "out.png").symlink_to(beside / "b.png")
    assert read(root / "out.png", root, beside) == SECRET


def test_open_file_of_no_regular_file_is_refused_at_once(root: Path) -> None:
    """Such a file is never opened for reading: a FIFO has no writer, and a device has no end."""
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        started = time.monotonic()
        for path in (root / "fifo", root / "socket", root / "sub", root):
            for roots in ((root,), ()):
                with pytest.raises(NotAnImageError):
                    read(path, *roots)
        for path in (Path("/dev/zero"), Path("/dev/tty"), Path("/proc/self/fd")):
            with pytest.raises(CaptionError):
                read(path)
    assert time.monotonic() - started < 1


def test_open_file_while_somebody_swaps_it_for_a_link_never_reads_outside(root: Path) -> None:
    """What was checked is what is read, however fast things are renamed meanwhile."""
    inside, ready = root / "swap.png", root / "ready.png"
    inside.write_bytes(b"a")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            ready.symlink_to(root.parent / "root-not/b.png")
            os.replace(ready, inside)
            ready.write_bytes(b"a")
            os.replace(ready, inside)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[bytes] = set()
    refused = 0
    try:
        for _ in range(3000):
            try:
                seen.add(read(inside, root))
            except FileNotAllowedError:
                refused += 1
            except FileMissingError:
                pass
    finally:
        done.set()
        swapping.join()
    with contextlib.suppress(FileNotFoundError):
        ready.unlink()
    assert SECRET not in seen
    assert refused
