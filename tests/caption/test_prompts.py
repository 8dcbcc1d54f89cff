"""styles.json, and the prompts that come of it."""

import json
import re
from typing import Any

import pytest

from adapter.caption.prompt_choice import PromptChoice, refuse_special_tokens, with_options
from adapter.caption.prompts import PromptBook
from adapter.caption.sampling import Sampling
from adapter.config import PROJECT_DIR
from adapter.errors import SettingsError, UnknownStyleError, WrongFieldError

OPTION = "If there is a person/character in the image you must refer to them as {name}."

NAMED = "If there is a person/character in the image you must refer to them as Ada."
REST = (
    "Begin with the main subject and medium. Mention pivotal elements—people, objects, scenery—using "
    "confident, definite language. Focus on concrete details like color, shape, texture, and spatial "
    "relationships. Show how elements interact. Omit mood and speculative wording. If text is present, quote "
    "it exactly. Note any watermarks, signatures, or compression artifacts. Never mention what's absent, "
    "resolution, or unobservable details. Vary your sentence structure and keep the description concise, "
    "without starting with “This image is…” or similar phrasing."
)
DANBOORU = (
    "Generate only comma-separated Danbooru tags (lowercase_underscores). Strict order: `artist:`, "
    "`copyright:`, `character:`, `meta:`, then general tags. Include counts (1girl), appearance, clothing, "
    "accessories, pose, expression, actions, background. Use precise Danbooru syntax. No extra text."
)
E621 = (
    "in alphabetical order for this image. Start with the artist, copyright, character, species, meta, and "
    "lore tags (if any), prefixed by 'artist:', 'copyright:', 'character:', 'species:', 'meta:', and "
    "'lore:'. Then all the general tags."
)
RULE34 = (
    "in alphabetical order for this image. Start with the artist, copyright, character, and meta tags (if "
    "any), prefixed by 'artist:', 'copyright:', 'character:', and 'meta:'. Then all the general tags."
)
CRITIC = (
    "Analyze this image like an art critic would with information about its composition, style, symbolism, "
    "the use of color, light, any artistic movement it might belong to, etc."
)
SD = "stable diffusion prompt that is indistinguishable from a real stable diffusion prompt."
LISTING = "caption for this image as though it were a product listing."
POST = "caption for this image as if it were being used for a social media post."

# The model's own prompts, written out here so that styles.json is held to them and not to itself:
# for any length, for W words, and for a length word L.
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
    """Gives `pattern` with the one word `mark` replaced."""
    before, after = re.split(rf"\b{mark}\b", pattern)
    return before + length + after


def expected_prompts() -> list[tuple[str, str, str]]:
    """Gives each caption type at any length, at each length word, and at a count of words."""
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
def test_prompt_of_a_caption_type_gives_the_models_own_words(
    book: PromptBook, caption_type: str, length: str, expected: str
) -> None:
    """Each type gives its exact prompt, by itself and before an option with a name."""
    assert book.prompt(PromptChoice(caption_type=caption_type, length=length)) == expected
    with_option = PromptChoice(caption_type=caption_type, length=length, options=(OPTION,), name="Ada")
    assert book.prompt(with_option) == f"{expected} {NAMED}"


def test_book_of_the_project_has_the_models_twelve_types(book: PromptBook) -> None:
    """No type is missing from styles.json, and none was invented."""
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
def test_prompt_of_a_style_ignores_the_length(book: PromptBook, style: str, expected: str) -> None:
    """A style has one prompt, whatever length comes along with it."""
    assert book.prompt(PromptChoice(style=style, length="long")) == expected
    assert book.style_prompts[style] == expected


def test_prompt_with_options_appends_each_after_one_space(book: PromptBook) -> None:
    """Options follow the prompt, stripped, and `{name}` in them becomes the name."""
    assert book.prompt(PromptChoice(style="casual", options=(OPTION, " Be brief. ", "  "), name="Ada")) == (
        "Write a descriptive caption for this image in a casual tone. "
        "If there is a person/character in the image you must refer to them as Ada. Be brief."
    )


def test_prompt_without_a_name_leaves_the_gap_visible(book: PromptBook) -> None:
    """An empty name shows as {NAME}, so that the user notices it."""
    assert book.prompt(PromptChoice(style="casual", options=(OPTION,))).endswith("refer to them as {NAME}.")


def test_prompt_with_other_braces_keeps_them(book: PromptBook) -> None:
    """Only `{name}` is replaced, only in options, and nothing in a prompt of the user's own."""
    choice = PromptChoice(style="casual", options=("Use {x} and {}.",))
    assert book.prompt(choice).endswith(" Use {x} and {}.")
    assert book.prompt(PromptChoice(prompt="Say {name} {0}", name="Ada")) == "Say {name} {0}"


def test_prompt_of_the_users_own_is_used_as_it_is(book: PromptBook) -> None:
    """A prompt wins over the type, the style and the options."""
    choice = PromptChoice(prompt=" What? ", caption_type="Art Critic", options=("More.",))
    assert book.prompt(choice) == " What? "


@pytest.mark.parametrize("style", ["Booru tag list", "Danbooru tag list"])
def test_prompt_of_a_type_given_as_style_counts_as_that_type(book: PromptBook, style: str) -> None:
    """The UI sends the type's name, or an alias of it, as the style too."""
    by_style = book.prompt(PromptChoice(style=style, length="5"))
    assert by_style == book.prompt(PromptChoice(caption_type="Danbooru tag list", length="5"))
    assert by_style.endswith("No extra text. 5 words or less.")


def test_prompt_of_an_unknown_type_falls_back_to_the_style(book: PromptBook) -> None:
    """An unknown type counts as none, as the contract says."""
    assert book.prompt(PromptChoice(caption_type="nonsense", style="descriptive", length="7")) == (
        "Write a descriptive caption for this image in a formal tone."
    )


def test_prompt_of_an_unknown_style_names_the_known_ones(book: PromptBook) -> None:
    """The message lets the user choose another style."""
    with pytest.raises(
        UnknownStyleError, match=r"Unknown prompt style: nope\. .*descriptive, casual"
    ) as caught:
        book.prompt(PromptChoice(style="nope"))
    assert caught.value.field == "style"


def test_require_caption_type_when_unknown_names_the_known_ones(book: PromptBook) -> None:
    """A face that has no style to fall back to refuses an unknown type, and finds one by its alias."""
    with pytest.raises(UnknownStyleError, match=r"Unknown caption type: nope\. .*Descriptive") as caught:
        book.require_caption_type("nope")
    assert caught.value.field == "caption_type"
    assert book.require_caption_type("Booru tag list") == book.caption_types["Danbooru tag list"]


@pytest.mark.parametrize("length", ["0", "-5", "1.5", "huge", "", "٣", "123456"])
def test_prompt_with_a_wrong_length_is_refused(book: PromptBook, length: str) -> None:
    """A length is a known word or a count of words, and the message names the known ones."""
    with pytest.raises(WrongFieldError, match="length must be one of any, very short, ") as caught:
        book.prompt(PromptChoice(caption_type="Descriptive", length=length))
    assert caught.value.field == "length"


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (PromptChoice(prompt="a <|eot_id|> b"), "prompt"),
        (PromptChoice(options=("<|reserved_special_token_69|>",)), "options"),
        (PromptChoice(name="<|eot_id|>"), "name"),
        (PromptChoice(options=("<|{name}_id|>",), name="eot"), "options"),
        (PromptChoice(options=("{name}", "x|>"), name="<|"), "options"),
    ],
)
def test_prompt_with_a_special_token_is_refused(book: PromptBook, choice: PromptChoice, field: str) -> None:
    """No prompt can end its own turn, not even by harmless pieces that together make a token."""
    with pytest.raises(WrongFieldError, match="control token") as caught:
        book.prompt(choice)
    assert caught.value.field == field


def test_prompt_with_harmless_pipes_keeps_them(book: PromptBook) -> None:
    """Not everything with a `<` or `|` is a token."""
    assert book.prompt(PromptChoice(prompt="a < b | c > d")) == "a < b | c > d"
    refuse_special_tokens("a <b| c |> d", "prompt")


def test_with_options_of_a_text_appends_to_that_text() -> None:
    """A face may append options to a text that isn't from the book."""
    assert with_options("Say.", PromptChoice(options=("As {name}.",), name=" Ada ")) == "Say. As Ada."


def test_default_sampling_gives_the_books_values(book: PromptBook) -> None:
    """The model card's values are sent where a request says nothing."""
    assert book.default_sampling == Sampling(temperature=0.6, top_p=0.9, top_k=0, max_tokens=256)


def test_style_prompts_are_read_only(book: PromptBook) -> None:
    """Nobody can change the book by what it gives."""
    with pytest.raises(TypeError):
        book.style_prompts["descriptive"] = "changed"  # type: ignore[index]


def edited(change: dict[str, Any]) -> str:
    """Gives the project's styles.json with other values at its top."""
    return json.dumps(json.loads((PROJECT_DIR / "styles.json").read_text()) | change)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "mine.json: the file as a whole: "),
        ("{", "mine.json: the file as a whole: "),
        ("[]", "mine.json: the file as a whole: "),
        (edited({"sampling": {"temperature": 9, "top_p": 0.9, "max_tokens": 1}}), ": sampling.temperature: "),
        (edited({"sampling": {"temperature": 1, "top_p": 0.9}}), ": sampling.max_tokens: "),
        (edited({"styles": {"descriptive": 3}}), ": styles.descriptive"),
        (edited({"styles": {"descriptive": " "}}), ": styles.descriptive"),
        (
            edited({"styles": {"descriptive": {"caption_type": "Nope"}}}),
            ": styles.descriptive.caption_type: there is no caption type 'Nope'",
        ),
        (edited({"caption_type_aliases": {"a": "b"}}), ": caption_type_aliases.a: there is no caption type"),
        (edited({"styles": {"mine": "Say."}}), ": styles: the style 'descriptive' must be there"),
        (edited({"styles": {}}), ": styles: "),
        (edited({"system_prompt": ""}), ": system_prompt: "),
        (edited({"extra_options": [7]}), ": extra_options.0: "),
        (edited({"unknown": 1}), ": unknown: "),
        (
            edited({"caption_types": {"X": {"any": "a", "words": "b", "length": "{length}"}}}),
            ": caption_types.X.words: ",
        ),
        (
            edited({"caption_types": {"X": {"any": "a", "words": "{words}", "length": "b"}}}),
            ": caption_types.X.length: ",
        ),
    ],
)
def test_parse_of_a_mistaken_file_names_file_and_place(text: str, place: str) -> None:
    """The message is one line that leads to the mistake."""
    with pytest.raises(SettingsError) as caught:
        PromptBook.parse(text.encode(), "mine.json")
    assert place in str(caught.value)
    assert str(caught.value).startswith("mine.json: ")
    assert "\n" not in str(caught.value)


def test_parse_of_bytes_that_are_not_utf8_names_the_file() -> None:
    """A file in another encoding is a mistake in the file, and no crash."""
    with pytest.raises(SettingsError, match=r"^mine.json: the file as a whole: "):
        PromptBook.parse(b'{"system_prompt": "\xe4"}', "mine.json")


def test_parse_with_an_added_style_knows_it() -> None:
    """A user adds a style by one line in the file."""
    styles = json.loads((PROJECT_DIR / "styles.json").read_text())["styles"]
    text = edited({"styles": styles | {"haiku": "Write a haiku about this image."}})
    book = PromptBook.parse(text.encode(), "mine.json")
    assert book.prompt(PromptChoice(style="haiku")) == "Write a haiku about this image."
