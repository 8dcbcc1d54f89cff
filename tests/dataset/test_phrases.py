"""What stands in most of the texts."""

from adapter.dataset.phrases import MIN_TEXTS, common_phrases


def test_phrases_and_tags_of_most_texts_are_found_but_not_the_trigger() -> None:
    """In four fifths of them, and only where there are enough."""
    texts = [f"sks, The image shows a thing of the kind {number}." for number in range(MIN_TEXTS)]
    found = [phrase.words for phrase in common_phrases(texts, "sks")]
    assert "the image shows" in found
    assert not [words for words in found if "sks" in words]
    assert common_phrases(texts[1:], "sks") == []
    tags = [f"solo, tag {number}, snow, sky, tree, fox" for number in range(MIN_TEXTS)]
    assert {phrase.words: phrase.share for phrase in common_phrases(tags)}["solo"] == 1.0
