"""The one way from an image and a request to an answer."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapter.caption.answer import Answer
from adapter.caption.brief import Brief
from adapter.caption.flaws import Form
from adapter.caption.request import CaptionRequest, Message, question
from adapter.caption.sampling import Sampling
from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.engine.deployment import fleet_for
from adapter.engine.extra_fields import ENDS_LOOPS
from adapter.errors import (
    BadCaptionError,
    EngineBusyError,
    EngineError,
    EngineNotReadyError,
    FileMissingError,
    NotAnImageError,
    StoppingError,
)
from adapter.images.preparation import Preparation
from adapter.images.sources import ImageBytes, ImageFile, ImageLimits, ImageSource
from adapter.settings import RunSettings
from adapter.trace import Trace
from tests.captioner.conftest import MAX_IN_FLIGHT, MAX_QUEUE
from tests.fake_engine import FakeEngine, chunk, completion, event, image_url
from tests.pictures import GREY_PNG
from tests.waiting import until

REQUEST = CaptionRequest(
    question("Say.", "You are."), Sampling(temperature=0.6, top_p=0.9, max_tokens=256), trigger="sks"
)
IMAGE = ImageBytes(GREY_PNG)
GOOD = "A red fox stands in deep snow, and a low sun lights its fur."
REFUSAL = "I'm sorry, but I can't help with describing this image."


def request(prompt: str) -> CaptionRequest:
    return replace(REQUEST, messages=question(prompt, "You are."))


async def answered(captioner: Captioner, image: ImageSource = IMAGE) -> Answer:
    """Gives the whole answer."""
    return await captioner.ask(image, REQUEST)


async def streamed(captioner: Captioner, trace: Trace | None = None) -> str:
    """Gives the text of an answer that is iterated over."""
    text = ""
    async for chunks in captioner.ask(IMAGE, REQUEST, trace):
        for each in chunks:
            text += "".join(choice["delta"].get("content", "") for choice in each["choices"])
    return text


async def test_ask_about_a_path_and_about_its_bytes_gives_the_same(
    captioner: Captioner, picture: Path
) -> None:
    """The faces hand over one or the other."""
    by_path = await captioner.ask(ImageFile(str(picture)), REQUEST)
    by_bytes = await captioner.ask(ImageBytes(picture.read_bytes()), REQUEST)
    assert by_path.text == by_bytes.text
    assert by_path.seconds > 0
    assert by_path.weights == "fake"


async def test_ask_awaited_and_iterated_gives_the_same_text(captioner: Captioner) -> None:
    """Both have the trigger once, and count the same tokens."""
    whole_trace, stream_trace = Trace(keep_texts=True), Trace(keep_texts=True)
    answer = await captioner.ask(IMAGE, REQUEST, whole_trace)
    assert await streamed(captioner, stream_trace) == answer.text
    assert answer.text.startswith("sks, a picture ")
    assert answer.text.count("sks") == 1
    assert stream_trace.texts == whole_trace.texts == [("Say.", answer.text)]
    for trace in (whole_trace, stream_trace):
        assert (trace.captions, trace.prompt_tokens, trace.completion_tokens) == (1, 100, 5)
        assert set(trace.seconds) == {"read", "wait", "prepare", "engine"}


@pytest.mark.parametrize("text", ["sks, a picture", "SKS in a picture", " A picture. \n", "sksy"])
async def test_ask_of_any_text_has_its_trigger_once_in_both_ways(
    engine: FakeEngine, captioner: Captioner, text: str
) -> None:
    """Where the model wrote the trigger itself, it isn't put there again."""

    async def say(request: web.Request) -> web.StreamResponse:
        if not (await request.json()).get("stream"):
            return web.json_response(completion(text))
        response = await engine.begin_stream(request)
        for letter in text:
            await response.write(event(chunk({"content": letter})))
        await response.write(event(chunk({}, "stop")) + b"data: [DONE]\n\n")
        return response

    engine.answer = say
    answer = await captioner.ask(IMAGE, REQUEST)
    assert await streamed(captioner) == answer.text
    assert answer.text.lower().startswith("sks")
    assert not answer.text.lower().startswith("sks, sks,")


async def test_ask_without_an_image_sends_none(engine: FakeEngine, captioner: Captioner) -> None:
    """A conversation may be about no image at all."""
    messages = (Message("system", "You are."), Message("user", "Who?"))
    trace = Trace()
    assert (await captioner.ask(None, replace(REQUEST, messages=messages), trace)).text
    assert image_url(engine.asked[0]) == ""
    assert set(trace.seconds) == {"wait", "engine"}


async def test_ask_that_is_never_awaited_asks_nothing(engine: FakeEngine, captioner: Captioner) -> None:
    """A pending answer costs nothing before it is used."""
    captioner.ask(IMAGE, REQUEST)
    await captioner.ask(IMAGE, REQUEST)
    assert len(engine.asked) == 1


async def test_ask_each_prepares_the_image_once(
    engine: FakeEngine, captioner: Captioner, picture: Path
) -> None:
    """One request follows the other, without the file, which is gone after the first answer."""
    given = []
    requests = [request("A."), request("B.")]
    async with contextlib.aclosing(captioner.ask_each(ImageFile(str(picture)), requests)) as answers:
        async for answer in answers:
            given.append(answer.text)
            picture.unlink(missing_ok=True)
            assert len(engine.asked) == len(given)
    assert len(given) == 2
    assert [body["messages"][1]["content"][1]["text"] for body in engine.asked] == ["A.", "B."]
    assert image_url(engine.asked[0]) == image_url(engine.asked[1])


async def test_ask_each_when_one_fails_keeps_what_was_given(engine: FakeEngine, captioner: Captioner) -> None:
    """The answers before the failure stay good, and the requests after it aren't asked."""

    async def fail_the_second(request: web.Request) -> web.StreamResponse:
        if len(engine.asked) == 2:
            return web.Response(status=500)
        return web.json_response(completion("A cat."))

    engine.answer = fail_the_second
    given = []
    with pytest.raises(EngineError, match="failed at this request"):
        async for answer in captioner.ask_each(IMAGE, [request("A."), request("B."), request("C.")]):
            given.append(answer.text)
    assert given == ["sks, A cat."]
    assert len(engine.asked) == 2


@dataclass(frozen=True)
class SlowDisk:
    """An image whose bytes come when the disk gives them."""

    ready: threading.Event

    def read(self, limits: ImageLimits) -> bytes:
        assert self.ready.wait(20)
        return GREY_PNG


async def test_ask_while_other_files_are_slow_is_answered(captioner: Captioner) -> None:
    """Files are read beside one another, however few cores there are."""
    disk = threading.Event()
    slow = [asyncio.create_task(answered(captioner, SlowDisk(disk))) for _ in range(3)]
    await asyncio.sleep(0)  # they have their turns now
    for _ in range(5):
        assert (await captioner.ask(IMAGE, REQUEST)).text
    assert not any(task.done() for task in slow)
    disk.set()
    await asyncio.gather(*slow)


async def test_ask_of_many_keeps_to_the_limit_and_reaches_it(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """All are asked at once, and as many as may be are at the engine."""
    full = asyncio.Event()

    async def answer_when_full(request: web.Request) -> web.StreamResponse:
        if engine.under_way == MAX_IN_FLIGHT:
            full.set()
        await full.wait()
        return web.json_response(completion("sks done"))

    engine.answer = answer_when_full
    answers = await asyncio.gather(*(captioner.ask(IMAGE, REQUEST) for _ in range(20)))
    assert [answer.text for answer in answers] == ["sks done"] * 20
    assert engine.most_under_way == MAX_IN_FLIGHT


async def test_ask_that_fails_leaves_its_turn_to_the_next(captioner: Captioner) -> None:
    """More requests fail than there are turns."""
    for _ in range(MAX_IN_FLIGHT + 1):
        with pytest.raises(FileMissingError):
            await captioner.ask(ImageFile("/none.png"), REQUEST)
    assert (await captioner.ask(IMAGE, REQUEST)).text


async def test_inspect_when_a_turn_is_free_leaves_it_to_the_asking(captioner: Captioner) -> None:
    """Where the image would have to wait, what its header tells is told at once."""
    text = ImageBytes(b"text")
    await captioner.inspect(text)
    async with contextlib.AsyncExitStack() as turns:
        for _ in range(MAX_IN_FLIGHT):
            await turns.enter_async_context(captioner.admission.turn(Trace()))
        with pytest.raises(NotAnImageError):
            await captioner.inspect(text)
        await captioner.inspect(IMAGE)


async def test_admit_beyond_the_queue_is_refused(captioner: Captioner) -> None:
    """A request that has room keeps it while its context lasts."""
    async with captioner.admit(MAX_IN_FLIGHT + MAX_QUEUE):
        with pytest.raises(EngineBusyError, match="10 images wait already"):
            async with captioner.admit(1):
                pass
    async with captioner.admit(1):
        pass


async def test_drain_finishes_what_it_can_and_gives_up_the_rest(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """Nobody is left without an answer, be it asked for as a whole or as a stream."""
    go_on = asyncio.Event()

    async def answer_the_first(request: web.Request) -> web.StreamResponse:
        if len(engine.asked) == 1:
            await go_on.wait()
            return web.json_response(completion("sks done"))
        await asyncio.Event().wait()
        return web.Response()

    engine.answer = answer_the_first
    first = asyncio.create_task(answered(captioner))
    await until(lambda: len(engine.asked) == 1)
    others: list[asyncio.Task[Any]] = [asyncio.create_task(streamed(captioner))]
    others += [asyncio.create_task(answered(captioner)) for _ in range(MAX_IN_FLIGHT)]
    await until(lambda: engine.under_way == MAX_IN_FLIGHT)
    draining = asyncio.create_task(captioner.drain(1.0))
    await asyncio.sleep(0)  # it waits now
    with pytest.raises(StoppingError):
        async with captioner.admit(1):
            pass
    go_on.set()
    await draining
    assert (await first).text == "sks done"
    for other in others:
        with pytest.raises(StoppingError):
            await other
    await until(lambda: engine.under_way == 0)


async def test_ask_when_the_engine_goes_away_is_answered_once_it_is_back(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """Whole and streamed answers are asked for again; a new request is refused after its own wait."""
    all_asked = asyncio.Event()

    async def break_off(request: web.Request) -> web.StreamResponse:
        engine.healthy = False
        if len(engine.asked) >= 3:
            all_asked.set()
        await all_asked.wait()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def admitted() -> None:
        async with captioner.admit(1):
            pass

    engine.answer = break_off
    under_way = [asyncio.create_task(answered(captioner)) for _ in range(2)]
    streaming = asyncio.create_task(streamed(captioner))
    async with asyncio.timeout(20):
        while captioner.fleet.status.ready:
            await captioner.fleet.changed()
    with pytest.raises(EngineNotReadyError, match="doesn't answer"):
        await admitted()
    engine.answer = None
    engine.healthy = True
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*under_way)
    assert [answer.text for answer in answers] == [await streaming] * 2
    await admitted()


async def test_ask_when_the_engine_fails_but_is_there_is_not_asked_again(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """The failure is this request's."""

    async def fail(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    engine.answer = fail
    with pytest.raises(EngineError, match="failed at this request"):
        await captioner.ask(IMAGE, REQUEST)
    with pytest.raises(EngineError, match="failed at this request"):
        await streamed(captioner)
    assert len(engine.asked) == 2


async def test_ask_when_a_stream_that_has_begun_breaks_off_is_not_asked_again(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """Its reader has the beginning already, and learns that the rest doesn't come."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        engine.healthy = False
        assert request.transport is not None
        request.transport.close()
        return response

    engine.answer = break_off
    with pytest.raises(EngineError):
        await streamed(captioner)
    assert len(engine.asked) == 1


async def test_ask_when_a_stream_is_left_ends_the_engines_work(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """A client that goes away leaves its turn to the next one."""

    async def never_end(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        while True:
            await response.write(event(chunk({"content": "more "})))

    engine.answer = never_end
    async with contextlib.aclosing(aiter(captioner.ask(IMAGE, REQUEST))) as chunks:
        async for _ in chunks:
            break
    assert captioner.admission.in_flight == 0
    await until(lambda: engine.under_way == 0)


async def test_admit_and_ask_before_the_engine_is_ready_say_how_far_it_is() -> None:
    """An engine that never was ready is not waited for."""
    settings = RunSettings(engine_url="http://127.0.0.1:1")
    captioner = Captioner(
        fleet_for(settings, "You are."), Preparation(settings), Admission(lambda: 1, 1), engine_wait_s=60.0
    )
    with pytest.raises(EngineNotReadyError, match="Starting"):
        async with captioner.admit(1):
            pass
    with pytest.raises(EngineNotReadyError, match="Starting"):
        await captioner.ask(IMAGE, REQUEST)
    await captioner.drain(0)


def judged(prompt: str = "Say.") -> CaptionRequest:
    """Gives a request whose answer is to be prose."""
    return replace(request(prompt), brief=Brief(Form.PROSE))


def say(engine: FakeEngine, *texts: str, finish_reason: str = "stop") -> None:
    """Has the engine say these texts, one after the other."""
    left = list(texts)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion(left.pop(0), finish_reason))

    engine.answer = answer


async def test_a_bad_answer_is_asked_for_again(
    engine: FakeEngine, captioner: Captioner, picture: Path
) -> None:
    """With the same image, in the same turn, and the tokens of all answers are counted."""
    say(engine, REFUSAL, GOOD)
    trace = Trace(keep_texts=True)
    answer = await captioner.ask(ImageFile(str(picture)), judged(), trace)
    assert (answer.text, answer.attempts, answer.flaws) == (f"sks, {GOOD}", 2, ())
    assert [body["temperature"] for body in engine.asked] == [0.6, 0.8]
    assert image_url(engine.asked[0]) == image_url(engine.asked[1]) != ""
    assert (trace.captions, trace.prompt_tokens, trace.completion_tokens) == (1, 200, 10)
    assert trace.flaws == {"refusal": 1}
    assert trace.texts == [("Say.", answer.text)]


async def test_a_caption_that_stays_bad_fails(engine: FakeEngine, captioner: Captioner) -> None:
    """The trigger in front of it doesn't hide a refusal. The next request of the turn isn't asked."""
    say(engine, *[REFUSAL] * 3, GOOD)
    with pytest.raises(BadCaptionError, match="No good caption in 3 attempts: refusal") as caught:
        await captioner.ask(IMAGE, judged())
    assert caught.value.text == REFUSAL
    assert len(engine.asked) == 3
    assert captioner.admission.in_flight == 0


async def test_a_loop_is_repaired_where_no_answer_is_good(engine: FakeEngine, captioner: Captioner) -> None:
    """vLLM's own word for a loop comes as OpenAI's to those who ask."""
    say(engine, *[f"{GOOD} " + "The sky is grey. " * 9] * 3, finish_reason="repetition")
    answer = await captioner.ask(IMAGE, judged())
    assert answer.text == f"sks, {GOOD} The sky is grey."
    assert (answer.is_repaired, answer.finish_reason) == (True, "stop")


async def test_a_failure_at_a_further_attempt_leaves_what_can_be_repaired(
    engine: FakeEngine, captioner: Captioner, picture: Path
) -> None:
    """The image is read again for that attempt, and may be gone by then."""

    async def cut(request: web.Request) -> web.StreamResponse:
        picture.unlink(missing_ok=True)
        return web.json_response(completion(f"{GOOD} Behind it there are", "length"))

    engine.answer = cut
    assert (await captioner.ask(ImageFile(str(picture)), judged())).text == f"sks, {GOOD}"
    picture.write_bytes(GREY_PNG)

    async def refuse(request: web.Request) -> web.StreamResponse:
        picture.unlink()
        return web.json_response(completion(REFUSAL))

    engine.answer = refuse
    with pytest.raises(FileMissingError):
        await captioner.ask(ImageFile(str(picture)), judged())


async def test_streams_and_requests_without_a_brief_are_not_judged(
    engine: FakeEngine, captioner: Captioner
) -> None:
    """What was given out can't be taken back, and nobody knows what was asked."""
    say(engine, REFUSAL)
    assert (await captioner.ask(IMAGE, REQUEST)).flaws is None
    assert "repetition_detection" not in engine.asked[0]

    async def stream(request: web.Request) -> web.StreamResponse:
        return await engine._stream(request, REFUSAL)

    engine.answer = stream
    text = ""
    async for chunks in captioner.ask(IMAGE, judged()):
        for each in chunks:
            text += "".join(choice["delta"].get("content", "") for choice in each["choices"])
    assert text == f"sks, {REFUSAL}"
    assert engine.asked[1]["repetition_detection"] == ENDS_LOOPS
    assert len(engine.asked) == 2
