"""Leases, which keep engines awake."""

import asyncio
import signal
import sys
from pathlib import Path

from adapter.config import PROJECT_DIR
from adapter.engine.leases import held, holders


def test_holders_are_those_whose_leases_last(tmp_path: Path) -> None:
    """Each says whose it is, in what can be printed."""
    tmp_path.chmod(0o700)
    assert holders(tmp_path / "none") == {}
    with held(tmp_path, "a dataset run"), held(tmp_path, "an\x1bother\udcff" + "x" * 1000):
        found = sorted(holders(tmp_path).values())
        assert found[0] == "a dataset run"
        assert found[1].startswith("another?xxx")
        assert len(found[1]) <= 200
    assert holders(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


async def test_holders_without_those_that_were_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to give a lease back."""
    tmp_path.chmod(0o700)
    program = (
        "import sys, time; from pathlib import Path; from adapter.engine.leases import held\n"
        "with held(Path(sys.argv[1]), 'killed'):\n print('held', flush=True); time.sleep(600)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(PROJECT_DIR)},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    assert list(holders(tmp_path).values()) == ["killed"]
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert holders(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_holders_pass_over_what_is_no_lease(tmp_path: Path) -> None:
    """A link isn't followed, and a folder is no file."""
    tmp_path.chmod(0o700)
    (tmp_path / "lease-folder.lock").mkdir()
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / "lease-link.lock").symlink_to(target)
    assert holders(tmp_path) == {}
    assert target.read_text() == "kept"


def test_held_without_a_folder_goes_on(tmp_path: Path) -> None:
    """Nobody's work fails for want of a lease."""
    with held(tmp_path / "none", "a run"):
        assert holders(tmp_path / "none") == {}


def test_holders_in_a_folder_that_others_can_write_to_are_none(tmp_path: Path) -> None:
    """Anybody could keep the engines awake from there."""
    tmp_path.chmod(0o777)
    with held(tmp_path, "a run"):
        assert holders(tmp_path) == {}
        tmp_path.chmod(0o700)
        assert list(holders(tmp_path).values()) == ["a run"]
