"""The words that tell English from its neighbours."""

from adapter.caption.stop_words import ENGLISH, FOREIGN


def test_no_word_stands_for_both() -> None:
    """One that did would count against itself."""
    assert not ENGLISH & FOREIGN
    assert {"the", "of"} < ENGLISH
    assert {"und", "avec", "para", "che"} < FOREIGN
