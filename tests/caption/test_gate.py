"""Which answer is given, and whether the model is asked again."""

from dataclasses import replace

import pytest

from adapter.caption.answer import Answer, Choice
from adapter.caption.brief import Brief
from adapter.caption.flaws import Form, Kind
from adapter.caption.gate import Gate, OnFlaw, Quality, to_attempt
from adapter.caption.request import CaptionRequest, Limit, question
from adapter.caption.sampling import Sampling
from adapter.errors import BadCaptionError

GOOD = "A red fox stands in deep snow, and a low sun lights its fur."
CUT = f"{GOOD} Behind it there are"
LOOP = f"{GOOD} " + "The sky is grey and cold. " * 9
REFUSAL = "I'm sorry, but I can't help with describing this image."
REQUEST = CaptionRequest(
    question("Say.", "You are."),
    Sampling(temperature=0.6, top_p=0.9, max_tokens=256),
    brief=Brief(Form.PROSE),
)


def answer(text: str, reason: str = "stop") -> Answer:
    choice = Choice(0, text, "length" if reason == "repetition" else reason, engine_reason=reason)
    return Answer((choice,), 700, 20)


def asked(gate: Gate, *answers: Answer) -> list[CaptionRequest]:
    """Gives the requests that were pending for those answers. There must be no further one."""
    requests = []
    for each in answers:
        assert gate.pending is not None
        requests.append(gate.pending)
        gate.take(each)
    assert gate.pending is None
    return requests


def test_a_good_answer_is_given_at_once() -> None:
    """As it is, asked for as it was."""
    gate = Gate(REQUEST, Quality())
    assert asked(gate, answer(GOOD)) == [REQUEST]
    assert gate.result() == replace(answer(GOOD), flaws=(), attempts=1)


def test_a_bad_answer_is_asked_for_again_with_another_chance() -> None:
    """The temperature rises, and where there is a seed the next ones follow from it."""
    seeded = replace(REQUEST, sampling=replace(REQUEST.sampling, seed=7))
    for request in (REQUEST, seeded):
        gate = Gate(request, Quality())
        first, second, third = asked(gate, answer(REFUSAL), answer(LOOP), answer(GOOD))
        samplings = [one.sampling for one in (first, second, third)]
        assert [one.temperature for one in samplings] == [0.6, 0.8, 1.0]
        assert {one.max_tokens for one in samplings} == {256}
        assert len({one.seed for one in samplings}) == (3 if request.sampling.seed else 1)
        given = gate.result()
        assert (given.text, given.flaws, given.attempts) == (GOOD, (), 3)
        assert given.rejected == (Kind.REFUSAL, Kind.LOOP)
    again = Gate(seeded, Quality())
    assert asked(again, answer(REFUSAL), answer(GOOD))[1].sampling.seed == samplings[1].seed


def test_to_attempt_counts_on_where_earlier_runs_ended() -> None:
    """A further run has new seeds, but begins at the temperature that was asked for."""
    seeded = replace(REQUEST, sampling=replace(REQUEST.sampling, seed=7))
    later = replace(seeded, earlier=3)
    seeds = [to_attempt(one, number).sampling.seed for one in (seeded, later) for number in range(3)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 6
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    assert to_attempt(later, 0).sampling.temperature == 0.6


def test_to_attempt_of_a_greedy_or_hot_request_stays_in_range() -> None:
    """A greedy answer repeats its failure, so the second attempt isn't greedy."""
    greedy = replace(REQUEST, sampling=replace(REQUEST.sampling, temperature=0.0))
    assert [to_attempt(greedy, number).sampling.temperature for number in range(3)] == [0.0, 0.2, 0.4]
    hot = replace(REQUEST, sampling=replace(REQUEST.sampling, temperature=1.9))
    assert to_attempt(hot, 5).sampling.temperature == 2.0


def test_a_cut_answer_is_asked_for_again_with_twice_the_tokens() -> None:
    """Where nobody chose a limit, it is to fit."""
    gate = Gate(REQUEST, Quality())
    requests = asked(gate, answer(CUT, "length"), answer(CUT, "length"), answer(GOOD))
    assert [one.sampling.max_tokens for one in requests] == [256, 512, 1024]
    assert gate.result().rejected == (Kind.CUT, Kind.CUT)


def test_a_cut_answer_under_the_users_own_limit_is_trimmed_at_once() -> None:
    """AI-Toolkit's UI always sends one; asking again would meet it again."""
    gate = Gate(replace(REQUEST, limit=Limit.CHOSEN), Quality())
    asked(gate, answer(CUT, "length"))
    given = gate.result()
    assert (given.text, given.attempts, given.is_repaired) == (GOOD, 1, True)
    assert given.rejected == (Kind.CUT,)
    gate = Gate(replace(REQUEST, limit=Limit.CHOSEN), Quality())
    asked(gate, answer("A red fox that stands in deep snow and", "length"))
    with pytest.raises(BadCaptionError, match="No good caption in one attempt: cut"):
        gate.result()
    gate = Gate(replace(REQUEST, limit=Limit.CHOSEN), Quality())
    requests = asked(gate, answer(f"{REFUSAL} It", "length"), answer(GOOD))
    assert [one.sampling.max_tokens for one in requests] == [256, 256]


def test_a_cut_answer_under_a_clients_binding_limit_is_no_flaw() -> None:
    """OpenAI's clients read it in `finish_reason`."""
    gate = Gate(replace(REQUEST, limit=Limit.BINDING), Quality())
    asked(gate, answer(CUT, "length"))
    assert (gate.result().text, gate.result().flaws) == (CUT, ())
    for text in ("A photo of", "Vintage poster, bold red typography, " * 4):
        gate = Gate(replace(REQUEST, limit=Limit.BINDING), Quality(attempts=1))
        asked(gate, answer(text[:70], "length"))
        assert gate.result().flaws == ()


def test_of_no_good_answer_the_longest_that_can_be_repaired_is_given() -> None:
    """A loop loses its further rounds, a cut answer its last half sentence."""
    gate = Gate(REQUEST, Quality())
    asked(gate, answer(CUT, "length"), answer(LOOP, "repetition"), answer(REFUSAL))
    given = gate.result()
    assert given.text == f"{GOOD} The sky is grey and cold."
    assert [flaw.kind for flaw in given.flaws or ()] == [Kind.REPAIRED]
    assert given.rejected == (Kind.CUT, Kind.LOOP, Kind.REFUSAL)
    assert given.attempts == 3


def test_an_answer_that_the_engine_broke_off_is_asked_for_again() -> None:
    """With as many tokens: it didn't need more of them."""
    gate = Gate(REQUEST, Quality())
    requests = asked(gate, answer(CUT, "abort"), answer(GOOD))
    assert [one.sampling.max_tokens for one in requests] == [256, 256]
    assert gate.result().rejected == (Kind.CUT,)


def test_to_attempt_asks_for_no_more_tokens_than_anybody_may_want() -> None:
    """However often it was cut. What a user's own default is stays as it is."""
    assert to_attempt(REQUEST, 9, 9).sampling.max_tokens == 2048
    large = replace(REQUEST, sampling=replace(REQUEST.sampling, max_tokens=3000))
    assert to_attempt(large, 2, 2).sampling.max_tokens == 3000


def test_give_up_keeps_what_can_be_repaired() -> None:
    """The engine may fail at a further attempt."""
    gate = Gate(REQUEST, Quality())
    gate.take(answer(CUT, "length"))
    assert gate.give_up()
    assert gate.pending is None
    assert (gate.result().text, gate.result().attempts) == (GOOD, 1)
    gate = Gate(REQUEST, Quality())
    gate.take(answer(REFUSAL))
    assert not gate.give_up()


def test_of_answers_that_cannot_be_repaired_the_gate_fails_or_keeps_the_least_bad() -> None:
    """It says which flaws that one has, after how many attempts."""
    for on_flaw in OnFlaw:
        gate = Gate(REQUEST, Quality(2, on_flaw))
        asked(gate, answer(""), answer(REFUSAL))
        if on_flaw is OnFlaw.KEEP:
            given = gate.result()
            assert (given.text, given.attempts) == (REFUSAL, 2)
            assert [flaw.kind for flaw in given.flaws or ()] == [Kind.REFUSAL]
            continue
        with pytest.raises(BadCaptionError) as caught:
            gate.result()
        assert str(caught.value) == "No good caption in 2 attempts: refusal"
        assert (caught.value.text, caught.value.flaws, caught.value.attempts) == (REFUSAL, ("refusal",), 2)


def test_one_attempt_is_judged_and_repaired() -> None:
    """Only asking again is turned off."""
    gate = Gate(REQUEST, Quality(attempts=1))
    asked(gate, answer(CUT, "length"))
    assert gate.result().is_repaired
    gate = Gate(REQUEST, Quality(attempts=1))
    asked(gate, answer(""))
    with pytest.raises(BadCaptionError, match="No good caption in one attempt: empty"):
        gate.result()


def test_what_is_not_judged_is_given_as_it_is() -> None:
    """A conversation without an image, and several choices."""
    several = replace(REQUEST, sampling=replace(REQUEST.sampling, n=2))
    for request in (replace(REQUEST, brief=None), several):
        gate = Gate(request, Quality())
        asked(gate, answer(REFUSAL))
        assert gate.result() == answer(REFUSAL)


def test_an_answer_with_log_probabilities_is_not_repaired() -> None:
    """They belong to the tokens of the whole text."""
    telling = answer(LOOP)
    telling = replace(telling, choices=(replace(telling.choices[0], logprobs={"content": []}),))
    gate = Gate(REQUEST, Quality(attempts=1))
    asked(gate, telling)
    with pytest.raises(BadCaptionError):
        gate.result()
