"""What is asked about each item."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.dataset.recipe import WeightedPrompt, recipes_for
from adapter.errors import CaptionError, InvalidRequestError
from tests.datasets import RECIPE, SAMPLING


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
    seeds = {seeded.request(f"{number}.png").sampling.seed for number in range(100)}
    assert len(seeds) == 100
    assert seeded.request("0.png") == seeded.request("0.png")
    assert replace(seeded, style="b").request("0.png") != seeded.request("0.png")
    assert RECIPE.request("0.png").sampling.seed is None


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
    """The trigger stands first, and once; around nothing there is nothing."""
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


def test_details_of_sampling_without_top_k_are_as_in_older_ledgers() -> None:
    """A dataset that was captioned before counts as captioned with these settings."""
    assert json.loads(RECIPE.details("a.png", "model"))["sampling"]["top_k"] is None
    cut = replace(RECIPE, sampling=replace(SAMPLING, top_k=40))
    assert json.loads(cut.details("a.png", "model"))["sampling"]["top_k"] == 40


def test_recipes_for_styles_has_one_for_each(book: PromptBook) -> None:
    """They are named where there are several, and the options follow every prompt."""
    (one,) = recipes_for(book, PromptChoice(style="booru"), RECIPE)
    assert (one.style, one.prompt("")) == ("", book.prompt(PromptChoice(style="booru")))
    two = recipes_for(book, PromptChoice(options=("B.",)), RECIPE, styles=["booru", "casual"])
    assert [(recipe.style, recipe.prompt("")) for recipe in two] == [
        (style, book.prompt(PromptChoice(style=style, options=("B.",)))) for style in ("booru", "casual")
    ]
    (default,) = recipes_for(book, PromptChoice(), RECIPE)
    assert default.prompt("") == book.prompt(PromptChoice())


def test_recipes_for_own_prompts_have_the_options_too(book: PromptBook) -> None:
    """That holds for one prompt, and for each of several with its weight."""
    choice = PromptChoice(prompt="Say.", options=("With {name}.",), name="Ann")
    (one,) = recipes_for(book, choice, RECIPE)
    assert one.prompt("") == "Say. With Ann."
    several = [WeightedPrompt(text="A."), WeightedPrompt(text="B.", weight=3)]
    (many,) = recipes_for(book, PromptChoice(options=("C.",)), RECIPE, prompts=several)
    assert [(prompt.text, prompt.weight) for prompt in many.prompts] == [("A. C.", 1.0), ("B. C.", 3.0)]


@pytest.mark.parametrize(
    "choice",
    [
        PromptChoice(style="none"),
        PromptChoice(caption_type="none"),
        PromptChoice(caption_type="Art Critic", length="huge"),
        PromptChoice(prompt="<|eot_id|>"),
        PromptChoice(prompt="a", options=("<|eot_id|>",)),
    ],
)
def test_recipes_for_what_is_not_known_are_refused(book: PromptBook, choice: PromptChoice) -> None:
    """So are special tokens of the model."""
    with pytest.raises(CaptionError):
        recipes_for(book, choice, RECIPE)


def test_recipes_for_a_style_that_is_no_file_name_are_refused(book: PromptBook) -> None:
    """Among several styles it is a part of a file's name, and would lead elsewhere."""
    own = book.model_copy(update={"styles": {**book.styles, "../x": "Say."}})
    with pytest.raises(InvalidRequestError, match="can't be a part of a file's name"):
        recipes_for(own, PromptChoice(), RECIPE, styles=["booru", "../x"])
