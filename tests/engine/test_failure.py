"""Why a start failed, in words for users."""

import pytest

from adapter.engine.failure import Failure


@pytest.mark.parametrize(
    ("lines", "exit_code", "reason"),
    [
        ([], -9, "The engine was killed, perhaps because the memory ran out"),
        ([], 7, "The engine stopped with exit code 7: the end of its output is in the log"),
        (["x.EngineDeadError: See stack trace (above)"], 0, "The engine stopped with exit code 0"),
        (["KeyError: ValueError: "], 1, "The engine stopped with exit code 1"),
        (
            ["error: python -m venv failed", "OSError: [Errno 28] No space left on device"],
            1,
            "python -m venv",
        ),
        (
            ["WARNING: Retrying (...'Failed to establish a new connection')': /x/", "torch.OutOfMemoryError"],
            1,
            "Out of GPU memory",
        ),
        (
            [
                "ERROR: Could not install packages due to an OSError: [Errno 13] Denied: '/x'",
                "ERROR: second",
                "error: installing into .venv failed; see the lines above",
            ],
            1,
            "installing into .venv failed: Could not install packages: [Errno 13] Denied: '/x'",
        ),
        (["error: pip failed; see the lines above"], 1, "pip failed; the log tells why"),
        (["RuntimeError: [Errno 28] No space left on device", "error: installing failed"], 1, "No space is"),
    ],
)
def test_reason_is_told_in_words(lines: list[str], exit_code: int, reason: str) -> None:
    """The first line that tells what to do counts; Python's names are nobody's business."""
    failure = Failure()
    for line in lines:
        failure.read(line)
    assert failure.reason(exit_code).startswith(reason)
    assert "Error" not in failure.reason(exit_code)
