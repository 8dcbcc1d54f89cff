"""Small requests with large costs: each is refused before it costs anything, and honest ones are not."""

import asyncio
import gzip
import io
import json
import resource
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from adapter.caption.prompt_choice import MAX_PROMPT
from adapter.images.sources import DataURL, ImageLimits
from adapter.web.request_body import MAX_VALUES
from tests.fake_engine import completion
from tests.web.conftest import Service

CHAT = "/v1/chat/completions"
LARGE = pytest.mark.parametrize(
    "starting", [{"max_body_bytes": 16 * 2**20, "max_file_bytes": 64 * 2**20}], indirect=True
)


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}], **fields}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "prompt "),
        ({"name_input": "x" * 1025}, "name_input "),
        ({"extra_options": ["x" * 4097]}, "extra_options "),
        ({"extra_options": ["x"] * 65}, "extra_options "),
        ({"extra_options": ["{name}" * 600] * 64, "name_input": "x" * 1000}, "extra_options "),
    ],
)
@LARGE
async def test_texts_that_no_prompt_needs_are_refused(
    service: Service, picture: Path, fields: dict[str, Any], named: str
) -> None:
    """`{name}` multiplies: a request of 200 kB would make a prompt of 38 MB."""
    status, body = await service.post("/caption", {"image_path": str(picture), **fields})
    assert status == 400
    assert body["error"].startswith(named)
    assert not service.engine.asked


@LARGE
async def test_messages_that_no_prompt_needs_are_refused(service: Service) -> None:
    """The model's context has room for a fraction."""
    message = {"role": "user", "content": "x" * (MAX_PROMPT + 1)}
    status, body = await service.post(CHAT, chat(messages=[message]))
    assert (status, body["error"]["param"]) == (400, "messages[0].content")


@pytest.mark.parametrize("path", ["/caption", CHAT])
async def test_compressed_bodies_are_415(service: Service, path: str) -> None:
    """29 kB of them may be a gigabyte."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    data = gzip.compress(json.dumps(chat()).encode())
    url = service.server.make_url(path)
    async with service.session.post(url, data=io.BytesIO(data), headers=headers) as response:
        assert response.status == 415
        assert "compressed" in (await response.text())
    assert (await service.post(CHAT, chat()))[0] == 200


@LARGE
async def test_bodies_of_very_many_values_are_refused(service: Service, picture: Path) -> None:
    """Ten thousand paths are honest, millions of empty lists are not."""
    for raw in (
        b'{"a": [' + b"[]," * MAX_VALUES + b"1]}",
        b'{"extra_options": [' + b'"",' * MAX_VALUES + b'""]}',
    ):
        status, body = await service.post_raw("/caption", raw)
        assert (status, body["error"]) == (400, f"The request body holds more than {MAX_VALUES} values")
    paths = ["/none.png"] * 10_000
    status, body = await service.post("/batch_caption", {"image_paths": paths})
    assert "at most 100 are taken" in body["error"], "it was read"


async def test_a_chat_body_is_bounded_beside_its_image(service: Service) -> None:
    """The room for an image is for an image."""
    status, body = await service.post(CHAT, chat(user="x" * 10**5))
    assert (status, body["error"]["code"]) == (413, "request_too_large")
    url = "data:image/png;base64," + "A" * 10**6
    image = {"type": "image_url", "image_url": {"url": url}}
    status, body = await service.post(CHAT, chat(messages=[{"role": "user", "content": [image]}]))
    assert (status, body["error"]["code"]) == (422, "not_an_image")


@pytest.mark.parametrize(
    "fields", [{"n": 128, "max_tokens": 600}, {"n": 40, "top_logprobs": 20, "max_tokens": 90}]
)
async def test_more_log_probabilities_than_anybody_reads_are_refused(
    service: Service, fields: dict[str, Any]
) -> None:
    """Their product counts."""
    status, body = await service.post(CHAT, chat(logprobs=True, **fields))
    assert (status, body["error"]["param"]) == (400, "logprobs")
    assert (await service.post(CHAT, chat(n=128)))[0] == 200
    assert (await service.post(CHAT, chat(logprobs=True, top_logprobs=20)))[0] == 200


@pytest.mark.parametrize("starting", [{"max_queue_bytes": 10**6, "client_timeout_s": 30}], indirect=True)
async def test_clients_that_only_promise_bodies_keep_nobody_out(service: Service) -> None:
    """What counts is what has come."""
    host, port = service.server.host, service.server.port
    lines = ("POST /caption HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    head = "\r\n".join([*lines, "Content-Length: 90000", "", ""])
    idle = [await asyncio.open_connection(host, port) for _ in range(20)]
    for _, writer in idle:
        writer.write(head.encode())
        await writer.drain()
    await asyncio.sleep(0.1)  # they are being read now
    assert (await service.post(CHAT, chat()))[0] == 200
    for _, writer in idle:
        writer.close()


async def test_large_answers_of_the_engine_are_read(service: Service) -> None:
    """Parsing one holds up nobody else."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion("x" * 10**6))

    service.engine.answer = answer
    status, body = await service.post(CHAT, chat())
    assert (status, len(body["choices"][0]["message"]["content"])) == (200, 10**6)


def test_percent_encoding_takes_memory_of_its_own_size() -> None:
    """15 MB of it made 1.3 GB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    used_kb = next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if "VmData" in line
    )
    url = "data:," + "%41" * 5_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (used_kb * 1024 + 200 * 2**20, hard))
    try:
        assert DataURL(url).read(ImageLimits(10**8, 1)) == b"A" * 5_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:,a%20b%3D=3D%25", b"a b==3D%"),
        ("data:,=\r\n%0A_ \t", b"=\r\n\n_ \t"),
        ("data:;base64,QUJD%52A%3D%3D", b"ABCD"),
    ],
)
def test_percent_encoding_is_undone_as_rfc_3986_says(url: str, expected: bytes) -> None:
    """The sign of quoted-printable, by which it is done, stays what it was."""
    assert DataURL(url).read(ImageLimits(100, 1)) == expected


def jpeg_of_many_scans(scans: int) -> bytes:
    """Gives a JPEG whose first scan is repeated."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xda", first + 2)
    return data[:first] + data[first:second] * scans + data[second:]


async def test_a_jpeg_of_very_many_scans_is_refused(service: Service, tmp_path: Path) -> None:
    """Each of them goes over all pixels."""
    (tmp_path / "a.jpg").write_bytes(jpeg_of_many_scans(300))
    status, body = await service.post("/caption", {"image_path": str(tmp_path / "a.jpg")})
    assert (status, body["error"]) == (422, "The image has more than 100 scans")
    (tmp_path / "b.jpg").write_bytes(jpeg_of_many_scans(1))
    assert (await service.post("/caption", {"image_path": str(tmp_path / "b.jpg")}))[0] == 200


@LARGE
async def test_log_lines_stay_short_and_one(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a path of 10 MB nor a line end in one gets into the log as it came."""
    caplog.set_level("INFO")
    await service.post("/caption", {"image_path": "/" + "x" * 10**7})
    await service.get("/x%0a2026-01-01 forged%1b[2J")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("adapter")]
    assert lines
    assert all(len(line) < 3000 and line.isprintable() for line in lines)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//"])
async def test_an_origin_that_is_none_is_refused(service: Service, origin: str) -> None:
    """It is no reason for a 500."""
    async with service.session.get(
        service.server.make_url("/health"), headers={"Origin": origin}
    ) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    "line", ["OPTIONS * HTTP/1.1", "CONNECT example.com:80 HTTP/1.1", "GET http://[/ HTTP/1.1"]
)
async def test_request_lines_that_name_no_path_are_answered(service: Service, line: str) -> None:
    """They are refused, and nothing is broken by them."""
    reader, writer = await asyncio.open_connection(service.server.host, service.server.port)
    writer.write(f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(20):
        status = int((await reader.readline()).split()[1])
    assert 400 <= status < 500
    writer.close()
    assert (await service.get("/health"))[0] == 200
