"""Bodies made at random: each is understood, or refused by the name of what is wrong."""

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.caption.prompts import PromptBook
from adapter.config import PROJECT_DIR
from adapter.errors import InvalidRequestError, ModelNotFoundError
from adapter.web.legacy.fields import BatchBody, CaptionBody
from adapter.web.openai.chat_body import parse_body
from adapter.web.openai.conversation import to_chat
from adapter.web.openai.virtual_models import VirtualModels
from adapter.web.wire import validate

BOOK = PromptBook.parse((PROJECT_DIR / "styles.json").read_bytes(), "styles.json")
MODELS = VirtualModels(BOOK)
EXAMPLES = 400

texts = st.text(max_size=40) | st.sampled_from(
    ["/a.png", "Descriptive", "short", "10", "{name}", "<|eot_id|>"]
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
PROMPT_FIELDS = "style caption_type caption_length extra_options name_input".split()
LEGACY_FIELDS = [
    *PROMPT_FIELDS,
    *"image_path image_paths prompt max_new_tokens temperature top_p top_k do_sample".split(),
]
CHAT_FIELDS = [
    *PROMPT_FIELDS,
    *"model messages temperature top_p top_k max_tokens max_completion_tokens n stop seed stream".split(),
    *"stream_options logprobs top_logprobs presence_penalty frequency_penalty trigger tools".split(),
]


def bodies(names: list[str], right: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Gives right bodies with some fields replaced by anything."""
    wrong = st.dictionaries(st.sampled_from(names) | texts, json_values, max_size=5)
    return wrong.map(lambda fields: right | fields)


@given(bodies(LEGACY_FIELDS, {"image_path": "/a.png", "image_paths": ["/a.png"]}))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_legacy_body_is_understood_or_refused(fields: dict[str, Any]) -> None:
    """A body that is understood gives a prompt, and sampling values that the engine takes."""
    for kind in (CaptionBody, BatchBody):
        with contextlib.suppress(InvalidRequestError):
            asked = validate(fields, kind).caption_request(BOOK)
            assert asked.prompt
            assert 0 <= asked.sampling.temperature <= 2
            assert 0 < asked.sampling.top_p <= 1
            assert asked.sampling.top_k >= 0
            assert 1 <= asked.sampling.max_tokens <= 2048


parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio"])},
    optional={"text": texts | json_values, "image_url": st.fixed_dictionaries({"url": texts}) | json_values},
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "assistant", "developer", "tool"]) | json_values},
        optional={"content": texts | st.lists(parts, max_size=3) | json_values},
    ),
    max_size=4,
)


@given(bodies(CHAT_FIELDS, {"model": "joycaption"}), messages | json_values)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_chat_body_is_understood_or_refused(fields: dict[str, Any], said: Any) -> None:
    """A body that is understood gives a conversation with one image at most."""
    with contextlib.suppress(InvalidRequestError, ModelNotFoundError):
        asked = to_chat(parse_body(fields | {"messages": said}), BOOK, MODELS).request
        assert asked.messages
        assert sum(message.has_image for message in asked.messages) <= 1
        assert asked.sampling.arguments()["n"] >= 1
