"""The texts beside a dataset's images, judged."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from adapter.dataset import checking
from adapter.dataset.checking import Check
from adapter.dataset.judging import Standard
from adapter.dataset.texts.sidecars import Sidecars


def check_of(folder: Path, trigger: str = "") -> Check:
    """Gives a check that needs no further processes."""
    return Check(Standard(str(folder), trigger=trigger), Sidecars(), ProcessPoolExecutor(1))


def test_run_hands_on_what_it_has_found(tmp_path: Path) -> None:
    """The first texts are read one by one, as the caller takes them."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"x")
        (tmp_path / f"{name}.txt").write_text("ha " * 20)
    check = check_of(tmp_path)
    found = check.run()
    next(found)
    assert check.texts == 1
    next(found)
    assert next(found, None) is None
    assert (check.texts, check.flawed, check.hard, check.kinds["loop"]) == (2, 2, 2, 2)


def test_phrases_come_from_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is bounded, drawn from all texts, and the same each time."""
    monkeypatch.setattr(checking, "SAMPLE", 30)
    for number in range(90):
        (tmp_path / f"{number}.png").write_bytes(b"x")
        ending = "by a lake" if number % 10 else "elsewhere"
        (tmp_path / f"{number}.txt").write_text(f"ohwx man, thing{number}, on a hill {ending} at night.")
    checks = [check_of(tmp_path, "ohwx") for _ in range(2)]
    for check in checks:
        assert not list(check.run())
    first, second = (check.phrases for check in checks)
    assert first == second
    shares = {phrase.words: phrase.share for phrase in first}
    assert shares["on a hill"] == 1
    assert 0.8 <= shares["by a lake"] < 1
    assert not any("ohwx" in words for words in shares)
