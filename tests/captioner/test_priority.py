"""Who goes first."""

from adapter.captioner.priority import Priority


def test_people_go_before_batches_before_runs_and_guesses_go_last() -> None:
    """vLLM takes the lowest number first."""
    assert sorted(Priority) == [Priority.PERSON, Priority.BATCH, Priority.RUN, Priority.AHEAD]
    assert min(Priority) == 0
