"""What is done about a text, as a truth table."""

from collections.abc import Iterator
from itertools import product

import pytest

from adapter.dataset.decide import (
    Decision,
    Existing,
    Facts,
    KeepEdited,
    Make,
    Record,
    Skip,
    Taken,
    Text,
    decide,
)

OURS, EDITED, OLDER = b"ours", b"edited", b"older"
FOUND = Record(is_ours=False)
SAME = Record(is_ours=True, hash=OURS, is_same=True)
OTHER = Record(is_ours=True, hash=OURS, is_same=False)
REPLACING_OLDER = Record(is_ours=True, hash=OURS, previous_hash=OLDER, is_same=True)
REPLACING_ITSELF = Record(is_ours=True, hash=OURS, previous_hash=OURS, is_same=True)


@pytest.mark.parametrize(
    ("existing", "seen", "record", "expected"),
    [
        (Existing.SKIP, None, None, Make()),
        (Existing.SKIP, None, SAME, Make()),  # recorded, and not put in place
        (Existing.SKIP, OURS, None, Skip(is_news=True)),
        (Existing.SKIP, OURS, FOUND, Skip()),
        (Existing.SKIP, EDITED, SAME, Skip()),
        (Existing.OVERWRITE, None, None, Make()),
        (Existing.OVERWRITE, OURS, None, Make(OURS)),  # nobody knows whose it is
        (Existing.OVERWRITE, OURS, FOUND, Make(OURS)),
        (Existing.OVERWRITE, OURS, SAME, Skip()),
        (Existing.OVERWRITE, OURS, OTHER, Make(OURS)),
        (Existing.OVERWRITE, EDITED, SAME, KeepEdited()),
        (Existing.OVERWRITE, EDITED, OTHER, KeepEdited()),
        (Existing.OVERWRITE, OLDER, REPLACING_OLDER, Make(OLDER)),
        (Existing.OVERWRITE, OURS, REPLACING_ITSELF, Skip()),
        (Existing.APPEND, None, None, Make()),
        (Existing.APPEND, EDITED, None, Make(EDITED)),
        (Existing.APPEND, EDITED, FOUND, Make(EDITED)),
        (Existing.APPEND, OURS, SAME, Skip()),
        (Existing.APPEND, EDITED, SAME, Skip()),
        (Existing.APPEND, OURS, OTHER, Make(OURS)),
        (Existing.APPEND, OLDER, REPLACING_OLDER, Make(OLDER)),
        (Existing.PREPEND, OURS, SAME, Skip()),
        (Existing.PREPEND, OURS, OTHER, Make(OURS)),
    ],
)
def test_decide_goes_by_the_text_and_its_record(
    existing: Existing, seen: bytes | None, record: Record | None, expected: Decision
) -> None:
    """The text that is there, and what the ledger knows of it, make the decision."""
    text = None if seen is None else Text(seen)
    assert decide(Facts(existing, text=text, record=record)) == expected


@pytest.mark.parametrize("existing", list(Existing))
def test_decide_about_an_empty_file_goes_by_the_record_too(existing: Existing) -> None:
    """A file of blanks has no hash, and replacing it is no edit of anything seen."""
    decision = decide(Facts(existing, text=Text(None), record=None))
    assert decision == (Skip(is_news=True) if existing is Existing.SKIP else Make(None))


@pytest.mark.parametrize("record", [SAME, OTHER])
def test_decide_replaces_edits_when_told(record: Record) -> None:
    """With `overwrite_edited` a text that was changed by hand is replaced like any other."""
    facts = Facts(Existing.OVERWRITE, overwrite_edited=True, text=Text(EDITED), record=record)
    assert decide(facts) == Make(EDITED)


@pytest.mark.parametrize("existing", list(Existing))
@pytest.mark.parametrize("text", [None, Text(OURS)])
@pytest.mark.parametrize("record", [None, FOUND, SAME])
def test_decide_leaves_others_texts_alone(
    existing: Existing, text: Text | None, record: Record | None
) -> None:
    """A text of another image is taken, and one that this run is making already is skipped, whatever is
    there.
    """
    owned = Facts(existing, overwrite_edited=True, owner="a.png", text=text, record=record)
    assert decide(owned) == Taken("a.png")
    claimed = Facts(existing, overwrite_edited=True, is_claimed=True, text=text, record=record)
    assert decide(claimed) == Skip()


def all_facts() -> Iterator[Facts]:
    """Gives every combination of what a decision may depend on."""
    hashes = (None, OURS, OLDER)
    texts = (None, Text(None), *map(Text, (OURS, EDITED, OLDER)))
    records = (None, FOUND, *(Record(True, *rest) for rest in product((OURS,), hashes, (False, True))))
    for rest in product(Existing, (False, True), (False, True), (None, "a.png"), texts, records):
        yield Facts(*rest)


def test_decide_holds_its_promises_about_all_facts() -> None:
    """They are what people rely on, whatever the table says about single cases."""
    seen = set()
    for facts in all_facts():
        decision = decide(facts)
        seen.add(type(decision))
        there = facts.text is not None
        free = not facts.is_claimed and facts.owner is None
        match decision:
            case Make(seen_hash):
                assert free, facts
                assert seen_hash == (facts.text.hash if facts.text else None), facts
                assert facts.existing is not Existing.SKIP or not there, facts
            case Skip(is_news):
                assert facts.is_claimed or there, facts
                assert is_news == (free and facts.existing is Existing.SKIP and facts.record is None), facts
            case KeepEdited():
                assert free, facts
                assert there, facts
                assert facts.existing is Existing.OVERWRITE, facts
                assert not facts.overwrite_edited, facts
                assert facts.record is not None, facts
                assert facts.record.is_ours, facts
            case Taken(owner):
                assert owner == facts.owner, facts
                assert not facts.is_claimed, facts
        if free and not there:
            assert decision == Make(), facts  # an image without a text always gets one
    assert seen == {Make, Skip, KeepEdited, Taken}
