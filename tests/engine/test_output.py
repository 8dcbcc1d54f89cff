"""The file that the engine's output is kept in."""

from pathlib import Path

import pytest

from adapter.engine.output import FILE_BYTES, LAST_LINES, OLD_FILES, Output


def test_add_keeps_lines_in_the_file_and_the_last_at_hand(tmp_path: Path) -> None:
    """The folder is made where it is missing, and no line is taken for a format."""
    output = Output(tmp_path / "new")
    for number in range(100):
        output.add(f"line {number} 100%s")
    assert output.path == tmp_path / "new/engine.log"
    assert output.path.read_text().count("100%s\n") == 100
    assert list(output.last) == [f"line {number} 100%s" for number in range(100 - LAST_LINES, 100)]
    output.close()


def test_output_of_two_services_has_two_files(tmp_path: Path) -> None:
    """The next service gets the first file again once that is free."""
    first, second = Output(tmp_path), Output(tmp_path)
    assert (first.path, second.path) == (tmp_path / "engine.log", tmp_path / "engine-2.log")
    first.close()
    third = Output(tmp_path)
    assert third.path == first.path
    second.close()
    third.close()


def test_add_when_the_file_is_full_begins_another(tmp_path: Path) -> None:
    """Only a few old files are kept, so the output never fills a disk."""
    output = Output(tmp_path)
    line = "x" * 100_000
    for _ in range((OLD_FILES + 3) * FILE_BYTES // len(line)):
        output.add(line)
    output.close()
    files = sorted(path.name for path in tmp_path.glob("engine.log*"))
    assert files == ["engine.log", *(f"engine.log.{number}" for number in range(1, OLD_FILES + 1))]
    assert all(path.stat().st_size <= FILE_BYTES for path in tmp_path.glob("engine.log*"))


def test_add_on_a_full_disk_costs_lines_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """/dev/full is always full, and nothing is written elsewhere instead."""
    (tmp_path / "engine.log").symlink_to("/dev/full")
    output = Output(tmp_path)
    for _ in range(3):
        output.add("a line")
    assert list(output.last) == ["a line"] * 3
    output.close()
    assert capfd.readouterr() == ("", "")


def test_output_without_a_folder_goes_on_without_a_file(tmp_path: Path) -> None:
    """No engine should fail for that."""
    (tmp_path / "file").touch()
    output = Output(tmp_path / "file/log")
    output.add("a line")
    assert output.path is None
    assert list(output.last) == ["a line"]
    output.close()
