"""The file of a user's own styles."""

from pathlib import Path

import pytest

from adapter.caption.prompts import PromptBook
from adapter.cli.files import load_book
from adapter.config import PROJECT_DIR, own_styles_path
from adapter.errors import SettingsError
from adapter.own_styles_file import MAX_BYTES, read_own_styles

PROJECT = PROJECT_DIR / "styles.json"


def load(path: Path) -> PromptBook:
    return load_book(PROJECT, path)


def test_own_styles_come_after_the_project_s(tmp_path: Path) -> None:
    """A namesake of the project's wins; without a file there are none."""
    assert not load(tmp_path / "none.json").own_styles
    path = tmp_path / "styles.json"
    path.write_text(
        '{"styles": {"haiku": "Write a haiku.", "booru": {"prompt": "Say tags.", "form": "tags"}}}'
    )
    book = load(path)
    assert list(book.own_styles) == ["haiku", "booru"]
    assert book.style_prompts["haiku"] == "Write a haiku."
    assert book.style_prompts["booru"] == "Say tags."
    assert "casual" in book.styles


def test_the_file_lies_among_the_user_s_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the desktop's standard says."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_styles_path() == tmp_path / "joycaption/styles.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert own_styles_path() == Path.home() / ".config/joycaption/styles.json"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "the file as a whole"),
        (b'{"styles": {"a": 1}}', "styles.a"),
        (b'{"styles": {"a": {"prompt": ""}}}', "styles.a"),
        (b'{"styles": {"a": {"prompt": "x", "sampling": {"temperature": 9}}}}', "styles.a"),
        (b'{"styles": {"a": {"caption_type": "None such"}}}', "there is no caption type"),
        (b'{"sampling": {}}', "sampling"),
        (b'\xff{"styles": {}}', "Invalid JSON"),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    """As one in the project's file is."""
    path = tmp_path / "styles.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """A folder, or a pipe, which nobody may ever write to."""
    with pytest.raises(SettingsError, match="no regular file"):
        read_own_styles(tmp_path)
