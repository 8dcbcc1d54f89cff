"""Fields of vLLM's own."""

from adapter.engine.extra_fields import CHOICES, ENDS_LOOPS, extra_fields


def test_extra_fields_has_only_what_the_engine_takes() -> None:
    """A foreign engine refuses a request for a field that it doesn't know."""
    assert extra_fields(CHOICES[0], 2) == {"priority": 2, "repetition_detection": ENDS_LOOPS}
    assert extra_fields(frozenset({"priority"}), 0) == {"priority": 0}
    assert extra_fields(frozenset(), 0) == {}
    assert [len(extra_fields(choice, 0)) for choice in CHOICES] == [2, 1, 1, 0]


def test_ends_loops_finds_each_period_up_to_its_largest() -> None:
    """A shorter one has a multiple among the sizes that are looked for."""
    sizes = range(ENDS_LOOPS["min_pattern_size"], ENDS_LOOPS["max_pattern_size"] + 1)
    assert all(any(size % period == 0 for size in sizes) for period in range(1, sizes[-1] + 1))
