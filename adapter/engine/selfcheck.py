"""Checks that an engine sees images, and gets the tokens that the model was trained on.

It is asked once, through the running engine, before anyone is told that it is ready.
"""

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from adapter.caption.request import question, to_messages
from adapter.caption.sampling import Sampling
from adapter.engine.client import EngineClient, encode
from adapter.engine.extra_fields import CHOICES, extra_fields
from adapter.errors import CaptionError, EngineRefusedError, SelfCheckError
from adapter.images.pixels import probe_image, to_data_url

PROBE_COLOURS = (("red", "white"), ("blue", "yellow"))
PROBE_TOKENS = 24
PROBE_PRIORITY = -1  # before everybody: people wait for the engine to be ready
STRAY_PLACEHOLDER = "<image>"


@dataclass(frozen=True)
class Probe:
    """A conversation, and its token ids by the model's own processor.

    `ids` is None where they aren't known, for an engine that was started elsewhere.
    """

    system: str
    prompt: str
    ids: list[int] | None = None

    @classmethod
    def load(cls, path: Path) -> "Probe":
        """Reads what `template` wrote when the engine was launched. Raises OSError."""
        written = json.loads(path.read_bytes())
        return cls(written["system"], written["prompt"], written["ids"])


async def check(client: EngineClient, model: str, probe: Probe) -> frozenset[str]:
    """Checks the engine, and tells which of vLLM's own fields it takes.

    Raises SelfCheckError where one of the checks fails, or the engine can't be asked.
    """
    try:
        await check_tokens(client, model, probe)
        return await check_sight(client, model, probe)
    except SelfCheckError:
        raise
    except CaptionError as error:
        raise SelfCheckError(f"Self-check failed: {error}") from error


async def check_tokens(client: EngineClient, model: str, probe: Probe) -> None:
    """Checks that the probe's token ids are the reference's, with as many image tokens.

    Raises SelfCheckError.
    """
    image_url = to_data_url(probe_image(*PROBE_COLOURS[0])).decode()
    ids = await client.tokenize(model, to_messages(question(probe.prompt, probe.system), image_url))
    longest = max((len(list(run)) for _, run in groupby(ids)), default=0)
    if probe.ids is None:
        if longest < 2:
            raise SelfCheckError("Self-check of tokens failed: the prompt holds no image tokens")
        if STRAY_PLACEHOLDER in await client.detokenize(model, ids):
            raise SelfCheckError(
                f"Self-check of tokens failed: the engine writes {STRAY_PLACEHOLDER} into prompts; "
                "start it by launch_vllm.sh, which derives the right chat template"
            )
    elif ids != probe.ids:
        place = next(
            (n for n, (a, b) in enumerate(zip(ids, probe.ids, strict=False)) if a != b),
            min(len(ids), len(probe.ids)),
        )
        raise SelfCheckError(
            f"Self-check of tokens failed: the engine makes {len(ids)} tokens of the probe, the model's "
            f"own processor {len(probe.ids)}; they differ from number {place} on"
        )


async def check_sight(client: EngineClient, model: str, probe: Probe) -> frozenset[str]:
    """Checks that two images of different colours get different answers. Raises SelfCheckError.

    Tells which of vLLM's own fields the engine takes.
    """
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=PROBE_TOKENS)
    choices = list(CHOICES)
    answers = set()
    for colours in PROBE_COLOURS:
        image_url = to_data_url(probe_image(*colours)).decode()
        messages = to_messages(question(probe.prompt, probe.system), image_url)
        arguments = {"model": model, "messages": messages, **greedy.arguments()}
        while True:
            try:
                fields = extra_fields(choices[0], PROBE_PRIORITY)
                completion = await client.complete(encode(arguments | fields))
                break
            except EngineRefusedError:
                del choices[0]
                if not choices:
                    raise
        answers.add(completion.choices[0].message.content if completion.choices else None)
    if len(answers) < len(PROBE_COLOURS):
        raise SelfCheckError(
            "Self-check of sight failed: the engine answers the same to differently coloured images"
        )
    return choices[0]
