"""styles.json, and the prompts that come of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapter.config import PROJECT_DIR
from adapter.errors import InvalidRequestError, SettingsError, UnknownStyleError
from adapter.prompts import PromptBook

OPTION = "If there is a person/character in the image you must refer to them as {name}."

NAMED = "If there is a person/character in the image you must refer to them as Ada."
REST = (
    "Begin with the main subject and medium. Mention pivotal elements—people, objects, scenery—using confident, "
    "definite language. Focus on concrete details like color, shape, texture, and spatial relationships. Show "
    "how elements interact. Omit mood and speculative wording. If text is present, quote it exactly. Note any "
    "watermarks, signatures, or compression artifacts. Never mention what's absent, resolution, or unobservable "
    "details. Vary your sentence structure and keep the description concise, without starting with “This image "
    "is…” or similar phrasing."
)
DANBOORU = (
    "Generate only comma-separated Danbooru tags (lowercase_underscores). Strict order: `artist:`, `copyright:`, "
    "`character:`, `meta:`, then general tags. Include counts (1girl), appearance, clothing, accessories, pose, "
    "expression, actions, background. Use precise Danbooru syntax. No extra text."
)
E621 = (
    "in alphabetical order for this image. Start with the artist, copyright, character, species, meta, and lore "
    "tags (if any), prefixed by 'artist:', 'copyright:', 'character:', 'species:', 'meta:', and 'lore:'. Then "
    "all the general tags."
)
RULE34 = (
    "in alphabetical order for this image. Start with the artist, copyright, character, and meta tags (if any), "
    "prefixed by 'artist:', 'copyright:', 'character:', and 'meta:'. Then all the general tags."
)
CRITIC = (
    "Analyze this image like an art critic would with information about its composition, style, symbolism, the "
    "use of color, light, any artistic movement it might belong to, etc."
)
SD = "stable diffusion prompt that is indistinguishable from a real stable diffusion prompt."
LISTING = "caption for this image as though it were a product listing."
POST = "caption for this image as if it were being used for a social media post."

# The model's own prompts, written out here so that they hold styles.json to them and not to itself:
# for any length, for W words, for a length word L.
TYPE_PROMPTS = {
    "Descriptive": (
        "Write a detailed description for this image.",
        "Write a detailed description for this image in W words or less.",
        "Write a L detailed description for this image.",
    ),
    "Descriptive (Casual)": (
        "Write a descriptive caption for this image in a casual tone.",
        "Write a descriptive caption for this image in a casual tone within W words.",
        "Write a L descriptive caption for this image in a casual tone.",
    ),
    "Straightforward": (
        f"Write a straightforward caption for this image. {REST}",
        f"Write a straightforward caption for this image within W words. {REST}",
        f"Write a L straightforward caption for this image. {REST}",
    ),
    "Stable Diffusion Prompt": (f"Output a {SD}", f"Output a {SD} W words or less.", f"Output a L {SD}"),
    "MidJourney": (
        "Write a MidJourney prompt for this image.",
        "Write a MidJourney prompt for this image within W words.",
        "Write a L MidJourney prompt for this image.",
    ),
    "Danbooru tag list": (DANBOORU, f"{DANBOORU} W words or less.", f"{DANBOORU} L length."),
    "e621 tag list": (
        f"Write a comma-separated list of e621 tags {E621}",
        f"Write a comma-separated list of e621 tags {E621} Keep it under W words.",
        f"Write a L comma-separated list of e621 tags {E621}",
    ),
    "Rule34 tag list": (
        f"Write a comma-separated list of rule34 tags {RULE34}",
        f"Write a comma-separated list of rule34 tags {RULE34} Keep it under W words.",
        f"Write a L comma-separated list of rule34 tags {RULE34}",
    ),
    "Booru-like tag list": (
        "Write a list of Booru-like tags for this image.",
        "Write a list of Booru-like tags for this image within W words.",
        "Write a L list of Booru-like tags for this image.",
    ),
    "Art Critic": (CRITIC, f"{CRITIC} Keep it within W words.", f"{CRITIC} Keep it L."),
    "Product Listing": (
        f"Write a {LISTING}",
        f"Write a {LISTING} Keep it under W words.",
        f"Write a L {LISTING}",
    ),
    "Social Media Post": (
        f"Write a {POST}",
        f"Write a {POST} Limit the caption to W words.",
        f"Write a L {POST}",
    ),
}


def as_length(pattern: str, mark: str, length: str) -> str:
    """`pattern` with the one word `mark` replaced."""
    before, after = re.split(rf"\b{mark}\b", pattern)
    return before + length + after


def expected_prompts() -> list[tuple[str, str, str]]:
    """Each caption type at any length, at each length word, and at a count."""
    return [
        case
        for name, (whatever, words, word) in TYPE_PROMPTS.items()
        for case in (
            (name, "any", whatever),
            (name, "50", as_length(words, "W", "50")),
            *(
                (name, length, as_length(word, "L", length))
                for length in ("very short", "short", "medium-length", "long", "very long")
            ),
        )
    ]


@pytest.mark.parametrize(("caption_type", "length", "expected"), expected_prompts())
def test_build_of_a_caption_type_gives_the_models_own_words(
    book: PromptBook, caption_type: str, length: str, expected: str
) -> None:
    """Alone, and with an option and a name."""
    assert book.build(caption_type=caption_type, caption_length=length) == expected
    with_option = book.build(
        caption_type=caption_type, caption_length=length, extra_options=[OPTION], name="Ada"
    )
    assert with_option == f"{expected} {NAMED}"


def test_the_book_has_just_these_types(book: PromptBook) -> None:
    """Twelve."""
    assert list(book.caption_types) == list(TYPE_PROMPTS)
    assert len(TYPE_PROMPTS) == 12


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("descriptive", "Write a descriptive caption for this image in a formal tone."),
        ("casual", "Write a descriptive caption for this image in a casual tone."),
        ("detailed", "Write a long detailed description for this image."),
        ("straightforward", TYPE_PROMPTS["Straightforward"][0]),
        ("stable_diffusion", TYPE_PROMPTS["Stable Diffusion Prompt"][0]),
        ("booru", DANBOORU),
    ],
)
def test_build_of_a_style_gives_its_prompt(book: PromptBook, style: str, expected: str) -> None:
    """Whatever the length that is sent along."""
    assert book.build(style=style, caption_length="long") == expected
    assert book.style_prompts[style] == expected


def test_build_with_option_and_name_appends_it_by_one_space(book: PromptBook) -> None:
    """`{name}` becomes the name."""
    assert book.build(style="casual", extra_options=[OPTION, " Be brief. "], name="Ada") == (
        "Write a descriptive caption for this image in a casual tone. "
        "If there is a person/character in the image you must refer to them as Ada. Be brief."
    )


def test_build_without_a_name_leaves_it_visible(book: PromptBook) -> None:
    """An empty name shows as {NAME}."""
    assert book.build(style="casual", extra_options=[OPTION]).endswith("refer to them as {NAME}.")


def test_build_with_braces_keeps_them(book: PromptBook) -> None:
    """Only `{name}` is replaced, in options, and nothing in a prompt of one's own."""
    assert book.build(style="casual", extra_options=["Use {x} and {}."]).endswith(" Use {x} and {}.")
    assert book.build(prompt="Say {name} {0}", name="Ada") == "Say {name} {0}"


def test_build_with_a_prompt_uses_it_as_it_is(book: PromptBook) -> None:
    """It wins over type, style and options."""
    prompt = book.build(prompt=" What? ", caption_type="Art Critic", extra_options=["More."])
    assert prompt == " What? "


@pytest.mark.parametrize("style", ["Booru tag list", "Danbooru tag list"])
def test_build_with_a_type_as_style_counts_as_that_type(book: PromptBook, style: str) -> None:
    """The UI sends the type's name, or an alias of it, as style too."""
    assert book.build(style=style, caption_length="5") == book.build(
        caption_type="Danbooru tag list", caption_length="5"
    )
    assert book.build(style=style, caption_length="5").endswith("No extra text. 5 words or less.")


def test_build_with_an_unknown_type_uses_the_style(book: PromptBook) -> None:
    """As the contract says; the six styles have no length."""
    assert book.build(caption_type="nonsense", style="descriptive", caption_length="7") == (
        "Write a descriptive caption for this image in a formal tone."
    )


def test_build_with_an_unknown_style_names_the_known_ones(book: PromptBook) -> None:
    """So that the user can choose."""
    with pytest.raises(UnknownStyleError, match=r"Unknown prompt style: nope\. .*descriptive, casual"):
        book.build(style="nope")


@pytest.mark.parametrize("length", ["0", "-5", "1.5", "huge", "", "٣", "123456"])
def test_build_with_a_wrong_length_is_refused(book: PromptBook, length: str) -> None:
    """A length is a known word or a count."""
    with pytest.raises(InvalidRequestError) as caught:
        book.build(caption_type="Descriptive", caption_length=length)
    assert caught.value.field == "caption_length"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"prompt": "a <|eot_id|> b"}, "prompt"),
        ({"extra_options": ["<|reserved_special_token_69|>"]}, "extra_options"),
        ({"name": "<|eot_id|>"}, "name_input"),
        ({"extra_options": ["<|{name}_id|>"], "name": "eot"}, "extra_options"),
        ({"extra_options": ["{name}", "x|>"], "name": "<|"}, "extra_options"),
    ],
)
def test_build_with_a_special_token_is_refused(
    book: PromptBook, arguments: dict[str, Any], field: str
) -> None:
    """Also when harmless pieces make one together."""
    with pytest.raises(InvalidRequestError, match="control token") as caught:
        book.build(**arguments)
    assert caught.value.field == field


def test_build_with_harmless_pipes_keeps_them(book: PromptBook) -> None:
    """Not everything with a `<` or `|` is a token."""
    assert book.build(prompt="a < b | c > d") == "a < b | c > d"


def edited(change: dict[str, Any]) -> str:
    return json.dumps(json.loads((PROJECT_DIR / "styles.json").read_text()) | change)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "the file as a whole"),
        (edited({"sampling": {"temperature": 9, "top_p": 0.9, "max_tokens": 1}}), "sampling.temperature"),
        (edited({"styles": {"descriptive": 3}}), "styles.descriptive"),
        (
            edited({"styles": {"descriptive": {"caption_type": "Nope"}}}),
            "styles.descriptive.caption_type: there is no caption type 'Nope'",
        ),
        (edited({"caption_type_aliases": {"a": "b"}}), "caption_type_aliases.a: there is no"),
        (edited({"styles": {"mine": "Say."}}), "the style 'descriptive' must be there"),
        (edited({"unknown": 1}), "unknown"),
        (
            edited({"caption_types": {"X": {"any": "a", "words": "b", "length": "{length}"}}}),
            "caption_types.X.words",
        ),
    ],
)
def test_load_of_a_mistaken_file_names_the_place(tmp_path: Path, text: str, place: str) -> None:
    """In one line."""
    path = tmp_path / "styles.json"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        PromptBook.load(path)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_of_a_missing_file_says_so(tmp_path: Path) -> None:
    """Not a stack trace."""
    with pytest.raises(SettingsError, match="No such file"):
        PromptBook.load(tmp_path / "none.json")


def test_load_with_an_added_style_knows_it(tmp_path: Path) -> None:
    """A user adds a style by a line."""
    styles = json.loads((PROJECT_DIR / "styles.json").read_text())["styles"]
    path = tmp_path / "styles.json"
    path.write_text(edited({"styles": styles | {"haiku": "Write a haiku about this image."}}))
    assert PromptBook.load(path).build(style="haiku") == "Write a haiku about this image."
