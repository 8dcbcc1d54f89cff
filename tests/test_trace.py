"""What is kept of a request."""

import pytest

from adapter.trace import Stage, Trace


def test_stage_when_it_ends_is_added_up_and_observed() -> None:
    """A stage that ends with an error counts like any other."""
    observed: list[tuple[Stage, float]] = []
    trace = Trace(lambda stage, seconds: observed.append((stage, seconds)))
    stages: tuple[Stage, ...] = ("read", "engine", "engine")
    for stage in stages:
        with pytest.raises(OSError), trace.stage(stage):
            raise OSError
    assert [stage for stage, _ in observed] == ["read", "engine", "engine"]
    assert set(trace.seconds) == {"read", "engine"}
    assert trace.seconds["engine"] == pytest.approx(observed[1][1] + observed[2][1])


def test_succeed_keeps_texts_only_when_asked_to() -> None:
    """Prompts and captions belong to the users; their numbers are counted in any case."""
    silent, open_ = Trace(), Trace(keep_texts=True)
    for trace in (silent, open_):
        trace.succeed("Say.", "A cat.")
        trace.succeed("Say.", "A dog.")
        assert trace.captions == 2
    assert silent.texts is None
    assert open_.texts == [("Say.", "A cat."), ("Say.", "A dog.")]


def test_read_and_reject_count_whatever_becomes_of_an_answer() -> None:
    """What the engine did for a refused answer was work too."""
    trace = Trace()
    trace.read(700, 3)
    trace.read(700, 4)
    trace.reject(["loop", "cut"])
    trace.reject(["loop"])
    assert (trace.captions, trace.prompt_tokens, trace.completion_tokens) == (0, 1400, 7)
    assert trace.flaws == {"loop": 2, "cut": 1}


def test_fail_counts_by_the_errors_code() -> None:
    """A batch may fail in several ways."""
    trace = Trace()
    for code in ("file_missing", "image_damaged", "file_missing"):
        trace.fail(code)
    assert trace.failures == {"file_missing": 2, "image_damaged": 1}
    assert trace.captions == 0
