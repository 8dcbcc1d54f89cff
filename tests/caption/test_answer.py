"""From what the engine wrote to the answer that users get."""

from typing import Any

import pytest

from adapter.caption.answer import Answer, Choice, ChunkedAnswer, Completion, to_answer
from adapter.errors import EngineError
from tests.fake_engine import chunk, completion


def test_to_answer_gives_text_reason_and_tokens() -> None:
    """The text is stripped, as the model card strips it."""
    answer = to_answer(
        Completion.model_validate(completion(" A cat.\n", "length")), seconds=1.5, weights="org/model"
    )
    assert answer == Answer(
        (Choice(0, "A cat.", "length", engine_reason="length"),),
        100,
        5,
        1.5,
        "org/model",
        id="chatcmpl-1",
        created=1,
    )
    assert (answer.text, answer.finish_reason) == ("A cat.", "length")


def test_triggered_puts_it_before_each_choice() -> None:
    """Several answers to one request each begin with it."""
    body = completion("A cat.")
    body["choices"] += [
        {"index": 1, "message": {"content": "sks, a dog"}, "finish_reason": None, "logprobs": {"content": []}}
    ]
    answer = to_answer(Completion.model_validate(body)).triggered("sks")
    assert answer.choices == (
        Choice(0, "sks, A cat.", "stop", engine_reason="stop"),
        Choice(1, "sks, a dog", "stop", {"content": []}, "stop"),
    )


@pytest.mark.parametrize("choices", [[], completion(None)["choices"]])
def test_to_answer_without_a_text_is_an_error(choices: list[object]) -> None:
    """An answer never consists of nothing."""
    with pytest.raises(EngineError):
        to_answer(Completion.model_validate(completion("x") | {"choices": choices}))


def test_to_answer_without_usage_counts_no_tokens() -> None:
    """An engine that doesn't tell is no reason to lose its caption."""
    answer = to_answer(Completion.model_validate(completion("x") | {"usage": None}))
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0)


def whole(pieces: list[str]) -> list[dict[str, Any]]:
    """Gives the chunks that vLLM sends for a text in these pieces, with its usage as the last."""
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in pieces),
        chunk({"content": ""}, "stop"),
        chunk({}) | {"choices": [], "usage": completion("")["usage"]},
    ]


def said(chunks: list[dict[str, Any]]) -> str:
    """Gives the text of all chunks together."""
    return "".join(choice["delta"].get("content", "") for each in chunks for choice in each["choices"])


@pytest.mark.parametrize(
    ("pieces", "trigger"),
    [
        ([" A", " cat", ".", " \n"], ""),
        ([" A", " cat", "."], "sks"),
        (["s", "ks", ", a cat"], "sks"),
        (["sk"], "sks"),
        ([" ", "\n"], "sks"),
    ],
)
def test_push_of_all_chunks_says_what_the_whole_answer_says(pieces: list[str], trigger: str) -> None:
    """A streamed answer has the same text as a whole one, its trigger and its tokens included."""
    answer = ChunkedAnswer(trigger)
    given = [kept for each in whole(pieces) for kept in answer.push([each])]
    expected = to_answer(Completion.model_validate(completion("".join(pieces)))).triggered(trigger)
    assert said(given) == answer.text == expected.text
    assert (answer.prompt_tokens, answer.completion_tokens) == (100, 5)
    assert given[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert given[-2]["choices"][0]["finish_reason"] == "stop"
    assert given[-1]["choices"] == []
    assert given[-1]["usage"]["total_tokens"] == 105


def test_push_leaves_out_chunks_that_would_say_nothing() -> None:
    """Clients aren't sent the pieces that may yet be the trigger, nor the engine's own fields."""
    answer = ChunkedAnswer("sks")
    assert answer.push([chunk({"content": "s"}), chunk({"content": "ks"}), chunk({}) | {"choices": []}]) == []
    (given,) = answer.push([chunk({"content": " cat"})])
    assert given["choices"] == [
        {"index": 0, "delta": {"content": "sks cat"}, "logprobs": None, "finish_reason": None}
    ]


def test_push_of_several_choices_triggers_each_by_itself() -> None:
    """The choices' chunks come mixed."""
    answer = ChunkedAnswer("sks")
    chunks = []
    for index, text in ((0, "A cat"), (1, "sks"), (1, " dog"), (0, " here")):
        each = chunk({"content": text})
        each["choices"][0]["index"] = index
        chunks += answer.push([each])
    texts = {
        index: "".join(
            choice["delta"]["content"]
            for each in chunks
            for choice in each["choices"]
            if choice["index"] == index
        )
        for index in (0, 1)
    }
    assert texts == {0: "sks, A cat here", 1: "sks dog"}


@pytest.mark.parametrize(
    ("engines", "ours"),
    [("stop", "stop"), ("length", "length"), ("repetition", "length"), ("abort", "length"), (None, "stop")],
)
def test_finish_reasons_are_openais(engines: str | None, ours: str) -> None:
    """vLLM has two of its own, which OpenAI's types refuse; the text is good for what it is."""
    answer = to_answer(Completion.model_validate(completion("a cat", engines)))
    assert (answer.text, answer.finish_reason) == ("a cat", ours)


@pytest.mark.parametrize("engines", ["repetition", "abort"])
def test_finish_reasons_of_chunks_are_openais(engines: str) -> None:
    """A stream's last chunk has one too."""
    chunks = ChunkedAnswer().push([chunk({"content": "a cat"}), chunk({"content": ""}, engines)])
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
