"""What a prompt asks for."""

import json
from pathlib import Path

import pytest

from adapter.caption.brief import Brief, Briefs
from adapter.caption.flaws import Form
from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.caption.style import LENGTH_WORDS
from adapter.config import PROJECT_DIR

BOOK = PromptBook.parse(Path(PROJECT_DIR, "styles.json").read_bytes(), "styles.json")
NAMING = BOOK.extra_options[0]


@pytest.mark.parametrize("length", ["any", *LENGTH_WORDS, "40"])
@pytest.mark.parametrize("name", BOOK.caption_types)
def test_of_each_caption_type_at_each_length_gives_its_form(name: str, length: str) -> None:
    """With options of the book's as well, because the interface offers them."""
    asked = BOOK.caption_types[name]
    for options in ((), tuple(BOOK.extra_options)):
        prompt = BOOK.prompt(PromptChoice(caption_type=name, length=length, options=options, name="Ada"))
        brief = BOOK.briefs.of(prompt)
        assert brief.form is not None
        assert brief.form == asked.form
        assert not brief.has_own_words
        assert not brief.may_be_short
        assert brief.name == ("Ada" if options else "")
        assert brief.no_opening == (name == "Straightforward")
        assert brief.no_watermark == (not options and name != "Straightforward")


def test_of_each_style_of_the_book_has_a_form() -> None:
    """None of them is judged as if it were a user's own prompt."""
    assert {BOOK.briefs.of(prompt).form for prompt in BOOK.style_prompts.values()} == set(Form)


def test_of_a_prompt_of_the_user_s_own_knows_nothing() -> None:
    """It may ask for one word, or for German."""
    for prompt in ("Which colour is the sky?", "", "Please: Write a descriptive caption for this image."):
        assert BOOK.briefs.of(prompt) == Brief()


def test_of_a_known_prompt_with_more_words_says_so() -> None:
    """They may ask for another language; what the book offers may not."""
    known = BOOK.style_prompts["descriptive"]
    brief = BOOK.briefs.of(f"{known} {BOOK.extra_options[1]} Answer in German.")
    assert (brief.form, brief.has_own_words) == (Form.PROSE, True)
    assert not BOOK.briefs.of(f"{known}  {BOOK.extra_options[1]} ").has_own_words
    assert BOOK.briefs.of(f"{known}s").form is None, "another word has begun"


def test_of_a_naming_option_knows_the_name_where_there_is_one() -> None:
    """Where no name was given, the placeholder stays and asks for nothing."""
    known = BOOK.style_prompts["descriptive"]
    assert BOOK.briefs.of(f"{known} {NAMING.replace('{name}', 'Ada Lovelace')}").name == "Ada Lovelace"
    assert BOOK.briefs.of(f"{known} {NAMING.replace('{name}', '{NAME}')}").name == ""
    for after in ("", f" {BOOK.extra_options[2]} {BOOK.extra_options[3]}"):
        brief = BOOK.briefs.of(f"{known} {NAMING.replace('{name}', 'Dr. A. Fox')}{after}")
        assert (brief.name, brief.has_own_words) == ("Dr. A. Fox", False)


def test_of_a_prompt_of_thousands_of_options_takes_no_time() -> None:
    """Whoever sends it."""
    known = BOOK.style_prompts["descriptive"]
    named = NAMING.replace("{name}", "Ada")
    assert not BOOK.briefs.of(" ".join([known, *[named] * 60])).has_own_words
    assert BOOK.briefs.of(" ".join([known, *[named] * 60, "Answer in German."])).has_own_words
    assert not BOOK.briefs.of(" ".join([known, *[named] * 700])).has_own_words
    assert BOOK.briefs.of(f"{known} {named} Answer in German.").has_own_words


def test_of_a_few_words_allows_a_short_text() -> None:
    """Three words may have fewer characters than a sentence must have."""
    for number, short in (("3", True), ("5", True), ("6", False)):
        prompt = BOOK.prompt(PromptChoice(caption_type="Descriptive", length=number))
        assert BOOK.briefs.of(prompt).may_be_short is short


def test_of_a_wording_with_one_place_twice_wants_it_filled_alike() -> None:
    """The file with the styles is the user's."""
    briefs = Briefs([("Say it in {words} words, {words}!", Form.PROSE)], ["Call {name} by {name}."])
    assert briefs.of("Say it in 9 words, 9! Call Ada by Ada.") == Brief(
        Form.PROSE, name="Ada", no_watermark=True
    )
    assert briefs.of("Say it in 9 words, 8!") == Brief()


def test_of_a_style_that_is_a_whole_prompt_knows_its_number_of_words_and_its_name() -> None:
    """Settings that are kept as a style are judged as they were before."""
    choice = PromptChoice(caption_type="Descriptive", length="5", options=(NAMING,), name="Ada")
    prompt = BOOK.prompt(choice)
    book = BOOK.model_copy(deep=True)
    book.put_own(json.dumps({"styles": {"mine": {"prompt": prompt, "form": "prose"}}}).encode(), "own")
    brief = book.briefs.of(prompt)
    assert (brief.may_be_short, brief.name, brief.has_own_words) == (True, "Ada", False)
    assert brief == BOOK.briefs.of(prompt)
    assert book.briefs.of(f"{prompt} Answer in German.").has_own_words
