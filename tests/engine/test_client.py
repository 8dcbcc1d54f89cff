"""The HTTP client to the engine, against a server that fails in each way."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import client_exceptions, web

from adapter.engine.client import EngineClient, encode, encode_stream
from adapter.engine.client_errors import to_ours
from adapter.engine.load import Load
from adapter.errors import (
    CaptionError,
    EngineBusyError,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InvalidRequestError,
    OutOfResourcesError,
)
from tests.fake_engine import FakeEngine, chunk, completion, event
from tests.waiting import until

STREAM = encode_stream({"model": "fake", "messages": []})

# What becomes of each of aiohttp's errors. A connection that can't be made, or that ends before there is an
# answer, leaves no engine to ask; what is wrong with an answer is the engine's failure.
OURS: dict[type[Exception], type[CaptionError]] = {
    client_exceptions.ClientConnectionError: EngineUnavailableError,
    client_exceptions.ClientConnectionResetError: EngineUnavailableError,
    client_exceptions.ClientConnectorCertificateError: EngineUnavailableError,
    client_exceptions.ClientConnectorDNSError: EngineUnavailableError,
    client_exceptions.ClientConnectorError: EngineUnavailableError,
    client_exceptions.ClientConnectorSSLError: EngineUnavailableError,
    client_exceptions.ClientError: EngineError,
    client_exceptions.ClientHttpProxyError: EngineError,
    client_exceptions.ClientOSError: EngineUnavailableError,
    client_exceptions.ClientPayloadError: EngineError,
    client_exceptions.ClientProxyConnectionError: EngineUnavailableError,
    client_exceptions.ClientResponseError: EngineError,
    client_exceptions.ClientSSLError: EngineUnavailableError,
    client_exceptions.ConnectionTimeoutError: EngineUnavailableError,  # nothing was asked yet
    client_exceptions.ContentTypeError: EngineError,
    client_exceptions.InvalidURL: EngineError,
    client_exceptions.InvalidUrlClientError: EngineError,
    client_exceptions.InvalidUrlRedirectClientError: EngineError,
    client_exceptions.NonHttpUrlClientError: EngineError,
    client_exceptions.NonHttpUrlRedirectClientError: EngineError,
    client_exceptions.RedirectClientError: EngineError,
    client_exceptions.ServerConnectionError: EngineUnavailableError,
    client_exceptions.ServerDisconnectedError: EngineUnavailableError,
    client_exceptions.ServerFingerprintMismatch: EngineUnavailableError,
    client_exceptions.ServerTimeoutError: EngineTimeoutError,
    client_exceptions.SocketTimeoutError: EngineTimeoutError,
    client_exceptions.TooManyRedirects: EngineError,
    client_exceptions.UnixClientConnectorError: EngineUnavailableError,
    client_exceptions.UploadAbortedError: EngineError,
    client_exceptions.WSMessageTypeError: EngineError,
    client_exceptions.WSServerHandshakeError: EngineError,
}


def test_to_ours_has_an_error_for_every_one_of_aiohttps() -> None:
    """An error that a new version of aiohttp brings, or takes away, has to be thought about."""
    found = {
        each
        for each in vars(client_exceptions).values()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert found == set(OURS)


@pytest.mark.parametrize(("foreign", "expected"), OURS.items(), ids=lambda each: each.__name__)
def test_to_ours_of_an_error_of_aiohttps_gives_just_the_expected_class(
    foreign: Any, expected: type[CaptionError]
) -> None:
    """The class alone decides, whatever arguments the error was made with."""
    ours = to_ours(foreign.__new__(foreign))
    assert type(ours) is expected
    assert "\n" not in str(ours)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), EngineTimeoutError),
        (ConnectionRefusedError(), EngineUnavailableError),
        (BrokenPipeError(), EngineUnavailableError),
        (OSError(errno.EMFILE, "Too many open files"), OutOfResourcesError),
        (client_exceptions.ClientOSError(errno.EMFILE, "Too many open files"), OutOfResourcesError),
    ],
)
def test_to_ours_of_the_systems_errors_tells_whose_fault_it_is(
    error: OSError, expected: type[CaptionError]
) -> None:
    """A machine that is short of descriptors isn't an engine that is away."""
    assert type(to_ours(error)) is expected


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeEngine, EngineClient]]:
    """Starts a fake engine, and gives it with a client that waits for two seconds."""
    engine = FakeEngine()
    server = await engine.start()
    client = EngineClient(str(server.make_url("")).rstrip("/"), timeout_s=2.0)
    engine.sees = False
    yield engine, client
    await client.close()
    await server.close()


async def test_complete_gives_text_and_usage(fake: tuple[FakeEngine, EngineClient]) -> None:
    """What isn't used of OpenAI's fields is left out."""
    _, client = fake
    answer = await client.complete(encode({"model": "fake", "messages": []}))
    assert answer.choices[0].message.content is not None
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 100


async def test_model_and_tokens_are_the_engines_own(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The self-check asks for these, once the engine is healthy."""
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
    """The engine's own text isn't passed on, but is kept for the log."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    engine, client = fake
    engine.answer = answer
    with pytest.raises(expected) as caught:
        await client.complete(b"{}")
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)
    assert status == 200 or text in str(caught.value.__cause__)


async def test_complete_when_the_engine_hangs_up_is_unavailable(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """It hangs up in the middle of a request, and again when it is sent once more."""

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
    """A server closes connections that were idle for a while, also in the moment that they are used."""
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
    """The image is large, so the end of an idle connection may come in the middle of it."""
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
    """The client's own timeout decides."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    engine, client = fake
    engine.answer = wait
    with pytest.raises(EngineTimeoutError):
        await client.complete(b"{}")


async def test_complete_without_an_engine_is_unavailable(tmp_path: Path) -> None:
    """There may be no socket, or nobody who listens on the port."""
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
    """Images go to a local engine as BMP, and to any other as PNG."""
    client = EngineClient(url, timeout_s=1.0)
    assert client.is_local is local
    await client.close()


async def test_complete_over_a_unix_socket_reaches_the_engine(tmp_path: Path) -> None:
    """The engine listens on one by default."""

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


async def test_load_is_read_from_the_engines_metrics(fake: tuple[FakeEngine, EngineClient]) -> None:
    """An engine without such figures counts as idle."""
    engine, client = fake
    assert await client.load() == Load(0, 0)
    engine.metrics = 'vllm:num_requests_running{engine="0"} 3.0\nvllm:generation_tokens_total 1234.0\n'
    assert await client.load() == Load(3, 0, 1234)


async def test_stream_gives_the_chunks_as_they_come(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The last chunk has the usage, which every stream asks for."""
    engine, client = fake
    async with client.stream(STREAM) as received:
        chunks = [chunk async for together in received for chunk in together]
    text = "".join(choice["delta"].get("content", "") for each in chunks for choice in each["choices"])
    assert text.startswith(" a picture ")
    assert chunks[-1]["usage"]["prompt_tokens"] == 100
    assert engine.asked[-1]["stream_options"] == {"include_usage": True}


async def test_stream_that_is_left_ends_the_engines_work(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The engine sees that the connection closes."""
    engine, client = fake

    async def never_ends(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        while True:
            await response.write(event(chunk({"content": "more "})))
            await asyncio.sleep(0.01)

    engine.answer = never_ends
    async with client.stream(STREAM) as received:
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
async def test_stream_that_breaks_off_or_makes_no_sense_is_an_error(
    fake: tuple[FakeEngine, EngineClient], sent: bytes, expected: type[Exception]
) -> None:
    """A shorter answer never passes for the whole."""
    engine, client = fake

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await engine.begin_stream(request)
        await response.write(sent)
        await response.write_eof()
        return response

    engine.answer = answer
    with pytest.raises(expected) as caught:
        async with client.stream(STREAM) as received:
            async for _ in received:
                pass
    assert "secret" not in str(caught.value)


async def test_stream_of_a_silent_engine_times_out(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The timeout holds after the first chunk too."""
    engine, client = fake

    async def hangs(request: web.Request) -> web.StreamResponse:
        await engine.begin_stream(request)
        await asyncio.Event().wait()
        return web.Response()

    engine.answer = hangs
    with pytest.raises(EngineTimeoutError):
        async with client.stream(STREAM) as received:
            async for _ in received:
                pass


async def test_stream_that_is_refused_is_our_error(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The refusal comes before anything is read of the stream."""
    engine, client = fake

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    engine.answer = answer
    with pytest.raises(EngineBusyError):
        async with client.stream(STREAM):
            pass


async def test_complete_by_a_closed_client_says_that_there_is_no_engine(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """Another engine was started meanwhile, whose client is another."""
    _, client = fake
    await client.close()
    with pytest.raises(EngineUnavailableError):
        await client.complete(encode({"model": "fake", "messages": []}))
    assert not await client.healthy(5)


@pytest.mark.parametrize("streams", [False, True])
async def test_close_ends_requests_at_an_engine_that_takes_nothing(tmp_path: Path, streams: bool) -> None:
    """An engine that is stopped reads no more of a request, and never answers."""
    accepted = asyncio.Event()
    stopped = asyncio.Event()

    async def stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        accepted.set()
        await stopped.wait()
        writer.close()

    server = await asyncio.start_unix_server(stop, tmp_path / "engine.sock")
    client = EngineClient(f"unix:{tmp_path}/engine.sock", 600.0)
    body = encode({"image": "x" * 900_000})

    async def ask() -> None:
        if streams:
            async with client.stream(body) as received:
                async for _ in received:
                    pass
        else:
            await client.complete(body)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(20):
        await accepted.wait()
        await client.close()
        with pytest.raises(EngineUnavailableError):
            await asking
        with pytest.raises(EngineUnavailableError):
            await client.complete(body)
    stopped.set()
    server.close()
    await server.wait_closed()
