"""Decides what to do about one shard, from its output and the parts of one. Pure."""

from dataclasses import dataclass

from adapter.dataset.decide import Existing


@dataclass(frozen=True)
class OutputFacts:
    """What is known of a shard's output. `is_same`: it was made with the settings of this run."""

    is_same: bool
    is_incomplete: bool = False
    failed: int = 0


@dataclass(frozen=True)
class ShardFacts:
    """All that a decision depends on. `output` is None where there is none.

    `same_parts` and `other_parts` tell whether a run that has not come to its end left parts that were made
    with the settings of this one, or with others.
    """

    existing: Existing
    retry_failed: bool = False
    output: OutputFacts | None = None
    same_parts: bool = False
    other_parts: bool = False


@dataclass(frozen=True)
class Leave:
    """There is nothing to do. `why` is empty where the output is as this run would make it."""

    why: str = ""


@dataclass(frozen=True)
class Refuse:
    """Nothing can be done."""

    why: str


@dataclass(frozen=True)
class Caption:
    """The shard is to be read. Rows of its output, and of parts with the same settings, are kept if so
    wanted; with `redo_failed` those with an error are made again.
    """

    keep_output: bool = False
    redo_failed: bool = False


ShardDecision = Leave | Refuse | Caption


def decide_shard(facts: ShardFacts) -> ShardDecision:
    """Gives what is to be done about the shard."""
    if facts.output is None:
        return _decide_begun(facts)
    if not facts.output.is_same:
        if facts.existing is Existing.SKIP or facts.retry_failed:
            return Leave("its output was made with other settings, see --existing overwrite")
        return Caption()
    if facts.retry_failed and facts.output.failed:
        return Caption(keep_output=True, redo_failed=True)
    # Parts beside an output are of a run that was killed while it made failed rows again, or just before
    # it would have removed them.
    if facts.same_parts or (facts.output.is_incomplete and not facts.retry_failed):
        return Caption(keep_output=True)
    return Leave()


def _decide_begun(facts: ShardFacts) -> ShardDecision:
    if facts.retry_failed:
        return Leave("it has no output yet")
    if facts.other_parts and facts.existing is Existing.SKIP:
        return Refuse("it was begun with other settings: go on with those, or use --existing overwrite")
    return Caption()
