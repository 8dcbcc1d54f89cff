"""styles.json, and the prompts that come of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.config import PROJECT_DIR
from adapter.errors import InvalidRequestError, SettingsError, UnknownStyleError
from adapter.prompts import LENGTH_WORDS, PromptBook

OPTION = "If there is a person/character in the image you must refer to them as {name}."

# Written out here, so that they hold styles.json to the model's own prompts and not to itself.
TYPE_PROMPTS = [
    ("Descriptive", "any", "Write a detailed description for this image."),
    ("Descriptive", "50", "Write a detailed description for this image in 50 words or less."),
    ("Descriptive", "long", "Write a long detailed description for this image."),
    ("Descriptive (Casual)", "any", "Write a descriptive caption for this image in a casual tone."),
    (
        "Descriptive (Casual)",
        "20",
        "Write a descriptive caption for this image in a casual tone within 20 words.",
    ),
    ("Descriptive (Casual)", "short", "Write a short descriptive caption for this image in a casual tone."),
    (
        "Stable Diffusion Prompt",
        "any",
        "Output a stable diffusion prompt that is indistinguishable from a real stable diffusion prompt.",
    ),
    (
        "Stable Diffusion Prompt",
        "30",
        "Output a stable diffusion prompt that is indistinguishable from a real stable diffusion prompt. "
        "30 words or less.",
    ),
    (
        "Stable Diffusion Prompt",
        "very short",
        "Output a very short stable diffusion prompt that is indistinguishable from a real stable diffusion "
        "prompt.",
    ),
    ("MidJourney", "any", "Write a MidJourney prompt for this image."),
    ("MidJourney", "10", "Write a MidJourney prompt for this image within 10 words."),
    ("MidJourney", "very long", "Write a very long MidJourney prompt for this image."),
    ("Booru-like tag list", "any", "Write a list of Booru-like tags for this image."),
    ("Booru-like tag list", "15", "Write a list of Booru-like tags for this image within 15 words."),
    ("Booru-like tag list", "long", "Write a long list of Booru-like tags for this image."),
    (
        "Product Listing",
        "any",
        "Write a caption for this image as though it were a product listing.",
    ),
    (
        "Product Listing",
        "40",
        "Write a caption for this image as though it were a product listing. Keep it under 40 words.",
    ),
    (
        "Product Listing",
        "medium-length",
        "Write a medium-length caption for this image as though it were a product listing.",
    ),
    (
        "Social Media Post",
        "any",
        "Write a caption for this image as if it were being used for a social media post.",
    ),
    (
        "Social Media Post",
        "25",
        "Write a caption for this image as if it were being used for a social media post. Limit the caption "
        "to 25 words.",
    ),
    (
        "Social Media Post",
        "short",
        "Write a short caption for this image as if it were being used for a social media post.",
    ),
]


@pytest.mark.parametrize(("caption_type", "length", "expected"), TYPE_PROMPTS)
def test_build_of_a_caption_type_gives_the_models_own_words(
    book: PromptBook, caption_type: str, length: str, expected: str
) -> None:
    """Each column of the model's table of prompts."""
    assert book.build(caption_type=caption_type, caption_length=length) == expected


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


@pytest.mark.parametrize("length", LENGTH_WORDS)
def test_build_with_each_length_word_names_it(book: PromptBook, length: str) -> None:
    """Every type says the word."""
    for name in book.caption_types:
        assert f" {length}" in book.build(caption_type=name, caption_length=length)


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
