"""The fields of a job of the type `JoyCaption`, checked by their types. The service checks the rest."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .job_error import OptionError, shown

DEFAULT_URL = "http://127.0.0.1:5000"
ADDRESS = re.compile("https?://", re.IGNORECASE)
HOST_AND_PORT = re.compile(r"[\w.-]+:\d+/?")  # as some write it; a model's name has no colon
EXTENSION = re.compile(r"[\w.-]{1,29}")
MAX_IN_FLIGHT = 256
# What AI-Toolkit's dialog writes into every captioner's job, and its base class reads. JoyCaption has no use
# for them: whoever changes the type in the Advanced tab finds there what another captioner was given.
NOT_OURS = frozenset(
    "model_name_or_path model_name_or_path2 path_to_caption extensions dtype device quantize qtype low_vram "
    "max_res max_new_tokens thinking caption_prompt fixed_caption compile batch_size num_workers "
    "layer_offloading layer_offloading_percent".split()
)
TEXTS = ("style", "caption_type", "prompt", "name_input", "trigger", "api_key", "start_service")
NUMBERS: Mapping[str, type[int] | type[float]] = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "max_tokens": int,
    "seed": int,
    "in_flight": int,
}
SWITCHES = ("recaption", "overwrite_edited", "release")
OTHERS = ("service_url", "caption_length", "extra_options", "caption_extension")
OURS = frozenset((*TEXTS, *NUMBERS, *SWITCHES, *OTHERS))
ASKED = ("style", "caption_type", "prompt", "caption_length", "extra_options", "name_input", "trigger")
SAMPLED = ("temperature", "top_p", "top_k", "max_tokens", "seed")


@dataclass(frozen=True)
class Options:
    """A job's fields. `asked` holds those that the service is sent as they are, by its names for them.

    `extension` begins with a dot. `start_service` is the path to start the service by, empty for none.
    `unknown` names fields that nobody knows.
    """

    asked: Mapping[str, Any]
    service_url: str = DEFAULT_URL
    start_service: str = ""
    api_key: str = ""
    extension: str = ".txt"
    recaption: bool = False
    overwrite_edited: bool = False
    in_flight: int = 64
    release: bool = True
    unknown: tuple[str, ...] = ()


def parse(caption: Mapping[str, Any]) -> Options:
    """Gives the options that stand in a job's `caption`; null and empty texts count as absent.

    Raises OptionError.
    """
    given = {name: value for name, value in caption.items() if value is not None and value != ""}
    unknown = tuple(sorted(str(name) for name in given if name not in OURS | NOT_OURS))
    for name in unknown:
        if near := difflib.get_close_matches(name, OURS, 1):
            raise OptionError(f"caption.{name} is no field of JoyCaption: is it {near[0]}?")
    found = {name: _checked(name, given[name]) for name in OURS if name in given}
    chosen = [name for name in ("prompt", "caption_type", "style") if name in found]
    if len(chosen) > 1:
        raise OptionError(f"caption.{chosen[0]} can't be used together with caption.{chosen[1]}")
    asked = {name: found.pop(name) for name in (*ASKED, *SAMPLED) if name in found}
    if "caption_extension" in found:
        found["extension"] = found.pop("caption_extension")
    # The dialog's own field for a model takes the service's address, where no other is given.
    if "service_url" not in found and (url := _url(given.get("model_name_or_path"))):
        found["service_url"] = url
    return Options(asked, unknown=unknown, **found)


def _url(place: Any) -> str:
    """Gives the address that the dialog's field for a model holds, nothing where it holds a model's name."""
    text = place.strip() if isinstance(place, str) else ""
    if ADDRESS.match(text):
        return text
    return f"http://{text}" if HOST_AND_PORT.fullmatch(text) else ""


def _checked(name: str, value: Any) -> Any:
    """Gives a field's value as the type that it has. Raises OptionError."""
    if name in TEXTS or name == "service_url":
        return _text(name, value)
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise _wrong(name, "must be true or false", value)
        return value
    if name in NUMBERS:
        return _number(name, value)
    if name == "caption_length":
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _wrong(name, "must be a word or a number of words", value)
        return str(value)
    if name == "extra_options":
        options = [value] if isinstance(value, str) else value
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise _wrong(name, "must be a list of sentences", value)
        return options
    return _extension(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "must be a text", value)
    return value


def _number(name: str, value: Any) -> int | float:
    kind = NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "must be a number", value)
    if not math.isfinite(value):
        raise _wrong(name, "must be a number" if kind is float else "must be a whole number", value)
    if kind is int and value != int(value):
        raise _wrong(name, "must be a whole number", value)
    number = kind(value)
    if name == "in_flight" and not 1 <= number <= MAX_IN_FLIGHT:
        raise _wrong(name, f"must be from 1 to {MAX_IN_FLIGHT}", value)
    return number


def _extension(value: Any) -> str:
    bare = value.lstrip(".") if isinstance(value, str) else ""
    if not EXTENSION.fullmatch(bare):
        raise _wrong("caption_extension", "must be like txt", value)
    return f".{bare}"


def _wrong(name: str, problem: str, value: Any) -> OptionError:
    return OptionError(f"caption.{name} {problem}, not {shown(repr(value))[:100]}")
