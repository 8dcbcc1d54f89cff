"""What the ledger of a dataset says."""

from adapter.policy import ExitCode
from tests.command import Command


async def test_status_reads_the_ledger(command: Command) -> None:
    """It tells people in words, and programs in JSON."""
    command.picture("a.png")
    command.picture("b.png", 1)
    (command.folder / "b.txt").write_text("there")
    (command.folder / "bad.png").write_bytes(b"no")
    await command.caption()
    ended = await (await command.start("status", command.folder, "--json")).end()
    assert ended.json["written"] == 1
    assert ended.json["found"] == 1
    assert ended.json["failed"] == 1
    assert ended.json["completion_tokens"] == 5
    ended = await (await command.start("status", command.folder)).end()
    assert "1 captioned, 1 had a text already, 1 failed" in ended.output
    ended = await (await command.start("status", command.folder.parent)).end()
    assert (ended.code, "has no ledger" in ended.errors) == (ExitCode.WRONG_USAGE, True)
