"""Does a bad caption reach anybody, and what does that cost? `python bench/quality.py [--quick]`.

An engine that answers at once says something bad in 3 % of its answers, in all the ways in which captions are
bad: loops, cut ends, refusals, leaks, other languages and so on. Through `/caption`, `/batch_caption`, `/v1`
and the dataset command come 10 000 captions each. What reaches the user is compared with all that the engine
can say that is good; requests are counted at the engine. Then the time to judge a caption is compared with
what the service needs for one, `joycaption check` over a million texts with a single process that only
judges, and the demonstration model is asked for captions of every style and type, none of which should be
asked for again.
"""

import asyncio
import base64
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientSession, ClientTimeout, TCPConnector, UnixConnector

from adapter.caption.brief import Brief
from adapter.caption.flaws import Form
from adapter.caption.quality import judge
from bench.instant_engine import BROKEN, GOOD_BEGINNING, TEXT
from bench.stage import (
    PROJECT_DIR,
    Service,
    arguments,
    cpu_s,
    draw_scenes,
    instant_engine,
    keep_in_flight,
    memory_mb,
    percentile,
    prompt_book,
    record,
    service,
)

BROKEN_SHARE = 0.03
PICTURES = 64
IN_FLIGHT = 64
BATCH = 250
# All that is good of what the engine says: what it says otherwise, and what is left of loops and cut ends.
GOOD = frozenset((TEXT, GOOD_BEGINNING, f"{GOOD_BEGINNING} The sky is grey and cold."))
CAPTION = (
    "A photograph of a red fox that stands in deep snow. Its thick fur is lit from the left by a low winter "
    "sun, and its breath hangs in the air. Behind it, bare birches form a pale, blurred background. In the "
    "upper right corner a branch with a few brown leaves reaches into the picture. The animal looks straight "
    "into the camera, its ears are pointed, and one paw is slightly raised. The mood is calm and cold, and "
    "the colours are muted, with the orange of the fur as the only accent."
)
JUDGED = 3000
MEMORY_S = 0.3


def main() -> None:
    given = arguments(__doc__, captions=0, demo_captions=0, texts=0)
    captions = given.captions or (2500 if given.quick else 10_000)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_scenes(Path(folder, "pictures"), PICTURES)
        with instant_engine(Path(folder), "--broken", str(BROKEN_SHARE)) as engine_url:
            with service(engine_url) as running:
                figures |= asyncio.run(through_service(running, engine_url, paths, captions))
            figures |= through_dataset(Path(folder, "dataset"), engine_url, paths, captions)
        figures["judge_ms"] = judge_ms()
        figures["judge_share"] = figures["judge_ms"] / figures["caption_cpu_ms"]
        print(
            f"judging a caption of {len(CAPTION)} characters takes {figures['judge_ms']:.2f} ms, "
            f"{figures['judge_share']:.1%} of the CPU that the service needs for one"
        )
        texts = given.texts or (50_000 if given.quick else 1_000_000)
        figures |= check(Path(folder, "texts"), texts, figures["judge_ms"])
        figures |= on_demo(paths, given.demo_captions or (280 if given.quick else 1000))
    record(given.results, "quality", figures)


async def through_service(
    running: Service, engine_url: str, paths: list[Path], captions: int
) -> dict[str, float]:
    """Gives what comes through the faces of the service."""
    figures: dict[str, float] = {}
    images = [f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in paths]
    async with ClientSession(
        running.url, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=600)
    ) as session:

        async def caption(number: int) -> list[str | None]:
            body = {"image_path": str(paths[number % PICTURES])}
            async with session.post("/caption", json=body) as response:
                return [(await response.json()).get("caption")]

        async def batch(number: int) -> list[str | None]:
            body = {"image_paths": [str(path) for path in itertools.islice(itertools.cycle(paths), BATCH)]}
            async with session.post("/batch_caption", json=body) as response:
                return [result.get("caption") for result in (await response.json())["results"]]

        async def chat(number: int) -> list[str | None]:
            image = {"type": "image_url", "image_url": {"url": images[number % PICTURES]}}
            messages = [{"role": "user", "content": [image]}]
            body = {"model": "joycaption:descriptive", "messages": messages}
            async with session.post("/v1/chat/completions", json=body) as response:
                answer = await response.json()
                return [answer["choices"][0]["message"]["content"] if response.status == 200 else None]

        for name, ask, count, in_flight in (
            ("caption", caption, captions, IN_FLIGHT),
            ("batch", batch, captions // BATCH, 2),
            ("openai", chat, captions, IN_FLIGHT),
        ):
            asked, used_s = await asked_of(engine_url), cpu_s(running.process)
            answers, _ = await keep_in_flight(ask, range(count), in_flight)
            told = list(itertools.chain.from_iterable(answers))
            requests = await asked_of(engine_url) - asked
            figures |= tell(name, told, requests)
            figures[f"{name}_cpu_ms"] = (cpu_s(running.process) - used_s) * 1000 / len(told)
    return figures


def through_dataset(folder: Path, engine_url: str, paths: list[Path], captions: int) -> dict[str, float]:
    """Gives what comes through the dataset command."""
    folder.mkdir()
    for number in range(captions):
        os.link(paths[number % PICTURES], folder / f"{number}.png")
    asked = asyncio.run(asked_of(engine_url))
    command = [sys.executable, "-m", "adapter", "caption", str(folder), "--engine-url", engine_url, "--json"]
    ended = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    result: dict[str, Any] = json.loads(ended.stdout)
    told: list[str | None] = [path.read_text() for path in folder.glob("*.txt")]
    told += [None] * result["failed"]
    assert len(told) == captions, ended.stderr
    return tell("dataset", told, asyncio.run(asked_of(engine_url)) - asked)


def tell(name: str, told: Iterable[str | None], requests: int) -> dict[str, float]:
    """Prints and gives how many captions are bad, or missing, and how many requests each took."""
    counts = Counter("failed" if text is None else "good" if text in GOOD else "bad" for text in told)
    captions = counts.total()
    more = requests / captions - 1
    print(
        f"{name:8} {captions} captions: {counts['bad']} bad ones reached the user, "
        f"{counts['failed']} failed; {more:.1%} more requests than captions",
        flush=True,
    )
    return {
        f"{name}_captions": captions,
        f"{name}_bad": counts["bad"],
        f"{name}_failed": counts["failed"],
        f"{name}_more_requests": more,
    }


async def asked_of(engine_url: str) -> int:
    """Gives how many answers the engine has given."""
    async with (
        ClientSession("http://engine", connector=UnixConnector(engine_url[5:])) as session,
        session.get("/asked") as response,
    ):
        return int(await response.json())


def judge_ms() -> float:
    """Gives the median time to judge a caption, and what a judge must find in each way of being bad."""
    brief = Brief(Form.PROSE, no_watermark=True)
    assert all(any(flaw.is_hard for flaw in judge(text, brief, reason)) for text, reason in BROKEN)
    took_s = []
    for number in range(JUDGED):
        text = f"{CAPTION} It is number {number}."
        started = time.perf_counter()
        flaws = judge(text, brief, "stop")
        took_s.append(time.perf_counter() - started)
        assert not flaws
    return percentile(took_s, 0.5) * 1000


def check(folder: Path, texts: int, judge_ms: float) -> dict[str, float]:
    """Gives what `joycaption check` of so many different texts takes."""
    folder.mkdir()
    for number in range(texts):
        below = folder / str(number // 1000)
        if number % 1000 == 0:
            below.mkdir()
            image = below / f"{number}.png"
            image.write_bytes(b"x" * (1 + number // 1000))
        else:
            os.link(image, below / f"{number}.png")
        (below / f"{number}.txt").write_text(f"{CAPTION} It is number {number}.")
    command = [sys.executable, "-m", "adapter", "check", str(folder), "--json"]
    started, peak_mb = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=output)
        while process.poll() is None:
            peak_mb = max(peak_mb, memory_mb(process.pid))
            time.sleep(MEMORY_S)
        seconds = time.monotonic() - started
        output.seek(0)
        told = json.loads(output.read())
    assert (process.returncode, told["texts"], told["flawed"]) == (0, texts, 0), told
    ratio = texts * judge_ms / 1000 / seconds
    print(
        f"check    {texts} texts in {seconds:.0f} s, {ratio:.2f} times the rate of one process that only "
        f"judges, with {peak_mb:.0f} MB at most",
        flush=True,
    )
    return {"check_texts": texts, "check_s": seconds, "check_to_judge": ratio, "check_peak_mb": peak_mb}


def on_demo(paths: list[Path], captions: int) -> dict[str, float]:
    """Gives how many of the demonstration model's own captions were asked for again."""
    book = prompt_book()
    kinds = [{"style": style} for style in book.styles]
    kinds += [{"caption_type": kind} for kind in book.caption_types]
    with service(CAPTION_MODEL=str(PROJECT_DIR / "demo/model")) as running:
        answers = asyncio.run(_ask_demo(running.url, paths, kinds, captions))
    again = sum(answer["attempts"] > 1 for answer in answers)
    flawed = Counter(flaw["kind"] for answer in answers for flaw in answer["flaws"])
    print(
        f"demo     {len(answers)} captions at temperature 0.6: {again} asked for again, "
        f"flaws {dict(flawed) or 'none'}"
    )
    return {"demo_captions": len(answers), "demo_asked_again": again, "demo_flawed": flawed.total()}


async def _ask_demo(
    url: str, paths: list[Path], kinds: list[dict[str, str]], captions: int
) -> list[dict[str, Any]]:
    async with ClientSession(url, timeout=ClientTimeout(total=600)) as session:

        async def ask(number: int) -> dict[str, Any]:
            body = {"image_path": str(paths[number % PICTURES]), **kinds[number % len(kinds)]}
            async with session.post("/caption", json=body) as response:
                answer: dict[str, Any] = await response.json()
                assert response.status == 200, (body, answer)
                return answer

        answers, _ = await keep_in_flight(ask, range(captions), IN_FLIGHT)
        return answers


if __name__ == "__main__":
    main()
