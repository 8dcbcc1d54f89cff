"""A folder on a Ray cluster: two machines that are this one, and a fake engine."""

import csv
import json
import signal

import pytest

from adapter.policy import ExitCode
from tests.command import Command
from tests.machines import START_S, Machines
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("engines")
COUNT = 100
ALL = {f"{number}.txt" for number in range(COUNT)}


def records(command: Command) -> set[str]:
    """Gives the names of all ledgers of the dataset; what lies beside them has theirs."""
    return {f"{path.name.partition('.')[0]}.sqlite" for path in (command.folder / ".joycaption").iterdir()}


async def test_machines_divide_a_folder_and_tell_as_one_run(command: Command, machines: Machines) -> None:
    """Each text is there once, with one sum, report, output and ledger; a second run finds all done."""
    machines.have(2)
    command.pictures(COUNT)
    command.picture("below/deep.png", 400)
    (command.folder / "broken.png").write_bytes(b"no image")
    command.picture("0.jpg", 500)
    arguments = (".", "--json", "--ray", machines.address, "--output", "metadata.jsonl")
    ended = await command.caption(*arguments, "--report", "failures.csv")
    assert ended.code == ExitCode.SOME_FAILED, ended.errors
    assert (ended.json["done"], ended.json["failed"]) == (COUNT + 1, 2)
    assert set(command.texts()) == {*ALL, "below/deep.txt"}
    assert len(command.asked()) == COUNT + 1
    assert "2 workers on 2 machines" in ended.errors
    with (command.folder / "failures.csv").open() as file:
        assert {line["reason"] for line in csv.DictReader(file)} == {"not_an_image", "sidecar_taken"}
    assert len(command.text("metadata.jsonl").splitlines()) == COUNT + 1
    assert records(command) == {"ledger.sqlite"}
    command.engine.asked.clear()
    again = await command.caption(*arguments)
    assert (again.json["done"], again.json["skipped"], again.json["failed"]) == (0, COUNT + 1, 2)
    alone = await command.caption("--json")
    assert (alone.json["done"], alone.json["skipped"], alone.json["failed"]) == (0, COUNT + 1, 2)
    assert not command.asked()


async def test_a_killed_machine_costs_nothing_that_others_do_not_make_again(
    command: Command, machines: Machines
) -> None:
    """What was safe isn't made twice, and the ledger knows all of it."""
    machines.have(2)
    command.pictures(COUNT)
    go_on = command.hold_after(30)
    arguments = (".", "--json", "--ray", machines.address, "--concurrency", "8")
    run = await command.start("caption", *arguments)
    await until(lambda: len(command.asked()) >= 30 + 16, START_S)
    await until(lambda: len(command.texts()) >= 30, START_S)
    machines.kill_one()
    go_on.set()
    ended = await run.end(START_S)
    assert ended.code == ExitCode.DONE, ended.errors
    assert "was lost" in ended.errors
    assert set(command.texts()) == ALL
    assert (ended.json["done"] + ended.json["skipped"], ended.json["failed"]) == (COUNT, 0)
    assert ended.json["done"] >= 30
    assert len(command.asked()) <= COUNT + 8  # what the lost one had under way
    status = await command.run("status", ".", "--json")
    assert json.loads(status.output)["written"] == COUNT
    assert records(command) == {"ledger.sqlite"}
    assert not list(command.folder.glob(".joycaption-*"))


async def test_texts_that_were_edited_stay_and_others_are_put_back_by_undo(
    command: Command, machines: Machines
) -> None:
    """As after a run on one machine, whichever run wrote them."""
    machines.have(2)
    command.pictures(40)
    first = await command.caption("--json")
    assert first.json["done"] == 40
    before = command.texts()
    (command.folder / "7.txt").write_text("by hand")
    arguments = (".", "--json", "--ray", machines.address, "--existing", "overwrite", "--prefix", "Look:")
    ended = await command.caption(*arguments)
    assert (ended.code, ended.json["done"], ended.json["edited"]) == (ExitCode.DONE, 39, 1), ended.errors
    assert ended.json["replaced"] == 39
    (command.folder / "8.txt").write_text("by hand as well")
    again = await command.caption(*arguments)
    assert (again.json["done"], again.json["edited"], again.json["skipped"]) == (0, 2, 38), again.errors
    undone = await command.run("undo", ".", "--json")
    assert json.loads(undone.output)["restored"] == 38
    assert command.texts() == before | {"7.txt": "by hand", "8.txt": "by hand as well"}


async def test_failures_are_tried_again_by_themselves(command: Command, machines: Machines) -> None:
    """Also those that a run on one machine had."""
    machines.have(2)
    command.pictures(40)
    for name in ("a", "b"):
        (command.folder / f"{name}.png").write_bytes(b"no image")
    ended = await command.caption(".", "--json", "--ray", machines.address)
    assert (ended.json["done"], ended.json["failed"]) == (40, 2), ended.errors
    command.picture("a.png", 77)
    (command.folder / "3.txt").unlink()
    again = await command.caption(".", "--json", "--ray", machines.address, "--retry-failed")
    assert (again.code, again.json["done"], again.json["failed"]) == (ExitCode.SOME_FAILED, 1, 1)
    assert again.json["skipped"] == 0
    command.picture("b.png", 78)
    last = await command.caption(".", "--json", "--retry-failed")
    assert (last.code, last.json["done"]) == (ExitCode.DONE, 1), last.errors
    assert "3.txt" not in command.texts()


async def test_an_interrupted_and_a_killed_run_go_on_with_what_was_safe(
    command: Command, machines: Machines
) -> None:
    """What workers recorded counts for any run, and the next one of a cluster takes it over."""
    machines.have(2)
    command.pictures(COUNT)
    go_on = command.hold_after(30)
    arguments = ("caption", ".", "--json", "--ray", machines.address, "--concurrency", "4")
    run = await command.start(*arguments)
    await until(lambda: len(command.asked()) >= 38, START_S)
    run.signal(signal.SIGINT)
    await run.until_told("Stopping")
    go_on.set()
    ended = await run.end(START_S)
    assert ended.code == ExitCode.INTERRUPTED, ended.errors
    made = len(command.texts())
    assert ended.json["done"] == made < COUNT
    assert records(command) == {"ledger.sqlite"}
    await until(lambda: not machines.workers(), START_S)
    command.engine.asked.clear()
    hold = command.hold_after(20)
    run = await command.start(*arguments)
    await until(lambda: len(command.asked()) >= 28, START_S)
    await until(lambda: len(command.texts()) >= made + 20, START_S)
    other = await command.caption("--json")
    assert "Another run works on this dataset" in other.errors
    run.signal(signal.SIGKILL)
    await run.end()
    await until(lambda: not machines.workers(), START_S)
    assert len(records(command)) == 3
    hold.set()
    ended = await command.run(*arguments)
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, COUNT - made - 20), ended.errors
    assert set(command.texts()) == ALL
    assert records(command) == {"ledger.sqlite"}


async def test_texts_without_sidecars_are_collected(command: Command, machines: Machines) -> None:
    """Workers keep them in their ledgers until the end."""
    machines.have(2)
    command.pictures(40)
    arguments = (".", "--json", "--ray", machines.address, "--no-sidecar", "--output", "metadata.jsonl")
    ended = await command.caption(*arguments)
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 40), ended.errors
    lines = [json.loads(line) for line in command.text("metadata.jsonl").splitlines()]
    assert {line["file_name"] for line in lines} == {f"{number}.png" for number in range(40)}
    assert all(line["text"] for line in lines)
    again = await command.caption(*arguments)
    assert (again.json["done"], again.json["skipped"]) == (0, 40)
