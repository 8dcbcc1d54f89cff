"""What do several engines cost the service? `python bench/engines.py [--quick]`.

Engines that answer at once, 1, 2, 4 and 8 of them, behind one service with 64 requests in flight: requests/s
with each number as a share of that with one, and how evenly the requests are spread. All of them share this
machine's cores, so more engines can't be faster here; the service must not become slower.
"""

import asyncio
import contextlib
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bench.stage import arguments, draw_scenes, instant_engine, keep_in_flight, numbers_for, record, service

ENGINES = (1, 2, 4, 8)
IN_FLIGHT = 64
PICTURES = 64
JSON = {"Content-Type": "application/json"}
HOLDS = re.compile(r"^joycaption_engine_asked\{engine=\"([^\"]+)\"\} (\S+)$", re.MULTILINE)


def main() -> None:
    given = arguments(__doc__, seconds=0.0)
    seconds = given.seconds or (6.0 if given.quick else 20.0)
    figures: dict[str, float] = {}
    for count in ENGINES:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            urls = []
            for number in range(count):
                place = Path(folder, str(number))
                place.mkdir()
                urls.append(stack.enter_context(instant_engine(place)))
            paths = draw_scenes(Path(folder, "pictures"), PICTURES)
            running = stack.enter_context(service(",".join(urls)))
            rate, shares = asyncio.run(measure(running.url, paths, seconds, count))
        figures[f"rps_{count}"] = rate
        figures[f"ratio_{count}"] = rate / figures[f"rps_{ENGINES[0]}"]
        figures[f"uneven_{count}"] = max(abs(share * count - 1) for share in shares)
        print(
            f"{count} engines: {rate:.0f} requests/s, {figures[f'ratio_{count}']:.2f} of one engine's; "
            f"no engine's share is off by more than {figures[f'uneven_{count}']:.1%}",
            flush=True,
        )
    record(given.results, "engines", figures)


async def measure(url: str, paths: list[Path], seconds: float, count: int) -> tuple[float, list[float]]:
    """Gives the requests/s, and each engine's share of them."""
    bodies = [orjson.dumps({"image_path": str(path)}) for path in paths]
    async with ClientSession(
        url, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=120)
    ) as session:

        async def ask(number: int) -> None:
            async with session.post("/caption", data=bodies[number % PICTURES], headers=JSON) as response:
                answer = await response.read()
                assert response.status == 200, answer

        async def asked() -> dict[str, float]:
            async with session.get("/metrics") as response:
                return {name: float(holds) for name, holds in HOLDS.findall(await response.text())}

        await until_ready(session, count)
        await keep_in_flight(ask, numbers_for(seconds / 4), IN_FLIGHT)  # warm-up
        before = await asked()
        answers, took_s = await keep_in_flight(ask, numbers_for(seconds), IN_FLIGHT)
        after = await asked()
    each = [after[name] - before[name] for name in after]
    return len(answers) / took_s, [number / sum(each) for number in each]


async def until_ready(session: ClientSession, count: int) -> None:
    """Waits until so many engines are ready: the service is so with the first."""
    while True:
        async with session.get("/health") as response:
            engines = (await response.json())["engines"]
        if sum(engine["state"] == "ready" for engine in engines) == count:
            return
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
