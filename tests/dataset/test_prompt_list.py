"""Files with prompts."""

import json
from pathlib import Path

import pytest

from adapter.dataset.prompt_list import load_prompts
from adapter.dataset.recipe import WeightedPrompt
from adapter.errors import InvalidRequestError


@pytest.mark.parametrize(
    "text",
    ['["a", {"text": "b", "weight": 2.5}]', "- a\n- text: b\n  weight: 2.5\n"],
)
def test_load_prompts_reads_json_and_yaml(tmp_path: Path, text: str) -> None:
    """A prompt is a text, or a text with a weight."""
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
    """The error names the file."""
    path = tmp_path / "prompts"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match="prompts"):
        load_prompts(path)
    with pytest.raises(InvalidRequestError):
        load_prompts(tmp_path / "none")


def test_load_prompts_reads_what_json_escapes(tmp_path: Path) -> None:
    """Programs write an emoji into JSON as two halves, which YAML doesn't put together."""
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(["Say \U0001f600.", {"text": "caf\xe9"}]))
    assert [prompt.text for prompt in load_prompts(path)] == ["Say \U0001f600.", "caf\xe9"]
