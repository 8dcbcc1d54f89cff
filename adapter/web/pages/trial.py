"""A caption that somebody tries: what is asked, its text as it is written, and what is to be said of it."""

import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from pydantic import Field

from adapter.caption.prompts import PromptBook
from adapter.caption.quality import judge
from adapter.caption.request import CaptionRequest, question
from adapter.captioner.answering import Captioner
from adapter.field_names import fields_named
from adapter.images.sources import DataURL
from adapter.trace import Trace
from adapter.web.wire import PROMPT_FIELD_NAMES, SampledPromptOptions


class Wanted(SampledPromptOptions):
    """What is asked about an image, and how the answer is sampled."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    def caption_request(self, book: PromptBook) -> CaptionRequest:
        """Gives what the model is asked. Raises UnknownStyleError and WrongFieldError."""
        choice = self.whole_choice
        with fields_named(PROMPT_FIELD_NAMES):
            if choice.caption_type:
                book.require_caption_type(choice.caption_type)
            prompt = book.prompt(choice)
        sampling = book.sampling_for(choice).overridden(**self.sampled, seed=self.seed)
        return CaptionRequest(question(prompt, book.system_prompt), sampling, brief=book.briefs.of(prompt))


class TrialBody(Wanted):
    """The body of `POST /api/caption`. `image` is a data URL."""

    image: Annotated[str, Field(min_length=1)]


async def trial_events(
    captioner: Captioner, body: TrialBody, request: CaptionRequest, trace: Trace
) -> AsyncGenerator[dict[str, Any]]:
    """Yields `prompt`, then `text` for each piece that is written, and at the end `done` with the judgement.

    A text that has been shown isn't taken back, so that it is judged but not asked for again. Raises as
    `Captioner.ask` does.
    """
    started = time.monotonic()
    yield {"prompt": request.prompt}
    image = DataURL(body.image)
    await captioner.inspect(image)
    text, reason, tokens = "", "stop", 0
    async for chunks in captioner.ask(image, request, trace):
        for chunk in chunks:
            if usage := chunk.get("usage"):
                tokens = usage.get("completion_tokens", 0)
            for choice in chunk["choices"]:
                piece = choice["delta"].get("content", "")
                reason = choice["finish_reason"] or reason
                if piece:
                    text += piece
                    yield {"text": piece}
    flaws = () if request.brief is None else judge(text, request.brief, reason)
    yield {
        "done": {
            "text": text,
            "flaws": [flaw.as_dict() for flaw in flaws],
            "finish_reason": reason,
            "tokens": tokens,
            "seconds": round(time.monotonic() - started, 3),
        }
    }
