"""What becomes of a shard, by what is there."""

import pytest

from adapter.dataset.decide import Existing
from adapter.dataset.shards.shard_decision import (
    Caption,
    Leave,
    OutputFacts,
    Refuse,
    ShardFacts,
    decide_shard,
)

SAME, OTHER = OutputFacts(is_same=True), OutputFacts(is_same=False)
FAILED = OutputFacts(is_same=True, failed=2)
INCOMPLETE = OutputFacts(is_same=True, is_incomplete=True)
SKIP, OVERWRITE = Existing.SKIP, Existing.OVERWRITE


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ShardFacts(SKIP), Caption()),
        (ShardFacts(SKIP, same_parts=True), Caption()),
        (ShardFacts(SKIP, other_parts=True), Refuse),
        (ShardFacts(OVERWRITE, other_parts=True), Caption()),
        (ShardFacts(SKIP, retry_failed=True), Leave),
        (ShardFacts(SKIP, output=SAME), Leave()),
        (ShardFacts(SKIP, output=FAILED), Leave()),
        (ShardFacts(SKIP, output=INCOMPLETE), Caption(keep_output=True)),
        (ShardFacts(SKIP, output=SAME, same_parts=True), Caption(keep_output=True)),
        (ShardFacts(SKIP, output=OTHER), Leave),
        (ShardFacts(SKIP, output=OTHER, same_parts=True), Leave),
        (ShardFacts(OVERWRITE, output=OTHER), Caption()),
        (ShardFacts(OVERWRITE, output=SAME), Leave()),
        (ShardFacts(SKIP, retry_failed=True, output=SAME), Leave()),
        (ShardFacts(SKIP, retry_failed=True, output=FAILED), Caption(keep_output=True, redo_failed=True)),
        (ShardFacts(OVERWRITE, retry_failed=True, output=OTHER), Leave),
    ],
)
def test_a_shard_is_read_only_where_something_is_left_to_do(facts: ShardFacts, expected: object) -> None:
    """What is left for a reason says which."""
    decision = decide_shard(facts)
    if isinstance(expected, type):
        assert isinstance(decision, expected)
        assert isinstance(decision, Leave | Refuse)
        assert decision.why
    else:
        assert decision == expected
