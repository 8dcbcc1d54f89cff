"""What a job shows of itself."""

import pytest
from joycaption import captioner

from tests.integrations.conftest import MakeJob


@pytest.mark.parametrize(
    ("again_s", "told"),
    [
        (1000.0, ["Starting (10 s) (5%)", "Loading (12 s) (5%)"]),
        (0.0, ["Starting (10 s) (5%)", "Starting (11 s) (5%)", "Loading (12 s) (5%)"]),
    ],
)
async def test_a_line_in_which_only_seconds_pass_is_told_now_and_then(
    again_s: float, told: list[str], job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a first start of twenty minutes would else have a thousand of them."""
    monkeypatch.setattr(captioner, "AGAIN_S", again_s)
    task = job()
    for line in ("Starting (10 s) (5%)", "Starting (11 s) (5%)", "Loading (12 s) (5%)"):
        task.captioner.tell(line)
    assert task.captioner.told == told
