"""What is asked of each image."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.chat import SamplingParameters
from adapter.dataset.recipe import Recipe, WeightedPrompt, Wording, load_prompts, make_recipes
from adapter.errors import CaptionError, InvalidRequestError
from adapter.prompts import PromptBook
from adapter.sources import ImageBytes

SAMPLING = SamplingParameters(0.6, 0.9, None, 256)
RECIPE = Recipe("", (WeightedPrompt(text="Say."),), "You are.", SAMPLING)
IMAGE = ImageBytes(b"")


def test_a_prompt_is_chosen_by_weight_and_stays_with_its_image() -> None:
    """Another seed gives another choice."""
    recipe = replace(RECIPE, prompts=(WeightedPrompt(text="a"), WeightedPrompt(text="b", weight=3)), seed=1)
    names = [f"{number}.png" for number in range(4000)]
    chosen = [recipe.prompt(name) for name in names]
    assert 0.70 < Counter(chosen)["b"] / 4000 < 0.80
    assert [recipe.prompt(name) for name in names] == chosen
    assert [replace(recipe, seed=2).prompt(name) for name in names] != chosen


def test_a_seed_gives_each_image_and_style_its_own() -> None:
    """Without one the engine chooses."""
    seeded = replace(RECIPE, seed=7)
    seeds = {seeded.request(IMAGE, f"{number}.png").sampling.seed for number in range(100)}
    assert len(seeds) == 100
    assert seeded.request(IMAGE, "0.png") == seeded.request(IMAGE, "0.png")
    assert replace(seeded, style="b").request(IMAGE, "0.png") != seeded.request(IMAGE, "0.png")
    assert RECIPE.request(IMAGE, "0.png").sampling.seed is None


@pytest.mark.parametrize(
    ("prefix", "suffix", "trigger", "expected"),
    [
        ("", "", "", "a cat"),
        ("photo of ", ".", "", "photo of a cat."),
        ("", "", "sks", "sks, a cat"),
        ("sks ", "", "sks", "sks a cat"),
        ("photo of ", "", "sks", "sks, photo of a cat"),
    ],
)
def test_text_has_what_belongs_around_it(prefix: str, suffix: str, trigger: str, expected: str) -> None:
    """The trigger first, and once; around nothing there is nothing."""
    recipe = replace(RECIPE, prefix=prefix, suffix=suffix, trigger=trigger)
    assert recipe.text("a cat") == expected
    assert recipe.text("") == ""


def test_details_tell_all_that_decides_about_a_text() -> None:
    """Each field of a recipe makes a difference, and the model does."""
    plain = RECIPE.details("a.png", "model")
    assert RECIPE.details("b.png", "model") == plain
    for changed in (
        replace(RECIPE, prompts=(WeightedPrompt(text="Other."),)),
        replace(RECIPE, system_prompt="x"),
        replace(RECIPE, sampling=replace(SAMPLING, temperature=0.0)),
        replace(RECIPE, seed=1),
        replace(RECIPE, prefix="x"),
        replace(RECIPE, suffix="x"),
        replace(RECIPE, trigger="x"),
        replace(RECIPE, exact_pixels=True),
    ):
        assert changed.details("a.png", "model") != plain
    assert RECIPE.details("a.png", "other") != plain


@pytest.mark.parametrize(
    "text",
    ['["a", {"text": "b", "weight": 2.5}]', "- a\n- text: b\n  weight: 2.5\n"],
)
def test_load_prompts_reads_json_and_yaml(tmp_path: Path, text: str) -> None:
    """Texts, or texts with a weight."""
    path = tmp_path / "prompts"
    path.write_text(text)
    assert load_prompts(path) == (WeightedPrompt(text="a"), WeightedPrompt(text="b", weight=2.5))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "a",
        "[1]",
        '[""]',
        "- {text: a, weight: 0}",
        "- {text: a, weight: .nan}",
        "- {txt: a}",
        "- [a]",
        "- a: b: c",
        "- <|eot_id|>",
        "!!python/object:os.system x",
    ],
)
def test_load_prompts_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """With the file's name."""
    path = tmp_path / "prompts"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match="prompts"):
        load_prompts(path)
    with pytest.raises(InvalidRequestError):
        load_prompts(tmp_path / "none")


def test_make_recipes_gives_one_a_style(book: PromptBook) -> None:
    """Named, where there are several."""
    one = make_recipes(Wording(style="booru"), book, RECIPE)
    assert [(recipe.style, recipe.prompt("")) for recipe in one] == [("", book.build(style="booru"))]
    two = make_recipes(Wording(styles=("booru", "casual"), options=["B."]), book, RECIPE)
    assert [(recipe.style, recipe.prompt("")) for recipe in two] == [
        (style, book.build(style=style, extra_options=["B."])) for style in ("booru", "casual")
    ]
    (default,) = make_recipes(Wording(), book, RECIPE)
    assert default.prompt("") == book.build()


@pytest.mark.parametrize(
    "wording",
    [
        Wording(prompt="a", style="booru"),
        Wording(styles=("booru",), style="booru"),
        Wording(styles=("booru", "booru")),
        Wording(style="none"),
        Wording(caption_type="none"),
        Wording(caption_type="Art Critic", length="huge"),
        Wording(prompt="<|eot_id|>"),
        Wording(prompt="a", options=["<|eot_id|>"]),
    ],
)
def test_make_recipes_of_what_contradicts_itself_is_refused(book: PromptBook, wording: Wording) -> None:
    """Or isn't known."""
    with pytest.raises(CaptionError):
        make_recipes(wording, book, RECIPE)


def test_a_style_that_is_no_file_name_is_refused_for_several(book: PromptBook) -> None:
    """It would lead elsewhere."""
    own = book.model_copy(update={"styles": {**book.styles, "../x": "Say."}})
    with pytest.raises(InvalidRequestError, match="can't be a part of a file's name"):
        make_recipes(Wording(styles=("booru", "../x")), own, RECIPE)
