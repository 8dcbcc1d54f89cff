"""Llama 3's real vocabulary in a running engine: each prompt has the tokens that the model was trained on."""

import asyncio
import importlib.resources
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from llama_models.llama3.tokenizer import Tokenizer

from adapter.caption.prompts import PromptBook
from adapter.caption.request import question, to_messages
from adapter.config import PROJECT_DIR
from adapter.engine.client import EngineClient, encode
from adapter.engine.process import launched
from adapter.engine_settings import EngineSettings
from adapter.images.pixels import probe_image, to_data_url
from demo.captions import PromptSampler

VOCABULARY = 128256
RESERVED = "<|reserved_special_token_"
IMAGE = f"{RESERVED}69|>"
IMAGE_TOKENS = 729
START_LIMIT_S = 300.0
# Scripts and signs of all kinds, from which prompts are drawn.
ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "àéîõüßøłžşğ",
    "абвгдежзиклмнопрстуфхцчшщ",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "अआइईउऊएऐओऔकखगघचछजझ",
    "กขคงจฉชซญดตถทนบปผพฟม",
    "日本語漢字画像説明文章",
    "ひらがなカタカナ",
    "한국어설명이미지",
    "😀🎨👩‍🎨🏳️‍🌈🇫🇷",
    " \t\n",
    ".,;:!?'\"()[]{}<>|/\\@#$%^&*-_=+~`",
)


@pytest.fixture
def model(engine_python: Path, tmp_path: Path) -> Path:
    """Writes a model without weights, with Llama 3's vocabulary and a tokenizer that adds a beginning of
    text.
    """
    ranks = importlib.resources.files("llama_models") / "llama3/tokenizer.model"
    folder = str(tmp_path / "model")
    for command in (
        [sys.executable, "bench/geometry.py", "small", folder, "--vocabulary", str(VOCABULARY)],
        [str(engine_python), "tests/e2e/llama3_tokenizer.py", str(ranks), folder],
    ):
        subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True, timeout=200)
    return Path(folder)


@pytest.fixture
async def engine(model: Path, engine_python: Path, tmp_path: Path) -> AsyncIterator[EngineClient]:
    """Runs an engine with that model, and gives it once it answers."""
    lines: list[str] = []
    socket = tmp_path / "run/engine.sock"
    settings = EngineSettings.load(
        {"model": str(model), "engine_args": "--load-format dummy", "engine_python": engine_python}
    )
    async with launched(settings, socket, lines.append, gpus=()):
        client = EngineClient(f"unix:{socket}", START_LIMIT_S)
        async with asyncio.timeout(START_LIMIT_S):
            while not await client.healthy(1.0):
                assert not any(line.startswith("error: ") for line in lines), lines[-30:]
                await asyncio.sleep(0.2)
        yield client
        await client.close()


def joycaption_id(reserved: str) -> int:
    """Gives the id of a reserved token from the third on, as Llama 3.1 was published and JoyCaption trained.

    Meta's package has given two of the names in between to other tokens since.
    """
    return 128_008 + int(reserved.removeprefix(RESERVED).removesuffix("|>"))


def prompts(book: PromptBook) -> list[str]:
    """Gives 300 prompts: the model's own, and texts in many scripts."""
    rng = random.Random(9)
    sampler = PromptSampler(book, rng)
    own = [sampler.any()[0] for _ in range(100)]
    drawn = []
    for number in range(200):
        alphabets = rng.sample(ALPHABETS, rng.randint(1, 4))
        words = (
            "".join(rng.choices(rng.choice(alphabets), k=rng.randint(1, 9)))
            for _ in range(rng.randint(1, 30))
        )
        drawn.append(rng.choice((" ", "", "\n")).join(words) if number % 10 else f"  {' '.join(words)} \n")
    return own + drawn


async def test_tokens_are_those_of_llama_3_with_one_beginning_of_text(
    engine: EngineClient, book: PromptBook
) -> None:
    """The reference is the rendered template in Meta's own tokenizer, by which the author's script goes."""
    ranks = importlib.resources.files("llama_models") / "llama3/tokenizer.model"
    tokenizer = Tokenizer(Path(str(ranks)))
    reserved = {id: name for name, id in tokenizer.special_tokens.items() if name.startswith(RESERVED)}
    image = joycaption_id(IMAGE)
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(
        (PROJECT_DIR / "demo/model/chat_template.jinja").read_text()
    )
    model = (await engine.model()).id
    url = to_data_url(probe_image("red", "white")).decode()
    for prompt in prompts(book):
        messages = [{"role": "system", "content": book.system_prompt}, {"role": "user", "content": prompt}]
        text = template.render(messages=messages, bos_token="<|begin_of_text|>", add_generation_prompt=True)
        ids = [
            joycaption_id(reserved[id]) if id in reserved else id
            for id in tokenizer.encode(text, bos=False, eos=False, allowed_special="all")
        ]
        place = ids.index(image)
        expected = ids[:place] + [image] * IMAGE_TOKENS + ids[place + 1 :]
        got = await engine.tokenize(model, to_messages(question(prompt, book.system_prompt), url))
        assert got == expected, prompt
        assert got.count(tokenizer.bos_id) == 1

    # Each of the model's logits has a word, so that what it writes without weights says something.
    body = {
        "model": model,
        "messages": to_messages(question("Say.", book.system_prompt), url),
        "max_tokens": 32,
    }
    answer = await engine.complete(encode(body | {"temperature": 0.0}))
    assert answer.choices[0].message.content
