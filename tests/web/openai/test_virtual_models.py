"""The list of models."""

import pytest

from adapter.caption.prompts import PromptBook
from adapter.errors import ModelNotFoundError
from adapter.web.openai.virtual_models import VirtualModels


def test_each_style_and_type_has_a_model(book: PromptBook) -> None:
    """Of its own, the served one first."""
    models = list(VirtualModels(book))
    ids = [model.id for model in models]
    assert ids[0] == "joycaption"
    assert not models[0].writes_prompt
    assert len(set(ids)) == len(ids) == 1 + len(book.styles) + len(book.caption_types)
    assert [model.style for model in models if model.style] == list(book.styles)
    assert [model.caption_type for model in models if model.caption_type] == list(book.caption_types)
    assert {"joycaption:booru", "joycaption:art-critic", "joycaption:stable-diffusion"} <= set(ids)
    assert {"joycaption:descriptive", "joycaption:descriptive-type"} <= set(ids)


@pytest.mark.parametrize("rest", ["descriptive-casual", "Descriptive (Casual)", "descriptive_casual"])
def test_find_takes_the_name_as_it_is_written_elsewhere(book: PromptBook, rest: str) -> None:
    """People type what they see in /prompts."""
    assert VirtualModels(book).find(f"joycaption:{rest}").caption_type == "Descriptive (Casual)"


@pytest.mark.parametrize("name", ["", "gpt-4o", "joycaption:", "joycaption:none", "other:booru", ":booru"])
def test_find_of_another_name_is_404(book: PromptBook, name: str) -> None:
    """By its field."""
    with pytest.raises(ModelNotFoundError) as caught:
        VirtualModels(book).find(name)
    assert (caught.value.status, caught.value.field) == (404, "model")


def test_names_that_would_collide_stay_apart(book: PromptBook) -> None:
    """Whatever people call their styles."""
    styles = {"descriptive": "a", "my style": "b", "my-style": "c", "My_Style": "d", "俳句": "e", "!": "f"}
    own = book.model_copy(update={"styles": styles})
    models = VirtualModels(own)
    found = [model.id for model in models if model.style]
    assert len(set(found)) == len(styles)
    assert "joycaption:俳句" in found
    for model in models:
        assert models.find(model.id) == model
