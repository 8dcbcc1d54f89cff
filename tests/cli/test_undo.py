"""`joycaption undo`."""

from adapter.policy import ExitCode
from tests.command import Command


async def test_undo_puts_back_what_a_run_replaced(command: Command) -> None:
    """The run's summary says how many there are, and so does `status`."""
    command.picture("a.png")
    command.picture("b/c.png", 1)
    (command.folder / "a.txt").write_text("my own words")
    ended = await command.caption("--existing", "overwrite")
    assert "1 texts were replaced; joycaption undo puts them back" in ended.errors
    assert command.text("a.txt").startswith("a picture")
    assert "run 1, " in (await command.run("status", ".")).output
    undone = await command.run("undo", ".")
    assert (undone.code, undone.output) == (ExitCode.DONE, "run 1: 1 texts are back as they were\n")
    assert command.text("a.txt") == "my own words"

    again = await command.caption("--existing", "overwrite", "--json")
    assert (again.json["edited"], command.text("a.txt")) == (1, "my own words"), (
        "it stays as it is from now on"
    )
    told = await command.run("undo", "b", "--json")
    assert told.json["restored"] == 1, "the folder's ledger is that of the dataset around it"
    assert (await command.run("undo", "b", "--run", "99")).code == ExitCode.WRONG_USAGE
    nothing = command.folder.parent / "nothing"
    nothing.mkdir()
    assert "has no ledger" in (await command.run("undo", nothing)).errors


async def test_undo_keeps_what_was_changed_since(command: Command) -> None:
    """Unless it is told otherwise."""
    command.picture("a.png")
    (command.folder / "a.txt").write_text("first")
    await command.caption("--existing", "append")
    (command.folder / "a.txt").write_text("later")
    kept = await command.run("undo", ".")
    assert "1 were changed since and stay (--force replaces them too)" in kept.output
    assert command.text("a.txt") == "later"
    assert (await command.run("undo", ".", "--force")).code == ExitCode.DONE
    assert command.text("a.txt") == "first"
