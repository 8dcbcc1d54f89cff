"""What only a dataset as a whole shows."""

from adapter.dataset.review.findings import findings
from adapter.dataset.review.frequencies import Frequencies, frequencies
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import found
from tests.reviewed import Reviewed


def test_texts_of_several_images_are_found(reviewed: Reviewed) -> None:
    """The most frequent first; images of one size may be copies, which need one text."""
    reviewed.add(**dict.fromkeys("abcd", "a fox in the snow"), e="a cat", f="a cat", g="a dog")
    for size, name in enumerate("abcde", 1):
        reviewed.image(f"{name}.png", size)
    reviewed.image("d.png", 1)
    reviewed.image("f.png", 9)
    reviewed.refresh()
    shared = [(one.text, one.images) for one in findings(reviewed.path).shared]
    assert shared == [("a fox in the snow", 3), ("a cat", 2)]


def test_phrases_of_most_texts_are_found(reviewed: Reviewed) -> None:
    """In a sample; a dataset without texts has none."""
    reviewed.image("a.png")
    reviewed.refresh()
    assert findings(reviewed.path).phrases == []
    reviewed.add(**{f"t{n}": f"This image shows a fox beside tree number {n}." for n in range(30)})
    reviewed.refresh()
    assert "this image shows" in {phrase.words for phrase in findings(reviewed.path).phrases}


def test_frequencies_count_texts_and_not_times(reviewed: Reviewed) -> None:
    """Tags of lists, words of sentences that say something; of what is filtered alone."""
    reviewed.add(
        a="The fox and the fox see a Fox that runs.",
        b="red_fox, snow, red fox, night sky, stars, moon, tree",
        c="The cat sees the snow, and it likes what it sees.",
    )
    reviewed.refresh()
    with reviewed.index() as index:
        everything = found(index, ItemFilter())
        foxes = found(index, ItemFilter("fox"))
    counted = frequencies(reviewed.path, everything)
    assert counted.texts == 3
    assert dict(counted.tags)["red fox"] == 1
    assert dict(counted.words)["fox"] == 1
    assert "the" not in dict(counted.words)
    assert "cat" not in dict(frequencies(reviewed.path, foxes).words)
    assert frequencies(reviewed.path, []) == Frequencies(0, [], [])
