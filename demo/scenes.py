"""Drawn scenes: one coloured shape on a coloured background, and the picture of it.

The picture is drawn here at any size; `captions` has what is said about it.
"""

import io
import math
import random
from dataclasses import dataclass, fields
from itertools import product

from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")
SIZES = ("small", "large")
PLACES = ("center", "left", "right", "top", "bottom")
PALETTE = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (240, 220, 50),
    "black": (20, 20, 20),
    "white": (240, 240, 240),
    "purple": (130, 50, 170),
    "orange": (240, 140, 30),
}
COLOURS = tuple(PALETTE)

COLOUR_OFFSET = 12  # each channel of each colour is off by up to this much
SIDES_PX = (128, 3000)
MAX_ASPECT = 2.0  # of the longer side to the shorter: squashing turns circles into ellipses
RADII = {"small": (0.09, 0.13), "large": (0.22, 0.28)}  # of the shorter side
CENTRE_RANGE = (0.46, 0.54)  # of a side, for the coordinate that the place doesn't name
LOW_RANGE = (0.18, 0.29)
HIGH_RANGE = (0.71, 0.82)
MAX_TURN_DEG = 10.0
JPEG_QUALITIES = (40, 95)


@dataclass(frozen=True)
class Scene:
    """What a picture shows, in the words that every caption of it uses."""

    shape: str
    colour: str
    background: str
    size: str
    place: str

    @classmethod
    def random(cls, rng: random.Random) -> "Scene":
        """Draws a scene in which every word is equally likely and the two colours differ."""
        colour, background = rng.sample(COLOURS, 2)
        return cls(rng.choice(SHAPES), colour, background, rng.choice(SIZES), rng.choice(PLACES))

    @property
    def words(self) -> tuple[str, ...]:
        """The fields in their order, which is that of CHOICES."""
        return tuple(getattr(self, field.name) for field in fields(self))


CHOICES: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": COLOURS,
    "background": COLOURS,
    "size": SIZES,
    "place": PLACES,
}


def all_scenes() -> list[Scene]:
    """Gives every scene there is: 3 shapes x 56 pairs of colours x 2 sizes x 5 places = 1680."""
    scenes = (Scene(*words) for words in product(*CHOICES.values()))
    return [scene for scene in scenes if scene.colour != scene.background]


def random_side_px(rng: random.Random, longest_px: int = SIDES_PX[1]) -> tuple[int, int]:
    """Draws a (width, height), each from 128 to `longest_px`; small pictures are as likely as large ones."""
    low, high = math.log(SIDES_PX[0]), math.log(longest_px)
    longer = round(math.exp(rng.uniform(low, high)))
    shorter = max(SIDES_PX[0], round(longer / rng.uniform(1.0, MAX_ASPECT)))
    return (longer, shorter) if rng.random() < 0.5 else (shorter, longer)


def draw(scene: Scene, rng: random.Random, size_px: tuple[int, int]) -> Image.Image:
    """Draws the scene as an RGB picture of `size_px` (width, height); `rng` decides all else."""
    width, height = size_px
    scale = 2 if max(size_px) < 1000 else 1  # drawn larger and reduced: smooth edges
    canvas = (width * scale, height * scale)
    picture = Image.new("RGB", canvas, _near(PALETTE[scene.background], rng))
    outline = _outline(scene, rng, canvas)
    pen = ImageDraw.Draw(picture)
    fill = _near(PALETTE[scene.colour], rng)
    if scene.shape == "circle":
        pen.ellipse((*outline[0], *outline[1]), fill=fill)
    else:
        pen.polygon(outline, fill=fill)
    return picture.reduce(scale) if scale > 1 else picture


def through_jpeg(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Gives the picture after JPEG compression at a quality of 40 to 95."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=rng.randint(*JPEG_QUALITIES))
    decoded = Image.open(buffer)
    decoded.load()
    return decoded


def _near(colour: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (
        min(255, max(0, channel + rng.randint(-COLOUR_OFFSET, COLOUR_OFFSET))) for channel in colour
    )
    return red, green, blue


def _outline(scene: Scene, rng: random.Random, canvas: tuple[int, int]) -> list[tuple[float, float]]:
    """Gives corners in pixels: a polygon's, or for a circle those of the box around it."""
    width, height = canvas
    radius = rng.uniform(*RADII[scene.size]) * min(canvas)
    x = _along(rng, scene.place, ("left", "right")) * width
    y = _along(rng, scene.place, ("top", "bottom")) * height
    x = min(max(x, radius), width - radius)
    y = min(max(y, radius), height - radius)
    if scene.shape == "circle":
        return [(x - radius, y - radius), (x + radius, y + radius)]
    corners = 4 if scene.shape == "square" else 3
    turn = math.radians(rng.uniform(-MAX_TURN_DEG, MAX_TURN_DEG))
    # A square stands on its side, a triangle on its base.
    first = math.radians(45.0 if corners == 4 else -90.0) + turn
    angles = (first + 2 * math.pi * corner / corners for corner in range(corners))
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _along(rng: random.Random, place: str, names: tuple[str, str]) -> float:
    if place == names[0]:
        return rng.uniform(*LOW_RANGE)
    if place == names[1]:
        return rng.uniform(*HIGH_RANGE)
    return rng.uniform(*CENTRE_RANGE)
