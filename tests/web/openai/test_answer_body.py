"""What `/v1` answers, in the shapes of OpenAI's own package."""

from typing import Any

from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapter.caption.answer import Answer, Choice
from adapter.errors import EngineBusyError, WrongFieldError
from adapter.web.openai.answer_body import chunk_body, completion_body, error_body, model_body
from adapter.web.openai.virtual_models import VirtualModel


def test_completion_body_is_what_openais_package_expects() -> None:
    """It has every choice, the client's name of the model, and the sum of the tokens."""
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
    choices = (Choice(0, "a cat", "stop", logprobs), Choice(1, "a c", "length"))
    body = completion_body(Answer(choices, 100, 7, id="chatcmpl-1", created=3), "joycaption:booru")
    completion = ChatCompletion.model_validate(body, strict=True)
    assert [choice.message.content for choice in completion.choices] == ["a cat", "a c"]
    assert [choice.finish_reason for choice in completion.choices] == ["stop", "length"]
    assert (completion.model, completion.id, completion.created) == ("joycaption:booru", "chatcmpl-1", 3)
    assert completion.usage is not None
    assert completion.usage.total_tokens == 107
    assert body["choices"][0]["logprobs"] == {"content": logprobs["content"], "refusal": None}
    assert body["choices"][1]["logprobs"] is None


def test_chunk_body_has_the_usage_only_where_it_is_wanted() -> None:
    """Where it is, chunks with content say that theirs is null."""
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": None, "finish_reason": None}
    chunk: dict[str, Any] = {"id": "x", "created": 3, "model": "inner", "choices": [choice]}
    plain = chunk_body(chunk, "joycaption", wants_usage=False)
    assert plain is not None
    assert ChatCompletionChunk.model_validate(plain).model == "joycaption"
    assert "usage" not in plain
    assert chunk_body(chunk, "joycaption", wants_usage=True) == plain | {"usage": None}
    last = chunk | {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
    assert chunk_body(last, "joycaption", wants_usage=False) is None
    told = chunk_body(last, "joycaption", wants_usage=True)
    assert told is not None
    assert told["usage"] == {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


def test_error_body_says_whose_fault_it_is() -> None:
    """`param` names the place, and `code` the kind."""
    assert error_body(WrongFieldError("n", "must be 1")) == {
        "error": {
            "message": "n must be 1",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_request",
        }
    }
    busy = error_body(EngineBusyError("Too much"))["error"]
    assert (busy["type"], busy["param"], busy["code"]) == ("server_error", None, "engine_busy")


def test_model_body_is_an_entry_of_openais_list() -> None:
    """Clients show its id."""
    body = model_body(VirtualModel("joycaption:booru", style="booru"), 3)
    assert Model.model_validate(body, strict=True).id == "joycaption:booru"
