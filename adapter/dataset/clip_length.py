"""Counts the tokens that CLIP makes of a text, which is how long a text its readers see."""

from functools import cache
from typing import Any, Final

# Tokens of text. OpenAI's CLIP has a window of 77 with a begin and an end, so 75 of text; sd-scripts puts
# three windows together; 512 is what trainers of models with T5 allow, whose tokens are about as many.
LIMITS: Final = {77: 75, 225: 225, 512: 512}


def clip_tokens(text: str) -> int | None:
    """Gives the number of tokens, without begin and end; None where the tokenizer isn't installed."""
    tokenizer = _tokenizer()
    return None if tokenizer is None else len(tokenizer.encode(text))


@cache
def _tokenizer() -> Any:
    # There are no wheels of it for each Python and machine that this runs on.
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return None
    return Tokenizer()
