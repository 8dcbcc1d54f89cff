"""A file with prompts, of which each item gets one."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from adapter.caption.prompt_choice import refuse_special_tokens
from adapter.dataset.recipe import WeightedPrompt
from adapter.errors import InvalidRequestError

PROMPT_LIST = TypeAdapter(list[WeightedPrompt | str])


def load_prompts(path: Path) -> tuple[WeightedPrompt, ...]:
    """Reads a JSON or YAML list of texts, or of `{text, weight}`. Raises InvalidRequestError."""
    try:
        entries = PROMPT_LIST.validate_python(_parsed(path.read_text("utf-8")))
        prompts = tuple(WeightedPrompt(text=entry) if isinstance(entry, str) else entry for entry in entries)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InvalidRequestError(
            f"{path} must be a JSON or YAML list of texts, or of text and weight"
        ) from error
    if not prompts:
        raise InvalidRequestError(f"{path} holds no text")
    for prompt in prompts:
        refuse_special_tokens(prompt.text, str(path))
    return prompts


def _parsed(text: str) -> Any:
    """Reads JSON, or else YAML, which takes the two halves of an escaped emoji for two broken characters."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return yaml.safe_load(text)
