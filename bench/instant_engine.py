"""An engine that answers at once, for what the rest costs: `python bench/instant_engine.py SOCKET`.

Speaks as much of vLLM's HTTP as the service asks for, on a Unix socket. What it answers says nothing; with
--echo it is the prompt, and `/asked-twice` tells how many prompts came more than once.
"""

import argparse
import asyncio
from collections import Counter

import orjson
from aiohttp import web

TEXT = "a picture of something that is worth about as many words as a caption has"
TOKENS = [1, *[7] * 64, 2]


ARGUMENTS = web.AppKey("arguments", argparse.Namespace)
PROMPTS = web.AppKey("prompts", Counter[str])


async def complete(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    arguments = request.app[ARGUMENTS]
    text = TEXT
    if b'"max_tokens":24' in body:
        text = f"{TEXT} {hash(body)}"  # the self-check wants another answer to another image
    elif arguments.echo:
        text = orjson.loads(body)["messages"][-1]["content"][-1]["text"]
        request.app[PROMPTS][text] += 1
    await asyncio.sleep(arguments.delay_s)
    if b'"stream":true' in body:
        return await stream(request, text)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "instant",
            "choices": [choice | {"logprobs": None}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 16, "total_tokens": 116},
        }
    )


async def stream(request: web.Request, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, finish_reason in (({"role": "assistant", "content": text}, None), ({"content": ""}, "stop")):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        await response.write(b"data: " + orjson.dumps({"id": "chatcmpl-1", "choices": [choice]}) + b"\n\n")
    usage = {"prompt_tokens": 100, "completion_tokens": 16, "total_tokens": 116}
    await response.write(b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\ndata: [DONE]\n\n")
    await response.write_eof()
    return response


def reply(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


async def models(request: web.Request) -> web.Response:
    return reply({"object": "list", "data": [{"id": "instant", "root": "instant"}]})


async def tokenize(request: web.Request) -> web.Response:
    return reply({"count": len(TOKENS), "tokens": TOKENS})


async def text(request: web.Request) -> web.Response:
    return reply({"prompt": "chat"})


async def healthy(request: web.Request) -> web.Response:
    return web.Response()


async def asked_twice(request: web.Request) -> web.Response:
    return web.Response(text=str(sum(count > 1 for count in request.app[PROMPTS].values())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--delay-s", type=float, default=0.0)
    arguments = parser.parse_args()
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/health", healthy)
    app.router.add_get("/metrics", healthy)
    app.router.add_get("/v1/models", models)
    app.router.add_post("/tokenize", tokenize)
    app.router.add_post("/detokenize", text)
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/asked-twice", asked_twice)
    app[ARGUMENTS] = arguments
    app[PROMPTS] = Counter()
    web.run_app(app, path=arguments.socket, print=None, access_log=None)


if __name__ == "__main__":
    main()
