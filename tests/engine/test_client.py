"""The HTTP client to the engine, against a server that fails in each way."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from adapter.engine.client import EngineClient, Load, encode
from adapter.errors import (
    EngineBusyError,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InvalidRequestError,
)
from tests.fake_engine import FakeEngine, chunk, completion, event
from tests.waiting import until


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeEngine, EngineClient]]:
    engine = FakeEngine()
    server = await engine.start()
    client = EngineClient(str(server.make_url("")).rstrip("/"), timeout_s=2.0)
    engine.sees = False
    yield engine, client
    await client.close()
    await server.close()


async def test_complete_gives_openais_type(fake: tuple[FakeEngine, EngineClient]) -> None:
    """With text and usage."""
    _, client = fake
    answer = await client.complete(encode({"model": "fake", "messages": []}))
    assert answer.choices[0].message.content is not None
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 100


async def test_model_and_tokenize(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The served name, and ids."""
    engine, client = fake
    assert (await client.model()).id == "fake"
    assert await client.tokenize("fake", []) == engine.tokens
    assert await client.detokenize("fake", [1]) == "chat"
    assert await client.healthy(1.0)
    engine.healthy = False
    assert not await client.healthy(1.0)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "bad", EngineRefusedError),
        (404, "no such model", EngineRefusedError),
        (400, "This model's maximum context length is 4096 tokens", InvalidRequestError),
        (429, "", EngineBusyError),
        (503, "queue full", EngineBusyError),
        (500, "secret stack trace", EngineError),
        (200, "<html>", EngineError),
        (200, json.dumps({"choices": 3}), EngineError),
    ],
)
async def test_complete_turns_each_status_into_our_error(
    fake: tuple[FakeEngine, EngineClient], status: int, text: str, expected: type[Exception]
) -> None:
    """Without passing on the engine's own text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    engine, client = fake
    engine.answer = answer
    with pytest.raises(expected) as caught:
        await client.complete(b"{}")
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


async def test_complete_when_the_engine_hangs_up_is_unavailable(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """In the middle of a request."""

    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    engine, client = fake
    engine.answer = hang_up
    with pytest.raises(EngineUnavailableError):
        await client.complete(b"{}")


async def test_complete_on_a_connection_that_was_just_closed_is_sent_again(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """As uvicorn closes connections that were idle for a while."""
    hang_ups = 0

    async def hang_up_once(request: web.Request) -> web.StreamResponse:
        nonlocal hang_ups
        hang_ups += 1
        if hang_ups == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(completion("second try"))

    engine, client = fake
    engine.answer = hang_up_once
    answer = await client.complete(b"{}")
    assert answer.choices[0].message.content == "second try"
    assert hang_ups == 2


async def test_complete_on_a_connection_that_closes_while_the_body_goes_out_is_sent_again(
    tmp_path: Path,
) -> None:
    """The image is large: the end of an idle connection may come in its middle."""
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            if connections == 1 and b"Content-Length: 2\r\n" not in head:
                break
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
            answer = json.dumps(completion("second try")).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        writer.transport.abort()

    server = await asyncio.start_unix_server(converse, tmp_path / "engine.sock")
    client = EngineClient(f"unix:{tmp_path}/engine.sock", timeout_s=10.0)
    await client.complete(b"{}")
    answer = await client.complete(encode({"image": "x" * 700_000}))
    assert answer.choices[0].message.content == "second try"
    assert connections == 2
    await client.close()
    server.close()
    await server.wait_closed()


async def test_complete_when_the_engine_is_too_slow_times_out(fake: tuple[FakeEngine, EngineClient]) -> None:
    """After the client's timeout, and the engine hears of it."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    engine, client = fake
    engine.answer = wait
    with pytest.raises(EngineTimeoutError):
        await client.complete(b"{}")


async def test_complete_without_an_engine_is_unavailable(tmp_path: Path) -> None:
    """Neither a socket nor a port."""
    for url in (f"unix:{tmp_path}/none.sock", "http://127.0.0.1:1"):
        client = EngineClient(url, timeout_s=2.0)
        with pytest.raises(EngineUnavailableError):
            await client.complete(b"{}")
        assert not await client.healthy(1.0)
        await client.close()


@pytest.mark.parametrize(
    ("url", "local"),
    [("unix:/run/e.sock", True), ("http://127.0.0.1:8000", True), ("http://gpu.example:8000/v1", False)],
)
async def test_is_local_tells_where_the_engine_is(url: str, local: bool) -> None:
    """Images go there as BMP, or else as PNG."""
    client = EngineClient(url, timeout_s=1.0)
    assert client.is_local is local
    await client.close()


async def test_complete_over_a_unix_socket_reaches_the_engine(tmp_path: Path) -> None:
    """As the engine listens by default."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion("over the socket"))

    engine = FakeEngine(answer=answer)
    runner = web.AppRunner(engine.app())
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "e.sock")).start()
    client = EngineClient(f"unix:{tmp_path}/e.sock", timeout_s=2.0)
    answered = await client.complete(b"{}")
    assert answered.choices[0].message.content == "over the socket"
    await client.close()
    await runner.cleanup()


async def test_load_sums_the_engines_cores(fake: tuple[FakeEngine, EngineClient]) -> None:
    """Without such figures it counts as idle."""
    engine, client = fake
    assert await client.load() == Load(0, 0)
    engine.metrics = (
        "# HELP vllm:num_requests_running Running.\n"
        'vllm:num_requests_running{engine="0",model_name="m"} 3.0\n'
        'vllm:num_requests_running{engine="1",model_name="m"} 4.0\n'
        'vllm:num_requests_waiting{engine="0",model_name="m"} 1e+01\n'
        'vllm:num_requests_waiting_by_reason{engine="0",reason="x"} 5.0\n'
        'vllm:generation_tokens_total{engine="0"} 1234.0\n'
    )
    assert await client.load() == Load(7, 10, 1234)


async def test_stream_gives_the_chunks_as_they_come(fake: tuple[FakeEngine, EngineClient]) -> None:
    """Up to the usage, asked for in every stream."""
    engine, client = fake
    async with client.stream({"model": "fake", "messages": []}) as received:
        chunks = [chunk async for together in received for chunk in together]
    text = "".join(choice["delta"].get("content", "") for each in chunks for choice in each["choices"])
    assert text.startswith(" a picture ")
    assert chunks[-1]["usage"]["prompt_tokens"] == 100
    assert engine.asked[-1]["stream_options"] == {"include_usage": True}


async def test_stream_that_is_left_ends_the_engines_work(fake: tuple[FakeEngine, EngineClient]) -> None:
    """By closing the connection."""
    engine, client = fake

    async def never_ends(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        while True:
            await response.write(event(chunk({"content": "more "})))
            await asyncio.sleep(0.01)

    engine.answer = never_ends
    async with client.stream({"messages": []}) as received:
        async for _ in received:
            break
    await until(lambda: engine.under_way == 0)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", EngineError),
        (event(chunk({"content": "a"})), EngineError),
        (event({"error": {"message": "secret", "code": 500}}) + b"data: [DONE]\n\n", EngineError),
        (b"data: {nonsense}\n\n", EngineError),
        (b"data: 7\n\n", EngineError),
    ],
)
async def test_stream_that_breaks_off_is_an_error(
    fake: tuple[FakeEngine, EngineClient], sent: bytes, expected: type[Exception]
) -> None:
    """Never a shorter answer."""
    engine, client = fake

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        await response.write(sent)
        await response.write_eof()
        return response

    engine.answer = answer
    with pytest.raises(expected) as caught:
        async with client.stream({"messages": []}) as received:
            async for _ in received:
                pass
    assert "secret" not in str(caught.value)


async def test_stream_of_a_silent_engine_times_out(fake: tuple[FakeEngine, EngineClient]) -> None:
    """After the first chunk too."""
    engine, client = fake

    async def hangs(request: web.Request) -> web.StreamResponse:
        await engine.begin_stream(request)
        await asyncio.Event().wait()
        return web.Response()

    engine.answer = hangs
    with pytest.raises(EngineTimeoutError):
        async with client.stream({"messages": []}) as received:
            async for _ in received:
                pass


async def test_stream_that_is_refused_is_our_error(fake: tuple[FakeEngine, EngineClient]) -> None:
    """Before anything is read of it."""
    engine, client = fake

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    engine.answer = answer
    with pytest.raises(EngineBusyError):
        async with client.stream({"messages": []}):
            pass


async def test_a_client_that_is_closed_says_that_there_is_no_engine(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """Another engine was started meanwhile, and has a client of its own."""
    _, client = fake
    await client.close()
    with pytest.raises(EngineUnavailableError):
        await client.complete(encode({"model": "fake", "messages": []}))
    assert not await client.healthy(5)
