"""Who goes first."""

from adapter.captioner.priority import Priority


def test_people_go_before_batches_and_batches_before_runs() -> None:
    """vLLM takes the lowest number first."""
    assert sorted(Priority) == [Priority.PERSON, Priority.BATCH, Priority.RUN]
    assert min(Priority) == 0
