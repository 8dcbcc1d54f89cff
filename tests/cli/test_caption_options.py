"""The options of the dataset command, checked."""

import pytest
from pydantic import ValidationError

from adapter.cli.caption_options import PromptOptions, RunOptions, SamplingOptions, TextOptions


def test_options_without_anything_are_the_defaults_that_help_names() -> None:
    """The help's texts say them in words."""
    assert TextOptions().extension == ".txt"
    assert TextOptions().existing == "skip"
    assert TextOptions().sidecar
    assert RunOptions().engine_patience == 600


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        (SamplingOptions, "temperature", 2.1),
        (SamplingOptions, "top_p", 0.0),
        (SamplingOptions, "top_k", -1),
        (SamplingOptions, "max_tokens", 2049),
        (RunOptions, "concurrency", 0),
        (TextOptions, "trigger", "\udcff"),
        (PromptOptions, "option", ["good", "\udcff"]),
    ],
)
def test_values_out_of_range_are_refused(group: type, field: str, value: object) -> None:
    """Texts that are no UTF-8 are, too: no model can be asked with them."""
    with pytest.raises(ValidationError) as caught:
        group(**{field: value})
    assert caught.value.errors()[0]["loc"] == (field,)
