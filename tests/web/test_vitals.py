"""How the engines are, for whoever watches them."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from aiohttp import web

from adapter.web.app_keys import VITALS
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service

METRICS = (
    "vllm:num_requests_running 1.0\nvllm:num_requests_waiting 0.0\nvllm:generation_tokens_total {tokens}\n"
)


async def test_watch_tells_each_state_and_what_the_engine_does(service: Service, picture: Path) -> None:
    """Tokens are the engine's own count, images what this service gave."""
    vitals = service.app[VITALS]
    seen: list[dict[str, Any]] = []
    tokens = 0

    async def watch() -> None:
        async with contextlib.aclosing(vitals.watch()) as states:
            async for state in states:
                seen.append(state)

    def write_tokens() -> bool:
        """Has the engine write on, and tells whether that was seen."""
        nonlocal tokens
        tokens += 10
        service.engine.metrics = METRICS.format(tokens=tokens)
        return any(state["tokens_per_s"] > 0 for state in seen)

    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("A picture of something."))

    watching = asyncio.create_task(watch())
    try:
        await until(write_tokens)
        assert {state["state"] for state in seen} == {"ready"}
        service.engine.answer = wait
        asking = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
        await until(lambda: seen[-1]["in_flight"] == 1)
        go_on.set()
        assert (await asking)[0] == 200
        await until(lambda: seen[-1]["in_flight"] == 0)
        assert any(state["images_per_s"] > 0 for state in seen)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await until(lambda: vitals.state["tokens_per_s"] == 0)
