"""Fields of vLLM's own in a request. Engines of other makes may refuse them; the self-check finds out."""

from typing import Final

PRIORITY: Final = "priority"
REPETITION_DETECTION: Final = "repetition_detection"
# Ends an answer that loops in the scheduler, with the reason `repetition`. Sizes are in tokens; each that is
# looked for costs time at every token, and those below 20 are found by a multiple of theirs.
ENDS_LOOPS: Final = {"min_pattern_size": 20, "max_pattern_size": 40, "min_count": 3}
# What is tried, one after the other, until the engine takes it.
CHOICES: Final = (
    frozenset((PRIORITY, REPETITION_DETECTION)),
    frozenset((PRIORITY,)),
    frozenset((REPETITION_DETECTION,)),
    frozenset[str](),
)


def extra_fields(takes: frozenset[str], priority: int) -> dict[str, object]:
    """Gives the fields that an engine takes. A lower priority goes first, as in vLLM."""
    fields: dict[str, object] = {PRIORITY: priority, REPETITION_DETECTION: ENDS_LOOPS}
    return {name: value for name, value in fields.items() if name in takes}
