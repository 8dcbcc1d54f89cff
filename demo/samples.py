"""Draws the six sample pictures: `python -m demo.samples`. Each file's name says what it shows."""

import random
from pathlib import Path

from demo.scenes import Scene, draw

FOLDER = Path(__file__).parent / "images"
SAMPLES = {
    "large-red-circle-center-on-blue.png": (Scene("circle", "red", "blue", "large", "center"), (640, 480)),
    "small-green-square-left-on-white.jpg": (Scene("square", "green", "white", "small", "left"), (1200, 900)),
    "large-yellow-triangle-top-on-purple.webp": (
        Scene("triangle", "yellow", "purple", "large", "top"),
        (512, 768),
    ),
    "small-black-circle-right-on-orange.bmp": (
        Scene("circle", "black", "orange", "small", "right"),
        (256, 256),
    ),
    "large-white-square-bottom-on-green.gif": (
        Scene("square", "white", "green", "large", "bottom"),
        (400, 300),
    ),
    "small-orange-triangle-center-on-black.jpg": (
        Scene("triangle", "orange", "black", "small", "center"),
        (800, 800),
    ),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    rng = random.Random(6)
    for name, (scene, size_px) in SAMPLES.items():
        draw(scene, rng, size_px).save(FOLDER / name)


if __name__ == "__main__":
    main()
