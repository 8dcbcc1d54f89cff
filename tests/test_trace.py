"""What is kept of a request."""

from adapter.trace import Stage, Trace


def test_stages_add_up_and_are_observed_one_by_one() -> None:
    """Also one that ends with an error."""
    observed: list[Stage] = []
    trace = Trace(lambda stage, seconds: observed.append(stage))
    for stage in ("read", "engine", "engine"):
        try:
            with trace.stage(stage):
                raise OSError
        except OSError:
            pass
    assert observed == ["read", "engine", "engine"]
    assert set(trace.seconds) == {"read", "engine"}
    assert trace.seconds["engine"] > 0


def test_texts_are_kept_only_when_asked_for() -> None:
    """They are the users'."""
    silent, open_ = Trace(), Trace(keep_texts=True)
    for trace in (silent, open_):
        trace.succeed("Say.", "A cat.", 700, 3)
        assert (trace.captions, trace.prompt_tokens, trace.completion_tokens) == (1, 700, 3)
    assert silent.texts is None
    assert open_.texts == [("Say.", "A cat.")]
