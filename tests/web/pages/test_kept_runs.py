"""Runs that outlive the service."""

from pathlib import Path

import pytest

from adapter.web.pages.kept_runs import FOLDER, MAX_FILE_BYTES, KeptRun, KeptRuns

RUN = KeptRun(fields={"folder": "/pictures", "seed": 2**70}, made=3, is_paused=True)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """As it was kept last, until it is dropped."""
    kept = KeptRuns(tmp_path / "data")
    assert list(kept.all()) == []
    kept.keep("a", RUN.model_copy(update={"made": 1}))
    kept.keep("a", RUN)
    assert list(KeptRuns(tmp_path / "data").all()) == [("a", RUN)]
    assert (tmp_path / "data" / FOLDER).stat().st_mode & 0o077 == 0
    kept.drop("a")
    kept.drop("a")
    assert list(kept.all()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"fields": [], "made": 0, "is_paused": true}',
        b'{"fields": {}, "made": 1e999, "is_paused": true}',
        b" " * (MAX_FILE_BYTES + 1),
    ],
    ids=["empty", "torn", "list", "bytes", "deep", "no fields", "endless", "large"],
)
def test_a_broken_file_is_removed(tmp_path: Path, content: bytes) -> None:
    """The others are kept."""
    kept = KeptRuns(tmp_path)
    kept.keep("b", RUN)
    (tmp_path / FOLDER / "a.json").write_bytes(content)
    assert list(kept.all()) == [("b", RUN)]
    assert not (tmp_path / FOLDER / "a.json").exists()


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    """The run itself goes on."""
    (tmp_path / FOLDER).write_text("in the way")
    KeptRuns(tmp_path).keep("a", RUN)
    assert (tmp_path / FOLDER).read_text() == "in the way"
