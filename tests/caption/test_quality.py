"""What is wrong with a caption."""

import pytest

from adapter.caption.brief import Brief
from adapter.caption.flaws import Form, Kind, Weight
from adapter.caption.quality import judge
from adapter.caption.text_form import guess_form

AS_PROSE = Brief(Form.PROSE)
SENTENCES = (
    "A photograph of a red fox that stands in deep snow.",
    "Its thick fur is lit from the left by a low winter sun, and its breath hangs in the air.",
    "Behind it, bare birches form a pale, blurred background.",
    'A wooden sign on the right says "Zugang verboten für alle" in white letters.',
    "The mood is calm and cold.",
)
PROSE = " ".join(SENTENCES)
TAGS = "1girl, solo, long_hair, blue_eyes, blue_hair, blue_dress, smile, outdoors, sky, cloud, 2boys, hat"
SIDES = (
    "On the left side of the table there is a white cup. On the right side of the table there is a blue jug. "
    "On the left side of the window hangs a coat, and on the right side of the window hangs a hat."
)
PROMPT = "cinematic portrait of an armored knight, volumetric light, 85mm, film grain --ar 16:9 --v 6.0"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (PROSE, Form.PROSE),
        (SIDES, Form.PROSE),
        (PROSE + " 🦊✨", Form.PROSE),
        ("A sign shows the words “ASSISTANT: 出口” above a door that stands open.", Form.PROSE),
        (
            "The man in the photograph seems unable to lift the box, and I can't read what is on it.",
            Form.PROSE,
        ),
        ("A very, very, very small dog sits on a chair that is made of wood.", Form.PROSE),
        (TAGS, Form.TAGS),
        (TAGS.replace("_", " "), Form.TAGS),
        (PROMPT, Form.PROMPT),
        ("Fuchs", None),
        ("Ein Fuchs steht mit seinem Jungen im Schnee und der Himmel ist grau.", None),
    ],
)
def test_judge_leaves_good_texts_alone(text: str, form: Form | None) -> None:
    """Whatever the engine said."""
    assert judge(text, Brief(form), "stop") == ()
    assert judge(text, Brief(form)) == (), "and without a finish reason"


@pytest.mark.parametrize(
    ("text", "form", "kind"),
    [
        ("", Form.PROSE, Kind.EMPTY),
        ("A fox.", Form.PROSE, Kind.EMPTY),
        (" , ,\n", Form.TAGS, Kind.EMPTY),
        (" \n", None, Kind.EMPTY),
        (" ".join([*SENTENCES[:2], *[SENTENCES[2]] * 3, SENTENCES[4]]), Form.PROSE, Kind.LOOP),
        (f"{PROSE} {PROSE}", Form.PROSE, Kind.LOOP),
        (PROSE + " soft" * 12, Form.PROSE, Kind.LOOP),
        (PROSE + ", with a view of the hill" * 5, None, Kind.LOOP),
        (
            PROSE
            + "".join(f" There are {n} trees in the {side}." for n in range(2, 9) for side in ("back",)),
            Form.PROSE,
            Kind.LOOP,
        ),
        (f"{PROMPT}{', light and shadow' * 8}", Form.PROMPT, Kind.LOOP),
        (TAGS + ", hat, bow" * 4, Form.TAGS, Kind.TAG_LOOP),
        (TAGS + "".join(f", {n}girls" for n in range(2, 14)), Form.TAGS, Kind.TAG_LOOP),
        (TAGS + ", hat, bow" * 4, None, Kind.TAG_LOOP),
        ("I'm sorry, but I can't help with describing this image.", Form.PROSE, Kind.REFUSAL),
        ("As an AI, I do not look at pictures of people.", Form.PROSE, Kind.REFUSAL),
        ("I’m unable to view the image that you sent to me.", Form.TAGS, Kind.REFUSAL),
        (PROSE + "<|eot_id|>", Form.PROSE, Kind.LEAK),
        (PROSE + "\nASSISTANT: Here is the revised caption.", None, Kind.LEAK),
        (PROSE + "\n\nUser: What is it?", Form.PROSE, Kind.LEAK),
        ("Okay, let's look. The user wants a caption.", Form.PROSE, Kind.LEAK),
        ("Write a descriptive caption for this image in a formal tone.", Form.PROSE, Kind.LEAK),
        ("A\u0120photograph\u0120of\u0120a\u0120fox\u0120in\u0120snow.", Form.PROSE, Kind.NONSENSE),
        ("A photograph of a fox \ufffd\ufffd in deep snow.", Form.PROSE, Kind.NONSENSE),
        ("A photograph of a foxлис that stands in snow.", Form.PROSE, Kind.NONSENSE),
        ("RuntimeError: the allocator has no memory left.", Form.PROSE, Kind.NONSENSE),
        ("0.0, 0.0, 0.1, 0.3, 0.2, 0.8", Form.PROSE, Kind.NONSENSE),
        (f"{SENTENCES[0]} 背景是点缀着闪烁星辰的深黑色，增添了空灵的宇宙感。", Form.PROSE, Kind.LANGUAGE),
        (
            f"{SENTENCES[0]} Der Fuchs steht mit seinem Jungen auf dem Feld, und der Himmel ist grau;"
            " das Licht kommt von links und ist mit dem Schnee sehr hell.",
            Form.PROSE,
            Kind.LANGUAGE,
        ),
        (TAGS, Form.PROSE, Kind.FORM),
        (PROSE, Form.TAGS, Kind.FORM),
        (f"Sure! Here is a caption: {PROSE}", Form.PROSE, Kind.META),
        (f"{PROSE}\n\nLet me know if you'd like changes!", Form.PROSE, Kind.META),
    ],
)
def test_judge_finds_each_kind(text: str, form: Form | None, kind: Kind) -> None:
    """And says how heavy it is."""
    found = {flaw.kind: flaw for flaw in judge(text, Brief(form), "stop")}
    assert kind in found
    assert found[kind].weight is (Weight.SOFT if kind is Kind.META else Weight.HARD)
    assert 0 <= found[kind].start <= found[kind].end <= len(text)


def test_judge_tells_where_a_flaw_is() -> None:
    """A loop's place begins with its second round: the first one is a good text still."""
    (leak,) = judge(PROSE + "<|eot_id|>", AS_PROSE, "stop")
    assert (PROSE + "<|eot_id|>")[leak.start : leak.end] == "<|eot_id|>"
    text = " ".join([*SENTENCES, *["The sky is grey today."] * 6])
    loop = next(flaw for flaw in judge(text, AS_PROSE, "stop") if flaw.kind is Kind.LOOP)
    assert text[: loop.start] == " ".join([*SENTENCES, "The sky is grey today. "])


def test_judge_takes_the_engine_s_word_for_a_cut() -> None:
    """Without that word only what can't be whole counts."""
    assert [flaw.kind for flaw in judge(PROSE, AS_PROSE, "length")] == [Kind.CUT]
    assert [flaw.kind for flaw in judge(f"{PROSE} The fox stands in front of", AS_PROSE)] == [Kind.CUT]
    assert judge(f"{PROSE} The fox stands in front of", AS_PROSE, "stop") == ()
    assert judge("A fox. Shot on film", AS_PROSE) == (), "a short text may be a title"
    assert judge(f"{PROSE} #fox #snow", AS_PROSE) == ()


def test_judge_allows_a_prompt_of_the_user_s_own_everything_but_loops_and_leaks() -> None:
    """It may ask for one word, or for German."""
    for text in ("I'm sorry, the sign says so", "Ja", TAGS, "背景", "Sure! Here is a caption: yes"):
        assert judge(text, Brief(), "length") == ()


def test_judge_takes_the_engine_s_word_for_a_loop() -> None:
    """It compares tokens, of which there may be no words."""
    assert [flaw.kind for flaw in judge(PROSE, AS_PROSE, "repetition")] == [Kind.LOOP]
    looping = TAGS + ", hat, bow" * 4
    assert [flaw.kind for flaw in judge(looping, Brief(Form.TAGS), "repetition")] == [Kind.TAG_LOOP]


def test_judge_allows_words_of_the_user_s_own_another_language_and_form() -> None:
    """They stand behind a known prompt, and may ask for both."""
    brief = Brief(Form.PROSE, has_own_words=True)
    german = "Ein Fuchs steht mit seinem Jungen auf dem Feld, und der Himmel ist grau und das Licht ist fahl."
    for text in (german, TAGS, "Fuchs"):
        assert judge(text, brief, "stop") == ()
        assert judge(text, AS_PROSE, "stop") != ()
    assert [flaw.kind for flaw in judge("I'm sorry, but I can't.", brief, "stop")] == [Kind.REFUSAL]
    assert judge("A fox.", Brief(Form.PROSE, may_be_short=True), "stop") == ()


def test_judge_finds_what_does_not_heed_the_brief() -> None:
    """All of it is soft: the caption may be good in spite of it."""
    brief = Brief(Form.PROSE, name="Ada", no_watermark=True, no_opening=True)
    text = "This image is a photograph of a woman in a garden. A watermark stands in the corner."
    flaws = judge(text, brief, "stop")
    assert [flaw.kind for flaw in flaws] == [Kind.META, Kind.WATERMARK, Kind.NAME_MISSING]
    assert not any(flaw.is_hard for flaw in flaws)
    assert judge(text, AS_PROSE, "stop") == ()


def test_judge_misses_a_trigger() -> None:
    """In whatever case it is written."""
    assert judge(PROSE, Brief(Form.PROSE, trigger="Red Fox")) == ()
    (flaw,) = judge(PROSE, Brief(Form.PROSE, trigger="ohwx"))
    assert (flaw.kind, flaw.weight) == (Kind.TRIGGER_MISSING, Weight.SOFT)


@pytest.mark.parametrize(
    "piece", ["\n", "a", "<", '"', "\u00ab", ", ", "\u00e9 ", "#a", "\n* ", "If you like "]
)
def test_judge_takes_any_text(piece: str) -> None:
    """However long: its time grows with the length, and not with the square, which would be hours here."""
    text = piece * (500_000 // len(piece)) + " b"
    for form in (*Form, None):
        assert all(0 <= flaw.start <= flaw.end <= len(text) for flaw in judge(text, Brief(form)))
    assert any(flaw.weight is Weight.HARD for flaw in judge(text, AS_PROSE, "stop"))


def test_guess_form_tells_lists_from_sentences() -> None:
    """Also short ones."""
    assert guess_form(TAGS) is Form.TAGS
    assert guess_form("cat, red sofa, window") is Form.TAGS
    assert guess_form(PROSE) is guess_form("a small dog on a bed") is Form.PROSE
