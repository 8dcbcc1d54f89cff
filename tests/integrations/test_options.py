"""The fields of a job."""

from typing import Any

import pytest
from joycaption.job_error import OptionError
from joycaption.options import DEFAULT_URL, Options, parse

# What AI-Toolkit's dialog writes when its captioner was another one before.
OF_THE_DIALOG = {
    "model_name_or_path": "Qwen/Qwen3-VL-8B-Instruct",
    "dtype": "bf16",
    "quantize": True,
    "extensions": ["png"],
    "path_to_caption": "/pictures",
    "caption_prompt": "Caption this video.",
    "max_new_tokens": 128,
    "recaption": False,
    "caption_extension": "txt",
}


def test_what_another_captioner_was_given_is_ignored() -> None:
    """Whoever changes the type alone gets JoyCaption as it is by default."""
    assert parse(OF_THE_DIALOG) == Options({})


def test_fields_go_to_the_service_by_its_names() -> None:
    """Those that choose prompt and sampling do, as the types that it expects."""
    found = parse(
        {"caption_type": "Descriptive", "caption_length": 30, "extra_options": "Be kind.", "temperature": 1}
        | {"top_k": 5.0, "prompt": "", "style": None, "recaption": True, "in_flight": 8}
    )
    assert found.asked == {
        "caption_type": "Descriptive",
        "caption_length": "30",
        "extra_options": ["Be kind."],
        "temperature": 1.0,
        "top_k": 5,
    }
    assert (found.recaption, found.in_flight, found.release) == (True, 8, True)


@pytest.mark.parametrize("given", ["caption", ".caption"])
def test_the_texts_extension_may_have_a_dot(given: str) -> None:
    """AI-Toolkit's has none, and this project's has one."""
    assert parse({"caption_extension": given}).extension == ".caption"


def test_the_address_may_stand_in_the_models_field() -> None:
    """AI-Toolkit's dialog has that field; service_url wins over it."""
    place = {"model_name_or_path": "http://10.0.0.5:5000"}
    assert parse(OF_THE_DIALOG).service_url == DEFAULT_URL
    assert parse(place).service_url == "http://10.0.0.5:5000"
    for written in (" http://10.0.0.5:5000 ", "10.0.0.5:5000", "HTTP://10.0.0.5:5000"):
        url = parse({"model_name_or_path": written}).service_url
        assert url.lower() == "http://10.0.0.5:5000"
    assert parse({"model_name_or_path": "box:5001"}).service_url == "http://box:5001"
    assert parse(place | {"service_url": "http://h:1"}).service_url == "http://h:1"


def test_unknown_fields_are_told() -> None:
    """One that AI-Toolkit may have some day doesn't end the job."""
    assert parse({"voltage": 3}).unknown == ("voltage",)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"captoin_type": "Descriptive"}, "is it caption_type?"),
        ({"style": 3}, "caption.style must be a text, not 3"),
        ({"temperature": "hot"}, "caption.temperature must be a number, not 'hot'"),
        ({"temperature": True}, "caption.temperature must be a number"),
        ({"max_tokens": 1.5}, "caption.max_tokens must be a whole number"),
        ({"top_k": float("inf")}, "caption.top_k must be a whole number"),
        ({"top_p": float("nan")}, "caption.top_p must be a number"),
        ({"in_flight": 0}, "caption.in_flight must be from 1 to 256"),
        ({"recaption": "yes"}, "caption.recaption must be true or false"),
        ({"extra_options": [1]}, "caption.extra_options must be a list of sentences"),
        ({"caption_length": ["long"]}, "caption.caption_length must be a word"),
        ({"caption_extension": "../txt"}, "caption.caption_extension must be like txt"),
        ({"caption_extension": 7}, "caption.caption_extension must be like txt"),
        ({"prompt": "Say.", "style": "booru"}, "caption.prompt can't be used together with caption.style"),
        ({"style": "\ud800" * 3, "release": {"a": "\ud800"}}, "caption.release must be true or false"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], told: str) -> None:
    """The job fails with a line that says what to change."""
    with pytest.raises(OptionError) as raised:
        parse(fields)
    assert told in str(raised.value)
