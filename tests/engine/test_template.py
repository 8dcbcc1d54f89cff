"""Deriving a chat template; that it is token-exact on a real processor is proved in `e2e`."""

from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapter.engine.template import collapse, conversation, derive

# Of JoyCaption's shape: contents are strings, the template writes the image's tokens.
OWN = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '[' + message['role'] + ']' }}"
    "{%- if message['role'] == 'user' %}{{- '<70><69><71>' }}{%- endif %}"
    "{{- message['content'] | trim + '<eot>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '[assistant]' }}{%- endif %}"
)
TEXT = {"type": "text", "text": "Say {{ what }}."}
IMAGE = {"type": "image"}


def render(template: str, messages: list[dict[str, Any]]) -> str:
    """As transformers renders templates."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        messages=messages, bos_token="<bos>", add_generation_prompt=True
    )


@pytest.mark.parametrize("content", [[IMAGE, TEXT], [TEXT, IMAGE], [TEXT]])
def test_derive_gives_parts_the_text_of_a_string(content: list[dict[str, str]]) -> None:
    """Whether the text stands before or after the image."""
    template = derive(OWN, tokenizer_adds_begin=False)
    system = {"role": "system", "content": "You are."}
    as_string = render(OWN, [system, {"role": "user", "content": TEXT["text"]}])
    assert render(template, [system, {"role": "user", "content": content}]) == as_string
    assert as_string == "<bos>[system]You are.<eot>[user]<70><69><71>Say {{ what }}.<eot>[assistant]"


def test_derive_joins_several_texts_by_a_newline() -> None:
    """In their order."""
    template = derive(OWN, tokenizer_adds_begin=False)
    parts = [{"type": "text", "text": "a"}, IMAGE, {"type": "text", "text": "b"}]
    assert "<71>a\nb<eot>" in render(template, [{"role": "user", "content": parts}])


def test_derive_for_a_tokenizer_that_adds_its_begin_writes_it() -> None:
    """vLLM doesn't add it to a chat."""
    messages = conversation("Say.", as_parts=True)
    plain = render(derive(OWN, tokenizer_adds_begin=False), messages)
    assert render(derive(OWN, tokenizer_adds_begin=True), messages) == "<bos>" + plain


def test_collapse_makes_one_of_each_run() -> None:
    """Of the image's tokens only."""
    assert collapse([1, 1, 7, 7, 7, 2, 7], 7) == [1, 1, 7, 2, 7]
