"""What stands in most texts."""

from adapter.dataset.phrases import MIN_TEXTS, Phrase, common_phrases

ANIMALS = ("fox", "cat", "dog", "owl", "hare")


def texts(beginning: str) -> list[str]:
    return [
        f"{beginning} a {ANIMALS[number % 5]} that sits near house number {number}."
        for number in range(MIN_TEXTS)
    ]


def test_phrases_of_most_texts_are_found() -> None:
    """With their share; the trigger is meant to stand in all."""
    found = common_phrases(texts("In this image we see"))
    assert Phrase("in this image", 1.0) in found
    assert not [phrase for phrase in found if "fox" in phrase.words]
    assert "sks person shows" not in {one.words for one in common_phrases(texts("sks person shows"), "SKS ")}


def test_tags_of_most_texts_are_found_whole() -> None:
    """A tag that stands in fewer than four fifths isn't."""
    lists = [f"masterpiece, best quality, {ANIMALS[number % 5]}, snow" for number in range(MIN_TEXTS - 5)]
    lists += ["masterpiece, solo, rain"] * 5
    assert common_phrases(lists) == [Phrase("masterpiece", 1.0)]


def test_phrases_of_few_texts_say_nothing() -> None:
    """A handful of texts has much in common by chance."""
    assert common_phrases(texts("In this image we see")[1:]) == []
    assert common_phrases([""] * MIN_TEXTS) == []
