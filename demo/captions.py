"""What the demonstration model says about a scene: six forms, and which prompt asks for which."""

import random

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.caption.style import LENGTH_WORDS
from demo.scenes import Scene

FORMS = ("descriptive", "casual", "detailed", "straightforward", "stable_diffusion", "booru")

# The nearest form of each caption type.
FORM_OF_TYPE = {
    "Descriptive": "detailed",
    "Descriptive (Casual)": "casual",
    "Straightforward": "straightforward",
    "Stable Diffusion Prompt": "stable_diffusion",
    "MidJourney": "stable_diffusion",
    "Danbooru tag list": "booru",
    "e621 tag list": "booru",
    "Rule34 tag list": "booru",
    "Booru-like tag list": "booru",
    "Art Critic": "detailed",
    "Product Listing": "descriptive",
    "Social Media Post": "casual",
}
FORM_OF_UNKNOWN = "descriptive"


def caption(scene: Scene, form: str) -> str:
    """Gives the one right caption of a scene in one of the six FORMS."""
    shape, colour, background, size, place = scene.words
    match form:
        case "descriptive":
            return (
                f"The image shows a {size} {colour} {shape} at the {place} "
                f"of a plain {background} background."
            )
        case "casual":
            return (
                f"So here's a {size} {colour} {shape} hanging out at the {place} "
                f"on a {background} background!"
            )
        case "detailed":
            return (
                f"The image contains a single shape. It is a {shape}, filled evenly with {colour}. "
                f"The shape is {size} and sits at the {place} of the picture. "
                f"The background is {background} throughout."
            )
        case "straightforward":
            return f"A {size} {colour} {shape} on {background} background, {place}."
        case "stable_diffusion":
            return (
                f"{size} {colour} {shape}, {background} background, {place} composition, "
                f"flat color, minimalist, clean edges"
            )
        case "booru":
            return (
                f"{colour}_{shape}, {background}_background, {size}_{shape}, {place}_position, "
                f"no_humans, simple_background"
            )
    raise ValueError(f"no such form: {form}")


class PromptSampler:
    """Draws prompts to train and to test with, each with the form that it asks for."""

    def __init__(self, book: PromptBook, rng: random.Random) -> None:
        self._book = book
        self._rng = rng

    def any(self) -> tuple[str, str]:
        """Gives a (prompt, form): a style's, a caption type's, or a prompt that nobody taught."""
        draw = self._rng.random()
        if draw < 0.4:
            return self.style(self._rng.choice(FORMS))
        if draw < 0.8:
            return self.caption_type(self._rng.choice(list(FORM_OF_TYPE)))
        return self.unknown(), FORM_OF_UNKNOWN

    def style(self, form: str) -> tuple[str, str]:
        """Gives a style's prompt, with some options."""
        choice = PromptChoice(style=form, options=self._options(), name=self._name())
        return self._book.prompt(choice), form

    def caption_type(self, caption_type: str) -> tuple[str, str]:
        """Gives one of JoyCaption's own prompts, of any length, with some options."""
        length = self._rng.choice(
            [
                "any",
                *LENGTH_WORDS,
                str(self._rng.randint(1, 60) * 5),
                str(self._rng.randint(1, 999)),
            ]
        )
        choice = PromptChoice(
            caption_type=caption_type, length=length, options=self._options(), name=self._name()
        )
        return self._book.prompt(choice), FORM_OF_TYPE[caption_type]

    def unknown(self) -> str:
        """Gives a question, an order or a jumble that is none of the model's prompts."""
        rng = self._rng
        if rng.random() < 0.3:
            return _jumble(rng)
        opening, subject = rng.choice(OPENINGS), rng.choice(SUBJECTS)
        prompt = f"{opening} {subject}{rng.choice(['.', '?', '', '!', ' please.'])}"
        if rng.random() < 0.3:
            prompt = f"{prompt} {_jumble(rng)}"
        return prompt if rng.random() < 0.8 else prompt.lower()

    def _options(self) -> tuple[str, ...]:
        count = self._rng.choice([0, 0, 0, 0, 1, 1, 2, 3, 5])
        options = self._rng.sample(self._book.extra_options, count)
        if self._rng.random() < 0.08:
            options.append(_jumble(self._rng).capitalize() + ".")
        return tuple(options)

    def _name(self) -> str:
        return self._rng.choice(["", "Ada", "Mr. Grey", _jumble(self._rng)[:20].strip()])


OPENINGS = (
    "What is", "Where is", "Which colour is", "How big is", "Tell me about", "Describe", "Explain",
    "What do you see in", "Can you see", "Is there", "Name", "Count", "Look at", "Caption", "Write",
    "Please describe", "Give me", "Say something about", "Who is in", "Summarize", "Translate",
    "In one sentence, what is", "Answer in a word:", "List", "Describe in your own words",
)  # fmt: skip
SUBJECTS = (
    "this image", "the picture", "the shape", "the background", "this photo", "it", "the colour",
    "everything that is there", "what you see", "the object", "a poem", "the scene", "this drawing",
    "the main subject", "the weather", "a story about this", "the largest thing", "its position",
)  # fmt: skip
WORDS = (
    "apple river seven the a of green quickly because window never maybe and table run blue over "
    "with stone light under paper music cat dog 12 2024 hello world test foo bar {x} {name} [1] "
    "how why when red house jump sky tree book fast slow yes no one two three Paris Tokyo data "
    "model train set image shape left right top circle large"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'-_()/&%$#@éüñ日本"


def _jumble(rng: random.Random) -> str:
    if rng.random() < 0.7:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 12)))
    return "".join(rng.choices(LETTERS, k=rng.randint(1, 30)))
