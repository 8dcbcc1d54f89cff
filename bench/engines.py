"""What do several engines cost the service? `python bench/engines.py [--quick]`.

Engines that answer at once, 1, 2, 4 and 8 of them, behind one service with 64 requests in flight: requests/s
and the service's own CPU for each, as a share of those with one engine, and how evenly the requests are
spread. Each number is measured twice, going up and coming down. All engines share this machine's cores, so
more of them can't be faster here; the service must not cost more.
"""

import asyncio
import contextlib
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bench.stage import (
    Service,
    arguments,
    cpu_s,
    draw_scenes,
    instant_engine,
    keep_in_flight,
    numbers_for,
    record,
    service,
)

ENGINES = (1, 2, 4, 8)
IN_FLIGHT = 64
PICTURES = 64
JSON = {"Content-Type": "application/json"}
HOLDS = re.compile(r"^joycaption_engine_asked\{engine=\"([^\"]+)\"\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """Requests/s, milliseconds of the service's CPU for each, and each engine's share of them."""

    rate: float
    cpu_ms: float
    shares: list[float]


def main() -> None:
    given = arguments(__doc__, seconds=0.0)
    seconds = given.seconds or (6.0 if given.quick else 20.0)
    measured: dict[int, list[Measured]] = {count: [] for count in ENGINES}
    for count in (*ENGINES, *reversed(ENGINES)):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            urls = []
            for number in range(count):
                place = Path(folder, str(number))
                place.mkdir()
                urls.append(stack.enter_context(instant_engine(place)))
            paths = draw_scenes(Path(folder, "pictures"), PICTURES)
            running = stack.enter_context(service(",".join(urls)))
            measured[count].append(asyncio.run(measure(running, paths, seconds, count)))
    figures: dict[str, float] = {}
    for count, (up, down) in measured.items():
        figures[f"rps_{count}"] = (up.rate + down.rate) / 2
        figures[f"cpu_ms_{count}"] = (up.cpu_ms + down.cpu_ms) / 2
        figures[f"uneven_{count}"] = max(abs(share * count - 1) for share in up.shares + down.shares)
        rate, cpu_ms = (figures[f"{name}_{count}"] / figures[f"{name}_1"] for name in ("rps", "cpu_ms"))
        print(
            f"{count} engines: {figures[f'rps_{count}']:.0f} requests/s, {rate:.2f} of one engine's, and "
            f"{figures[f'cpu_ms_{count}']:.2f} ms of the service's CPU each, {cpu_ms:.2f} of one engine's; "
            f"no engine's share is off by more than {figures[f'uneven_{count}']:.1%}"
        )
    record(given.results, "engines", figures)


async def measure(running: Service, paths: list[Path], seconds: float, count: int) -> Measured:
    """Measures the service with that number of engines."""
    bodies = [orjson.dumps({"image_path": str(path)}) for path in paths]
    async with ClientSession(
        running.url, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=120)
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
        before, cpu_before_s = await asked(), cpu_s(running.process)
        answers, took_s = await keep_in_flight(ask, numbers_for(seconds), IN_FLIGHT)
        cpu_ms = (cpu_s(running.process) - cpu_before_s) * 1000 / len(answers)
        after = await asked()
    each = [after[name] - before[name] for name in after]
    return Measured(len(answers) / took_s, cpu_ms, [number / sum(each) for number in each])


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
