"""What does preparing an image cost? `python bench/prepare.py [--quick]`.

Photograph-like pictures of 0.3 to 24 megapixels as JPEG, PNG and WebP are prepared from the file's bytes
to what the engine is sent, by `adapter.images.pixels` as the service does it. Beside that it measures (a)
the legacy preprocessing, which is Pillow's open, LANCZOS and RGB in full, then PNG and base64 as it would
be sent; and (b) the floor, which is the same decoder and filter called bare. For the large JPEGs it also
tells how far the default decode is from the exact one.
"""

import base64
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image, ImageChops

from adapter.images.pixels import DRAFT_SIDE_PX, EXACT_PIXELS, SIDE_PX, prepare, to_data_url
from adapter.images.sources import ImageLimits
from bench.stage import arguments, encoded, photograph, record

MEGAPIXELS = (0.3, 1.0, 4.0, 12.0, 24.0)
FORMATS = {"JPEG": {"quality": 90}, "PNG": {"compress_level": 6}, "WEBP": {"quality": 85, "method": 2}}
LIMITS = ImageLimits(2**30, 10**9)
SIZE = (SIDE_PX, SIDE_PX)
MIN_TURNS = 9
LANCZOS = Image.Resampling.LANCZOS


def main() -> None:
    given = arguments(__doc__)
    seconds = 0.5 if given.quick else 3.0
    figures: dict[str, Any] = {"rate_to_floor": {}, "rate": {}, "cpu_ms": {}, "speedup_vs_legacy": {}}
    differences = []
    for megapixels in MEGAPIXELS:
        width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
        picture = photograph(width, width * 3 // 4)
        for kind, options in FORMATS.items():
            data = encoded(picture, kind, **options)
            case = f"{kind.lower()}_{megapixels:g}mp"
            turns = by_turns((floor, ours, legacy), data, seconds)
            ours_s = statistics.median(ours_s for _, ours_s, _ in turns)
            to_floor = statistics.median(floor_s / ours_s for floor_s, ours_s, _ in turns)
            speedup = statistics.median(legacy_s / ours_s for _, ours_s, legacy_s in turns)
            figures["rate"][case] = 1 / ours_s
            figures["cpu_ms"][case] = ours_s * 1000  # one thread, so that wall and CPU are the same
            figures["rate_to_floor"][case] = to_floor
            figures["speedup_vs_legacy"][case] = speedup
            print(
                f"{case:12} {1 / ours_s:7.1f} images/s, {ours_s * 1000:6.1f} ms; "
                f"{to_floor:.2f} of the floor's rate, {speedup:.1f} times the legacy rate",
                flush=True,
            )
            if kind == "JPEG" and megapixels * 1e6 > EXACT_PIXELS:
                differences.append(difference(data))
    figures["speedup_vs_legacy_12mp"] = figures["speedup_vs_legacy"]["jpeg_12mp"]
    figures["draft_mean_difference"] = max(mean for mean, _ in differences)
    figures["draft_largest_difference"] = max(largest for _, largest in differences)
    print(
        f"default decode against the exact one: mean difference {figures['draft_mean_difference']:.2f}, "
        f"largest {figures['draft_largest_difference']} of 255"
    )
    record(given.results, "prepare", figures)


def ours(data: bytes) -> None:
    """Prepares an image as the service does."""
    to_data_url(prepare(data, LIMITS, exact=False))


def legacy(data: bytes) -> None:
    """Prepares an image as the legacy server does."""
    with Image.open(io.BytesIO(data)) as image:
        prepared = image.convert("RGB").resize(SIZE, LANCZOS)
    buffer = io.BytesIO()
    prepared.save(buffer, "PNG")
    base64.b64encode(buffer.getvalue())


def floor(data: bytes) -> None:
    """Calls the decoder and the filter, and nothing else."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > EXACT_PIXELS:
            image.draft(None, (DRAFT_SIDE_PX, DRAFT_SIDE_PX))
        image.resize(SIZE, LANCZOS)


def by_turns(cases: tuple[Callable[[bytes], None], ...], data: bytes, seconds: float) -> list[list[float]]:
    """Gives the CPU seconds of each case in every turn, until the first case has taken `seconds` in all.

    The machine's pace changes, so only what was measured in the same turn can be compared.
    """
    for case in cases:
        case(data)  # warm-up
    turns: list[list[float]] = []
    while sum(turn[0] for turn in turns) < seconds or len(turns) < MIN_TURNS:
        turns.append([cpu_s_of(case, data) for case in cases])
    return turns


def cpu_s_of(case: Callable[[bytes], None], data: bytes) -> float:
    """Gives the CPU seconds of one call."""
    started = time.process_time()
    case(data)
    return time.process_time() - started


def difference(data: bytes) -> tuple[float, int]:
    """Gives the mean and the largest difference of the values that the model gets, of 255."""
    default = prepare(data, LIMITS, exact=False)
    channels = ImageChops.difference(default, prepare(data, LIMITS)).split()
    values = [value for channel in channels for value in channel.tobytes()]
    return statistics.mean(values), max(values)


if __name__ == "__main__":
    main()
