"""What a cluster can't divide."""

from pathlib import Path

import pytest

from adapter.policy import ExitCode
from tests.cli.conftest import RunHere


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["folder", "--limit", "3"], "--limit is not for folders on a cluster"),
        (["--from-file", "-"], "--from-file is not for folders on a cluster"),
        (["folder", "--shard", "1/2"], "--shard is not for folders on a cluster"),
        (["folder", "--ledger", "x.sqlite"], "--ledger is not for folders on a cluster"),
        (["folder", "--engines", "2"], "--engines 2 is not for folders on a cluster"),
        (["folder", "other"], "--ray divides shards, or one folder"),
        (["a.png"], "--ray divides shards, or one folder"),
        (["nowhere"], "--ray divides shards, or one folder"),
    ],
)
def test_what_can_not_be_divided_is_told_in_a_line(
    run_here: RunHere, arguments: list[str], told: str
) -> None:
    """Before anything is begun."""
    for name in ("folder", "other"):
        Path(name).mkdir()
    Path("a.png").touch()
    ended = run_here("caption", *arguments, "--ray", "local")
    assert ended.code == ExitCode.WRONG_USAGE
    assert told in ended.errors
    assert len(ended.errors.splitlines()) == 1, ended.errors
    assert not Path("folder/.joycaption").exists()
