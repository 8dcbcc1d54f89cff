"""How quickly does the page's review show, find and change texts? `python bench/review.py [--images N]`.

Makes a folder of images with a text each, 100 000 by default, and works with it through `/api` of a service
whose engine answers at once: time to the first items, until all texts are read and judged, for filters, for a
change of many texts and its undoing, for the small pictures of one screen. The baseline of the filters is one
process that reads all texts from their files and searches these. Memory is that of the service with all
processes below it, and of the service's own process.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientSession, ClientTimeout

from adapter.web.pages.session import load_token
from bench.stage import arguments, encoded, instant_engine, memory_mb, photograph, record, service

IMAGES, QUICK_IMAGES = 100_000, 5_000
FOLDER_IMAGES = 1000  # in each folder
SCREEN = 30  # images in sight
WORDS = (
    "a red fox stands in deep snow with bare birches behind it while the sun sets over distant hills and two "
    "birds fly past an old wooden house near the river bank under grey clouds"
).split()
FILTERS = {
    "word": {"q": "fox"},
    "rare word": {"q": "number77"},
    "phrase or not": {"q": '"deep snow" OR (house NOT "red fox")'},
    "state": {"state": "flawed"},
    "tokens": {"over": "75", "sort": "longest"},
    "all": {},
}


def make(folder: Path, images: int) -> None:
    """Makes the images, which are one photograph by many names, and their texts."""
    chance = random.Random(1)
    picture = encoded(photograph(1024, 768), "jpeg")
    for number in range(images):
        below = folder / f"{number // FOLDER_IMAGES:04d}"
        if number % FOLDER_IMAGES == 0:
            below.mkdir(parents=True)
            image = below / f"img{number}.jpg"
            image.write_bytes(picture)
        else:
            os.link(image, below / f"img{number}.jpg")
        text = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(40, 90)))
        (below / f"img{number}.txt").write_text(f"A photograph of {text} with number{number % 1000} on it.")


def search_files(folder: Path, word: str) -> float:
    """Gives the seconds in which all texts are read from their files and searched for a word."""
    started = time.monotonic()
    found = sum(word in path.read_text().split() for path in folder.rglob("*.txt"))
    assert found
    return time.monotonic() - started


class Client:
    """Asks `/api`, and remembers the service's peak of memory."""

    def __init__(self, session: ClientSession, process: int) -> None:
        self.session = session
        self.process = process
        self.peak_mb = self.own_peak_mb = 0.0

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        async with self.session.request("GET" if body is None else "POST", path, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def watch(self) -> None:
        """Looks at the memory again and again."""
        status = Path(f"/proc/{self.process}/status")
        while True:
            self.peak_mb = max(self.peak_mb, await asyncio.to_thread(memory_mb, self.process))
            told = await asyncio.to_thread(status.read_text)
            own_kb = next(line.split()[1] for line in told.splitlines() if "VmRSS" in line)
            self.own_peak_mb = max(self.own_peak_mb, int(own_kb) / 1024)
            await asyncio.sleep(0.5)


async def measure(client: Client, folder: Path, images: int) -> dict[str, float]:
    """Gives the seconds of everything."""
    figures: dict[str, float] = {}
    started = time.monotonic()
    state = await client.ask("/api/datasets", {"folder": str(folder)})
    base = f"/api/datasets/{state['id']}"
    while not (await client.ask(f"{base}/items?limit={SCREEN}"))["items"]:  # noqa: ASYNC110 - as the page asks
        await asyncio.sleep(0.02)
    figures["first_items_s"] = time.monotonic() - started
    while (state := await client.ask(base))["images"] < images:  # noqa: ASYNC110 - as the page asks
        await asyncio.sleep(0.05)
    figures["all_names_s"] = time.monotonic() - started
    while (state := await client.ask(base))["is_refreshing"]:  # noqa: ASYNC110 - as the page asks
        await asyncio.sleep(0.2)
    assert (state["texts"], state["unread"]) == (images, 0), state
    figures["all_read_s"] = time.monotonic() - started
    for name, filtered in FILTERS.items():
        times = []
        for _ in range(5):
            began = time.monotonic()
            query = "&".join(f"{field}={value}" for field, value in filtered.items())
            await client.ask(f"{base}/items?limit={SCREEN}&{query}")
            times.append(time.monotonic() - began)
        figures[f"filter_{name.replace(' ', '_')}_s"] = statistics.median(times)
    view = await client.ask(f"{base}/items?limit={SCREEN}")
    began = time.monotonic()
    await client.ask(f"{base}/items?limit={SCREEN}&after={view['view']}.{images * 9 // 10}")
    figures["far_page_s"] = time.monotonic() - began
    await pictures(client, base, view, figures)
    await changes(client, base, images, figures)
    began = time.monotonic()
    await client.ask("/api/datasets", {"folder": str(folder)})
    while (await client.ask(base))["is_refreshing"]:  # noqa: ASYNC110 - as the page asks
        await asyncio.sleep(0.1)
    figures["look_again_s"] = time.monotonic() - began
    return figures


async def pictures(client: Client, base: str, view: Any, figures: dict[str, float]) -> None:
    """Adds the seconds for the small pictures of one screen, made and kept."""
    for name in ("thumbnails_made_s", "thumbnails_kept_s"):
        began = time.monotonic()

        async def one(identity: str) -> None:
            async with client.session.get(f"{base}/thumbnail", params={"image": identity}) as response:
                assert response.status == 200
                await response.read()

        await asyncio.gather(*(one(item["id"]) for item in view["items"]))
        figures[name] = time.monotonic() - began


async def changes(client: Client, base: str, images: int, figures: dict[str, float]) -> None:
    """Adds the seconds of find and replace in a tenth of the texts, with preview and undo."""
    view = await client.ask(f"{base}/items?limit=1&q=number7*")
    asked = {"view": view["view"], "action": "replace", "find": "photograph", "replacement": "picture"}
    began = time.monotonic()
    shown = await client.ask(f"{base}/changes/preview", asked)
    figures["preview_s_per_1000"] = (time.monotonic() - began) / view["total"] * 1000
    assert shown["count"] == view["total"]
    began = time.monotonic()
    async with client.session.post(f"{base}/changes", json=asked) as response:
        events = [line for line in (await response.text()).splitlines() if line.startswith("data: ")]
    changed = json.loads(events[-1][6:])["changed"]
    assert changed["changed"] == view["total"], changed
    figures["change_s_per_1000"] = (time.monotonic() - began) / view["total"] * 1000
    began = time.monotonic()
    undone = await client.ask(f"{base}/undo", {"change": changed["change"]})
    assert undone["restored"] == view["total"], undone
    figures["undo_s_per_1000"] = (time.monotonic() - began) / view["total"] * 1000


async def work(url: str, process: int, token: str, folder: Path, images: int) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(url, headers=headers, timeout=ClientTimeout(total=3600)) as session:
        client = Client(session, process)
        watching = asyncio.create_task(client.watch())
        figures = await measure(client, folder, images)
        watching.cancel()
        return figures | {"peak_mb": client.peak_mb, "own_peak_mb": client.own_peak_mb}


def main() -> None:
    given = arguments(__doc__, images=0)
    images = given.images or (QUICK_IMAGES if given.quick else IMAGES)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        folder, data = place / "pictures", place / "data"
        make(folder, images)
        with (
            instant_engine(place) as engine,
            service(engine, CAPTION_DATA_DIR=str(data), CAPTION_RUN_DIR=str(place / "run")) as running,
        ):
            figures = asyncio.run(work(running.url, running.process, load_token(data), folder, images))
        figures["files_s"] = search_files(folder, "fox")
    ratio = figures["files_s"] / figures["filter_word_s"]
    figures |= {"images": images, "word_to_files": ratio}
    for name, value in figures.items():
        print(f"{name:26} {value:.3f}")
    print(f"a word is found {ratio:.0f} times as fast as by searching all files")
    record(given.results, "review", figures)


if __name__ == "__main__":
    main()
