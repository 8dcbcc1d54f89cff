"""What every command needs of this machine."""

import resource
from pathlib import Path

import pytest

from adapter.cli.files import MAX_DESCRIPTORS, load_book, raise_descriptor_limit
from adapter.config import PROJECT_DIR
from adapter.errors import SettingsError


def test_load_book_reads_the_projects_styles() -> None:
    """A file that isn't there, or holds something else, is named in the error."""
    assert "descriptive" in load_book(PROJECT_DIR / "styles.json").styles
    with pytest.raises(SettingsError, match=r"none\.json can't be read: No such file"):
        load_book(Path("/none.json"))


def test_load_book_of_a_mistake_names_the_file(tmp_path: Path) -> None:
    """The place of the mistake follows."""
    path = tmp_path / "styles.json"
    path.write_text("{}")
    with pytest.raises(SettingsError, match=r"styles\.json: system_prompt"):
        load_book(path)


def test_raise_descriptor_limit_goes_to_what_is_allowed() -> None:
    """The limit that the system sets stays as it is."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, MAX_DESCRIPTORS), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
