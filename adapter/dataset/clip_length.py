"""Counts the tokens that CLIP makes of a text, which is how long a text its readers see."""

from functools import cache
from typing import Any, Final

# Tokens of text. OpenAI's CLIP has a window of 77 with a begin and an end, so 75 of text; sd-scripts puts
# three windows together; 512 is what trainers of models with T5 allow, whose tokens are about as many.
MAX_CHARACTERS: Final = 16_000
LIMITS: Final = {77: 75, 225: 225, 512: 512}


def clip_tokens(text: str) -> int | None:
    """Gives the number of tokens, without begin and end; None where the tokenizer isn't installed.

    Of a text beyond MAX_CHARACTERS only as many are counted, which are more than any limit: the tokenizer's
    time grows with the square of a word's length.
    """
    tokenizer = _tokenizer()
    return None if tokenizer is None else len(tokenizer.encode(text[:MAX_CHARACTERS]))


def is_available() -> bool:
    """Tells whether the tokenizer is installed."""
    return _tokenizer() is not None


@cache
def _tokenizer() -> Any:
    # There are no wheels of it for each Python and machine that this runs on.
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return None
    return Tokenizer()
