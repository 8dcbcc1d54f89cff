"""Bad captions in dataset runs: asked again, repaired, refused, and never in a text file."""

import csv
from typing import Any

from aiohttp import web

from adapter.policy import ExitCode
from tests.command import Command
from tests.fake_engine import completion, image_url

GOOD = "A red fox stands in deep snow, and a low sun lights its fur."
CUT = f"{GOOD} Behind it there are"
REFUSAL = "I'm sorry, but I can't help with describing this image."


def say(command: Command, *texts: str, finish_reason: str = "stop") -> None:
    """Has the engine say these texts in turn for each image, the last one for ever."""
    said: dict[str, int] = {}

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        url = image_url(body)
        number = said[url] = said.get(url, -1) + 1
        return web.json_response(completion(texts[min(number, len(texts) - 1)], finish_reason))

    command.answer_captions(answer)
    command.engine.asked.clear()


async def test_a_run_asks_again_and_says_so(command: Command) -> None:
    """The summary tells how often, and why; the status knows nothing bad of a text that is good."""
    command.pictures(2)
    say(command, REFUSAL, GOOD)
    ended = await command.caption("--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 2)
    assert ended.json["asked_again"] == {"texts": 2, "kinds": {"refusal": 2}}
    assert set(command.texts().values()) == {GOOD}
    command.picture("more.png", 9)
    ended = await command.caption()
    assert "1 asked again (refusal 1)" in ended.errors
    assert (await command.run("status", ".", "--json")).json["flaws"] == {}


async def test_a_refused_caption_is_in_the_ledger_and_in_no_text_file(command: Command) -> None:
    """Its reason is told everywhere, its text in the report."""
    command.picture("a.png")
    say(command, REFUSAL)
    ended = await command.caption("--json", "--report", "report.csv")
    assert (ended.code, ended.json["failed"]) == (ExitCode.SOME_FAILED, 1)
    assert ended.json["refused"] == {"texts": 1, "kinds": {"refusal": 1}}
    assert ended.json["failures"]["bad_caption"]["examples"] == [
        "a.png: No good caption in 3 attempts: refusal"
    ]
    assert not command.texts()
    (row,) = csv.DictReader(command.text("report.csv").splitlines())
    assert (row["reason"], row["refused"]) == ("bad_caption", REFUSAL)
    assert "bad_caption: 1" in (await command.run("status", ".")).output
    say(command, GOOD)
    assert (await command.caption("--retry-failed")).code == ExitCode.DONE
    assert command.text("a.txt") == GOOD
    assert "0 failed" in (await command.run("status", ".")).output


async def test_a_further_run_uses_new_seeds_for_what_was_refused(command: Command) -> None:
    """The same ones would make the same captions. Elsewhere the seeds stay, so that runs can be repeated."""
    command.picture("a.png")
    say(command, REFUSAL)
    await command.caption("--seed", "7")
    first = [body["seed"] for body in command.asked()]
    for arguments in (["--retry-failed"], []):
        say(command, REFUSAL)
        await command.caption("--seed", "7", *arguments)
        first += [body["seed"] for body in command.asked()]
    assert len(set(first)) == 9
    say(command, GOOD)
    await command.caption("--seed", "7")
    say(command, GOOD)
    await command.caption("--seed", "7", "--prompt", "Say.", "--existing", "overwrite")
    assert [body["seed"] for body in command.asked()] == first[:1]


async def test_a_cut_caption_is_asked_for_again_or_trimmed(command: Command) -> None:
    """With twice the tokens, where the user chose no limit."""
    command.picture("a.png")
    say(command, CUT, finish_reason="length")
    ended = await command.caption("--json")
    assert [body["max_tokens"] for body in command.asked()] == [512, 1024, 2048]
    assert ended.json["repaired"] == {"texts": 1, "kinds": {"cut": 1}}
    assert ended.json["cut"] == 0
    say(command, CUT, finish_reason="length")
    ended = await command.caption("--existing", "overwrite", "--max-tokens", "99", "--json")
    assert [body["max_tokens"] for body in command.asked()] == [99]
    assert (ended.json["asked_again"]["texts"], ended.json["repaired"]["texts"]) == (0, 1)
    assert command.text("a.txt") == GOOD
    assert "repaired 1" in (await command.run("status", ".")).output


async def test_on_flaw_keep_writes_bad_captions(command: Command) -> None:
    """But says how many, and never an empty one."""
    command.picture("a.png")
    say(command, REFUSAL)
    ended = await command.caption("--on-flaw", "keep", "--attempts", "1", "--json")
    assert (ended.code, command.text("a.txt")) == (ExitCode.DONE, REFUSAL)
    assert ended.json["kept"] == {"texts": 1, "kinds": {"refusal": 1}}
    assert "refusal 1" in (await command.run("status", ".")).output
    command.picture("b.png", 1)
    say(command, " ")
    ended = await command.caption("--on-flaw", "keep", "--json")
    assert list(ended.json["failures"]) == ["empty_caption"]
    assert set(command.texts()) == {"a.txt"}


async def test_texts_made_under_the_former_limit_are_not_made_again(command: Command) -> None:
    """Until datasets had a limit of their own, it was the contract's 256."""
    command.picture("a.png")
    say(command, GOOD)
    await command.caption("--max-tokens", "256")
    for arguments, made in (([], 0), (["--max-tokens", "512"], 1), ([], 0)):
        ended = await command.caption("--existing", "overwrite", "--json", *arguments)
        assert ended.json["done"] == made
