"""What does reading ahead bring who sends one image at a time? `python bench/read_ahead.py [--quick]`.

AI-Toolkit's UI asks for one image, writes its text, pauses for half a second and goes on. Here it does so at
an engine that takes two seconds for a caption: in one folder with reading ahead, and in another without it as
the baseline. A tenth of the images have a text before, and are left out. Then a client leaves after five
images. The engine counts what it was asked in vain.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientSession, ClientTimeout, UnixConnector

from bench.stage import arguments, draw_scenes, instant_engine, record, service

ENGINE_S = 2.0
PAUSE_S = 0.5  # the UI's own
IMAGES = 200
TEXT_EACH = 10
LEAVES_AFTER = 5
GUESSES_S = 2 * ENGINE_S  # until the engine has done all that it was asked


def main() -> None:
    given = arguments(__doc__)
    baseline = 10 if given.quick else 40
    with (
        tempfile.TemporaryDirectory() as scratch,
        instant_engine(Path(scratch), f"--delay-s={ENGINE_S}") as url,
    ):
        folders = [Path(scratch, name) for name in ("without", "with", "left")]
        for folder, images in zip(folders, (baseline, IMAGES, 2 * LEAVES_AFTER), strict=True):
            draw_scenes(folder, images, side_px=64)
        for number in range(0, IMAGES, TEXT_EACH):
            (folders[1] / f"{number}.txt").write_text("a text")
        with service(url, CAPTION_READ_AHEAD="0") as running:
            without, _ = asyncio.run(caption(running.url, url, folders[0]))
        with service(url) as running:
            rate, wasted = asyncio.run(caption(running.url, url, folders[1]))
            _, left = asyncio.run(caption(running.url, url, folders[2], LEAVES_AFTER))
    figures = {
        "images_per_s": rate,
        "images_per_s_without": without,
        "speedup": rate / without,
        "wasted": wasted / (IMAGES - IMAGES // TEXT_EACH),
        "wasted_captions_of_one_that_leaves": left,
    }
    print(
        f"{rate:.2f} images/s, {without:.2f} without reading ahead: {rate / without:.1f} times as fast; "
        f"{wasted} captions in vain, {figures['wasted']:.1%} of the folder's; "
        f"{left} when the client leaves after {LEAVES_AFTER}"
    )
    record(given.results, "read_ahead", figures)


async def caption(
    service_url: str, engine_url: str, folder: Path, leaves_after: int = IMAGES
) -> tuple[float, int]:
    """Captions a folder as the UI does, and gives images/s and the captions that nobody wanted."""
    before = await asked(engine_url)
    images = uncaptioned(folder)[:leaves_after]
    started = time.monotonic()
    async with ClientSession(service_url, timeout=ClientTimeout(total=600)) as session:
        for path in images:
            async with session.post("/caption", json={"image_path": str(path)}) as response:
                body = await response.json()
                assert response.status == 200, body
            path.with_suffix(".txt").write_text(body["caption"])
            await asyncio.sleep(PAUSE_S)
    rate = len(images) / (time.monotonic() - started)
    await asyncio.sleep(GUESSES_S)
    return rate, await asked(engine_url) - before - len(images)


def uncaptioned(folder: Path) -> list[Path]:
    """Gives the images without a text, by name."""
    return [path for path in sorted(folder.glob("*.png")) if not path.with_suffix(".txt").exists()]


async def asked(engine_url: str) -> int:
    """Gives the number of captions that the engine was asked for."""
    connector = UnixConnector(engine_url.removeprefix("unix:"))
    async with (
        ClientSession("http://engine", connector=connector) as session,
        session.get("/asked") as answer,
    ):
        return int(await answer.text())


if __name__ == "__main__":
    main()
