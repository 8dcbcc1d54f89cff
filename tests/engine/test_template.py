"""How a chat template is derived; `e2e` proves that it is token-exact on a real processor."""

from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapter.engine.template import collapse, conversation, derive, find_image_mark, reference_ids

# It has the shape of JoyCaption's: contents are strings, and the template writes the image's tokens.
OWN = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '[' + message['role'] + ']' }}"
    "{%- if message['role'] == 'user' %}{{- '<70><69><71>' }}{%- endif %}"
    "{{- message['content'] | trim + '<eot>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '[assistant]' }}{%- endif %}"
)
TEXT = {"type": "text", "text": "Say {{ what }}."}
IMAGE = {"type": "image"}
MARK = "<70><69><71>"


def render(template: str, messages: list[dict[str, Any]]) -> str:
    """Renders a template as transformers does."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        messages=messages, bos_token="<bos>", add_generation_prompt=True
    )


@pytest.mark.parametrize("content", [[IMAGE, TEXT], [TEXT, IMAGE]])
def test_derive_gives_parts_the_text_of_a_string(content: list[dict[str, str]]) -> None:
    """The text may stand before or after the image."""
    template = derive(OWN, MARK, lacks_begin=False)
    system = {"role": "system", "content": "You are."}
    as_string = render(OWN, [system, {"role": "user", "content": TEXT["text"]}])
    assert render(template, [system, {"role": "user", "content": content}]) == as_string
    assert as_string == "<bos>[system]You are.<eot>[user]<70><69><71>Say {{ what }}.<eot>[assistant]"


def test_derive_joins_several_texts_by_a_newline() -> None:
    """They keep their order, wherever the image is."""
    template = derive(OWN, MARK, lacks_begin=False)
    parts = [{"type": "text", "text": "a"}, IMAGE, {"type": "text", "text": "b"}]
    assert "<71>a\nb<eot>" in render(template, [{"role": "user", "content": parts}])


def test_derive_of_a_template_that_lacks_its_begin_writes_it() -> None:
    """vLLM doesn't add that token to a chat."""
    messages = conversation("Say.", as_parts=True)
    plain = render(derive(OWN, MARK, lacks_begin=False), messages)
    assert render(derive(OWN, MARK, lacks_begin=True), messages) == "<bos>" + plain


@pytest.mark.parametrize("content", [[TEXT], TEXT["text"]])
def test_derive_without_an_image_leaves_its_tokens_out(content: object) -> None:
    """The model's own template would write them with or without an image."""
    template = derive(OWN, MARK, lacks_begin=False)
    assert render(template, [{"role": "user", "content": content}]) == (
        "<bos>[user]Say {{ what }}.<eot>[assistant]"
    )


@pytest.mark.parametrize("turn_with_image", [0, 1, 2])
def test_derive_of_several_turns_marks_the_one_with_the_image(turn_with_image: int) -> None:
    """The model's own template marks each turn."""
    messages: list[dict[str, Any]] = []
    for turn in range(3):
        parts = [IMAGE] * (turn == turn_with_image) + [{"type": "text", "text": f"{turn}?"}]
        messages += [{"role": "user", "content": parts}, {"role": "assistant", "content": f"{turn}!"}]
    text = render(derive(OWN, MARK, lacks_begin=False), messages)
    assert text.count(MARK) == 1
    assert f"[user]{MARK}{turn_with_image}?<eot>" in text


def test_derive_where_only_the_first_turn_is_marked_keeps_it_there() -> None:
    """The model was trained so, whichever turn the client sent the image with."""
    own = OWN.replace("message['role'] == 'user'", "loop.first")
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "user", "content": [IMAGE, TEXT]},
    ]
    text = render(derive(own, MARK, lacks_begin=False), messages)
    assert text == render(own, [messages[0], {"role": "user", "content": TEXT["text"]}])
    plain = render(derive(own, MARK, lacks_begin=False), messages[:1])
    assert plain == "<bos>[user]a<eot>[assistant]"


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "  ", "{# end #}\n"])
def test_derive_keeps_blanks_at_the_end_as_they_are(end: str) -> None:
    """Each blank would be a token."""
    messages = conversation("Say.", as_parts=False)
    derived = render(derive(OWN + end, MARK, lacks_begin=False), conversation("Say.", as_parts=True))
    assert derived == render(OWN + end, messages)


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        ("<|user|>\n\n<|70|><|69|><|71|>Say.<|eot|>", "<|70|><|69|><|71|>"),
        ("<|user|> <|69|> Say.<|eot|>", "<|69|>"),
        ("<|user|> Say.<|eot|>", None),
        ("<|69|> and <|69|>", None),
    ],
)
def test_find_image_mark_takes_what_stands_right_beside_the_token(
    rendered: str, expected: str | None
) -> None:
    """It gives None where there isn't exactly one image token per picture."""
    assert find_image_mark(rendered, "<|69|>") == expected


class Processor:
    """A processor whose template and tokenizer may each write the beginning-of-text token, which is 1."""

    image_token = "<69>"  # noqa: S105 - of a picture

    def __init__(self, *, template_writes: bool, tokenizer_adds: bool) -> None:
        self.tokenizer = self
        self.bos_token_id = 1
        self._template_writes = template_writes
        self._tokenizer_adds = tokenizer_adds

    def apply_chat_template(self, messages: list[dict[str, Any]], **options: Any) -> str:
        text: str = messages[-1]["content"]
        return f"B{text}" if self._template_writes else text

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        begin = [1] if add_special_tokens and self._tokenizer_adds else []
        return begin + [1 if letter == "B" else ord(letter) for letter in text]

    def __call__(self, text: list[str], images: list[Any], **options: Any) -> dict[str, Any]:
        assert options["return_tensors"] == "pt"
        ids = self.encode(text[0], add_special_tokens=options["add_special_tokens"])
        return {"input_ids": [Row(ids)]}


class Row(list[int]):
    """What stands in for a row of a tensor."""

    def tolist(self) -> list[int]:
        return list(self)


@pytest.mark.parametrize("template_writes", [False, True])
@pytest.mark.parametrize("tokenizer_adds", [False, True])
def test_reference_has_one_beginning_of_text_at_most(template_writes: bool, tokenizer_adds: bool) -> None:
    """Template and tokenizer may both write it, as Llama 3's do; the model was trained with one."""
    processor = Processor(template_writes=template_writes, tokenizer_adds=tokenizer_adds)
    begin = [1] if template_writes or tokenizer_adds else []
    assert reference_ids(processor, "xy") == [*begin, ord("x"), ord("y")]


def test_collapse_makes_one_of_each_run_of_image_tokens() -> None:
    """Runs of other tokens stay as they are."""
    assert collapse([1, 1, 7, 7, 7, 2, 7], 7) == [1, 1, 7, 2, 7]
