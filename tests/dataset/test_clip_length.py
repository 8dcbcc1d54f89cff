"""How long CLIP finds a text."""

import importlib.util
import sys
from collections.abc import Iterator

import pytest

from adapter.dataset.clip_length import LIMITS, _tokenizer, clip_tokens

IS_INSTALLED = importlib.util.find_spec("instant_clip_tokenizer") is not None


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Lets each test find out anew whether the tokenizer is there."""
    _tokenizer.cache_clear()
    yield
    _tokenizer.cache_clear()


def test_clip_tokens_counts_without_begin_and_end() -> None:
    """OpenAI's own tokenizer makes 320, 1125, 539, 320, 2368 of these words."""
    assert clip_tokens("a photo of a cat") == (5 if IS_INSTALLED else None)
    assert clip_tokens("") == (0 if IS_INSTALLED else None)
    assert (clip_tokens("🦊\x00\ufffd 背景") is None) is not IS_INSTALLED


def test_clip_tokens_without_the_tokenizer_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no wheels of it for each Python and machine."""
    monkeypatch.setitem(sys.modules, "instant_clip_tokenizer", None)
    assert clip_tokens("a photo of a cat") is None


def test_limits_leave_room_for_begin_and_end() -> None:
    """Two of the window's 77 are no text."""
    assert LIMITS[77] == 75
