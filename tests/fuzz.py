"""Sends random input at what reads hostile data: `python -m tests.fuzz --seconds 600 [--seed N]`.

Bodies, paths, data URLs, images and ledgers are changed at random, beginning with `tests/corpus`. Each may be
refused with an error of ours and nothing else, within a time. An input that does anything else is kept in the
corpus, and the program ends with 1.
"""

import argparse
import contextlib
import hashlib
import io
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import orjson
from PIL import Image

from adapter.caption.prompts import PromptBook
from adapter.config import PROJECT_DIR
from adapter.dataset.ledger import Ledger
from adapter.dataset.overview import overview
from adapter.errors import CaptionError
from adapter.images.pixels import prepare
from adapter.images.sources import DataURL, ImageFile, ImageLimits
from adapter.web.legacy.fields import BatchBody, CaptionBody
from adapter.web.openai.chat_body import parse_body
from adapter.web.openai.conversation import to_chat
from adapter.web.openai.virtual_models import VirtualModels
from adapter.web.wire import validate

CORPUS = PROJECT_DIR / "tests/corpus"
SLOW_S = 5.0
LIMITS = ImageLimits(2**22, 4_000_000, roots=(str(PROJECT_DIR / "demo/images"),))
BOOK = PromptBook.parse((PROJECT_DIR / "styles.json").read_bytes(), "styles.json")
MODELS = VirtualModels(BOOK)
# Pieces that have meant something to some reader.
TOKENS = [
    *(
        b"\0",
        b"\xff\xda",
        b"..",
        b"/",
        b"%00",
        b"%",
        b"{name}",
        b"<|eot_id|>",
        b"\x1b[2J",
        b"\r\n",
        b"\xed\xa0\x80",
    ),
    *(
        b"null",
        b"-1",
        b"1e999",
        b"9" * 30,
        b"[" * 50,
        b'{"a":' * 20,
        b"data:",
        b"file:///etc/passwd",
        b";base64,",
    ),
]


def images() -> list[bytes]:
    """Gives a small picture in each format that Pillow writes."""
    picture = Image.effect_noise((32, 24), 60).convert("RGB")
    found = []
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        found.append(buffer.getvalue())
    return found


def bodies() -> list[bytes]:
    """Gives honest bodies of both faces."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    return [
        orjson.dumps(
            {"image_path": "/a.png", "style": "casual", "extra_options": ["{name}"], "name_input": "Ann"}
        ),
        orjson.dumps(
            {"image_paths": ["/a.png", "/b.png"], "temperature": 0.5, "top_k": 5, "max_new_tokens": 9}
        ),
        orjson.dumps(
            {"model": "joycaption", "messages": [{"role": "user", "content": [image]}], "n": 2, "seed": 1}
        ),
    ]


def ledgers() -> list[bytes]:
    """Gives the file of a ledger."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".joycaption/ledger.sqlite")
        Ledger.open(path).close()
        return [path.read_bytes()]


def try_body(data: bytes) -> None:
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if isinstance(fields, dict):
        for kind in (CaptionBody, BatchBody):
            with contextlib.suppress(CaptionError):
                validate(fields, kind).caption_request(BOOK)
        to_chat(parse_body(fields), BOOK, MODELS)


def try_path(data: bytes) -> None:
    ImageFile("/" + data.decode("utf-8", "surrogateescape")).read(LIMITS)


def try_url(data: bytes) -> None:
    DataURL("data:" + data.decode("latin-1")).read(LIMITS)


def try_image(data: bytes) -> None:
    prepare(data, LIMITS)


def try_ledger(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".joycaption/ledger.sqlite")
        path.parent.mkdir()
        path.write_bytes(data)
        overview(folder)
        with contextlib.closing(Ledger.open(path)) as ledger:
            list(ledger.entries())
            ledger.lookup(["a.txt"])
            ledger.history.runs()


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "body": (try_body, bodies),
    "path": (try_path, lambda: [b"etc/passwd", bytes(PROJECT_DIR / "demo/images/none.png")]),
    "url": (try_url, lambda: [b"image/png;base64,AAAA", b",%41%42"]),
    "image": (try_image, images),
    "ledger": (try_ledger, ledgers),
}


def changed(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Gives the data with a few changes: bits, pieces of meaning, cuts, repetitions, parts of others."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(out) + 1)
        match rng.randrange(6):
            case 0 if out:
                out[place - 1] ^= 1 << rng.randrange(8)
            case 1:
                out[place:place] = rng.choice(TOKENS)
            case 2:
                del out[place : place + rng.randint(1, 64)]
            case 3:
                out[place:place] = out[place : place + rng.randint(1, 64)] * rng.randint(1, 40)
            case 4:
                other = rng.choice(others)
                begin = rng.randrange(len(other) + 1)
                out[place : place + 32] = other[begin : begin + rng.randint(1, 256)]
            case _:
                out[place:place] = rng.randbytes(rng.randint(1, 16))
    return bytes(out[: 2**20])


def problem_of(run: Callable[[bytes], None], data: bytes) -> str | None:
    """Gives what an input did that none may do, None where it was read or refused."""
    began = time.monotonic()
    try:
        run(data)
    except CaptionError as error:
        if "\n" in str(error) or len(str(error)) > 2**21:
            return f"its message has several lines, or is huge: {str(error)[:200]!r}"
    except Exception as error:
        return repr(error)
    took_s = time.monotonic() - began
    return f"it took {took_s:.1f} s" if took_s > SLOW_S else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="makes the same inputs again")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    seeds = {name: make() for name, (_, make) in TARGETS.items()}
    problems: set[tuple[str, str]] = set()
    count = 0
    for name, (run, _) in TARGETS.items():
        for path in sorted(CORPUS.glob(f"{name}-*")):
            seeds[name].append(path.read_bytes())
            if problem := problem_of(run, seeds[name][-1]):
                problems.add((name, problem))
                print(f"{path.name}: {problem}", flush=True)
    warnings.simplefilter("ignore")  # Pillow warns of what it doesn't read
    deadline = time.monotonic() + given.seconds
    while time.monotonic() < deadline:
        name = rng.choice(list(TARGETS))
        data = changed(rng.choice(seeds[name]), seeds[name], rng)
        count += 1
        problem = problem_of(TARGETS[name][0], data)
        if problem is not None and (name, problem) not in problems:
            problems.add((name, problem))
            CORPUS.mkdir(exist_ok=True)
            path = CORPUS / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"{path.name}: {problem}", flush=True)
    print(f"{count} inputs tried, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
