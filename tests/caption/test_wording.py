"""What a caption must not say."""

import pytest

from adapter.caption.flaws import Form
from adapter.caption.wording import language, leak, meta, nonsense, refusal


@pytest.mark.parametrize(
    "text",
    [
        'A shirt with the words "USER: admin" stands on a chair.',
        'A sign says "I\'m sorry" and “<end of line>”.',
        "A man, the user of a phone, sits with an assistant: both smile.",
        "Sorry-looking flowers stand in a vase.",
        "An assistant helps a human; the system: a large machine.",
        "A monitor shows HTML such as <div> and <b>.",
        "An artist's impression: certainly a dragon.",
        "A bottle of Crème brûlée liqueur from Kraków, beside a naïve painting.",
        'The sign reads "Willkommen bei uns auf dem Land, wir sind für Sie da und freuen uns".',
        "A van der Waals poster by the Rijksmuseum, and a statue of Don Quijote de la Mancha.",
        "A logo of the brand T-34, with the code XKCD and the number 0123456789.",
        "Neon kanji 東京 glow above a narrow street at night.",
    ],
)
def test_what_belongs_to_the_image_is_left_alone(text: str) -> None:
    """Quotations, names and foreign words are part of a picture."""
    found = [find(text, Form.PROSE) for find in (refusal, leak, nonsense, language, meta)]
    assert found == [None] * 5


@pytest.mark.parametrize(
    "piece",
    [
        "<|eot_id|>",
        "</s>",
        "<end_of_utterance>",
        "[INST]",
        "◁think▷",
        "</think>",
        "ASSISTANT: yes",
        "<|im_st",
    ],
)
def test_leak_gives_the_place(piece: str) -> None:
    """So that what is left of the text can be kept."""
    text = f"A fox in the snow. {piece}"
    place = leak(text, Form.PROSE)
    assert place is not None
    assert place[0] in (len("A fox in the snow."), len("A fox in the snow. "))


def test_language_says_where_english_ends() -> None:
    """To within a dozen words, where the letters are the same."""
    text = (
        "A fox stands in the snow and looks at the camera. "
        + "Le renard est dans la neige avec des arbres. " * 3
    )
    place = language(text, Form.PROSE)
    assert place is not None
    assert place[0] <= text.index("Le renard") + 40
    assert language(text, Form.PROMPT) is None, "a prompt has hardly any words of either"
