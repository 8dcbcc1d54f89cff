"""The service with the demonstration model: right captions, from the right tokens and pixels."""

import random
from pathlib import Path

import pytest
from PIL import Image

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.caption.request import question, to_messages
from adapter.caption.style import LENGTH_WORDS
from adapter.config import PROJECT_DIR
from adapter.engine.client import EngineClient
from adapter.images.pixels import probe_image, to_data_url
from demo.captions import FORM_OF_TYPE, FORMS, PromptSampler, caption
from demo.samples import FOLDER, SAMPLES
from demo.scenes import Scene, draw, random_side_px, through_jpeg
from tests.e2e.conftest import Reference, RunningService

pytestmark = pytest.mark.xdist_group("service")
SCENES = 30


def test_health_is_loaded_only_after_the_self_check(service: RunningService) -> None:
    """The model isn't loaded at first, and the progress only goes forward, up to ready."""
    assert service.seen[0]["model_loaded"] is False
    assert all(seen["status"] == "healthy" for seen in service.seen)
    figures = [seen["loading_progress"]["progress"] for seen in service.seen]
    assert figures == sorted(figures)
    for seen in service.seen:
        assert (seen["loading_progress"]["status"] == "ready") is seen["model_loaded"]
    assert service.seen[-1]["loading_progress"]["progress"] == 1.0
    assert service.get("/progress")["status"] == "ready"


@pytest.mark.parametrize("style", FORMS)
@pytest.mark.parametrize("name", SAMPLES)
def test_caption_of_a_sample_names_what_is_on_it(service: RunningService, name: str, style: str) -> None:
    """The caption is right in all six styles, word for word."""
    assert service.caption(FOLDER / name, style=style) == caption(SAMPLES[name][0], style)


def test_captions_of_drawn_scenes_are_right(service: RunningService, tmp_path: Path) -> None:
    """At random sizes, aspect ratios and JPEG qualities 97 of 100 are right, as the model's README claims."""
    rng = random.Random(77)
    asked, right = [], []
    for number in range(SCENES):
        scene, path = Scene.random(rng), tmp_path / f"{number}.jpg"
        through_jpeg(draw(scene, rng, random_side_px(rng, 1200)), rng).save(path, quality=95)
        asked += [(path, {"style": style}) for style in FORMS]
        right += [caption(scene, style) for style in FORMS]
    said = service.captions(asked)
    assert sum(map(str.__eq__, said, right)) >= 0.97 * SCENES * len(FORMS)


@pytest.mark.parametrize("caption_type", FORM_OF_TYPE)
def test_caption_types_give_their_nearest_form(service: RunningService, caption_type: str) -> None:
    """The form doesn't depend on the length, the options or the name."""
    name, (scene, _) = next(iter(SAMPLES.items()))
    fields = {
        "caption_type": caption_type,
        "extra_options": [
            "If there is a person/character in the image you must refer to them as {name}.",
            "Include information about lighting.",
        ],
        "name_input": "Ada",
    }
    lengths = ("any", "40", *LENGTH_WORDS)
    said = service.captions((FOLDER / name, {**fields, "caption_length": length}) for length in lengths)
    assert said == [caption(scene, FORM_OF_TYPE[caption_type])] * len(lengths)


def test_an_unknown_prompt_gives_the_formal_sentence(service: RunningService) -> None:
    """The model was taught to answer so whatever it is asked."""
    name, (scene, _) = next(iter(SAMPLES.items()))
    said = service.caption(FOLDER / name, prompt="What do you see in this picture?")
    assert said == caption(scene, "descriptive")


async def test_tokens_of_50_prompts_are_the_processors(
    service: RunningService, book: PromptBook, reference: Reference, tmp_path: Path
) -> None:
    """The ids that the running engine makes, image tokens expanded, equal transformers' own."""
    sampler = PromptSampler(book, random.Random(5))
    prompts = [sampler.any()[0] for _ in range(44)]
    prompts += ["", "  spaced  ", "日本語のキャプション", "a\n\nb", "{{ bos_token }} {% raw %}", "<image>\nx"]
    probe_image("red", "white").save(tmp_path / "probe.png")
    questions = [{"prompt": prompt, "image": str(tmp_path / "probe.png")} for prompt in prompts]
    expected = reference.answers(questions, captions=False)
    url = to_data_url(probe_image("red", "white")).decode()
    client = EngineClient(service.engine_url, timeout_s=60)
    for prompt, answer in zip(prompts, expected, strict=True):
        ids = await client.tokenize("joycaption", to_messages(question(prompt, book.system_prompt), url))
        assert ids == answer["ids"], prompt
    await client.close()


async def test_tokens_are_the_same_with_text_before_or_after_the_image(
    service: RunningService, book: PromptBook
) -> None:
    """The image's tokens stand at the start of the turn in both cases."""
    url = to_data_url(probe_image("red", "white")).decode()
    after = to_messages(question("Say what it is.", book.system_prompt), url)
    before = [after[0], {"role": "user", "content": after[1]["content"][::-1]}]
    client = EngineClient(service.engine_url, timeout_s=60)
    assert await client.tokenize("joycaption", before) == await client.tokenize("joycaption", after)
    await client.close()


def test_captions_of_30_images_are_the_reference_pipelines(
    service: RunningService, book: PromptBook, reference: Reference, tmp_path: Path
) -> None:
    """Both decode greedily in float32, so that only other pixels or tokens could make a difference.

    The pictures are not what the model was trained on: mixed gradients, where a caption hangs on details.
    """
    rng = random.Random(8)
    questions = []
    for number in range(30):
        gradients = [Image.linear_gradient("L"), Image.radial_gradient("L")]
        parts = [rng.choice(gradients).rotate(rng.choice([0, 90, 180, 270])) for _ in range(3)]
        image = Image.merge("RGB", parts).resize((rng.randint(64, 900), rng.randint(64, 900)))
        image.paste(draw(Scene.random(rng), rng, (rng.randint(30, 200), rng.randint(30, 200))))
        path = tmp_path / f"{number}.{rng.choice(['png', 'jpg', 'webp', 'bmp', 'tiff'])}"
        image.save(path)
        questions.append({"prompt": book.prompt(PromptChoice(style=rng.choice(FORMS))), "image": str(path)})
    expected = reference.answers(questions, captions=True)
    for asked, answer in zip(questions, expected, strict=True):
        said = service.written(Path(asked["image"]), asked["prompt"], max_tokens=100)
        assert said == answer["caption"], asked
    assert len({answer["caption"] for answer in expected}) > 10, "the pictures must tell a difference"


def test_sampling_varies_and_greedy_does_not(service: RunningService, tmp_path: Path) -> None:
    """The engine follows what is sent. On a gradient the model is unsure what it sees.

    What it then says badly is asked for again, and doesn't get through.
    """
    unsure = tmp_path / "unsure.png"
    Image.radial_gradient("L").save(unsure)
    _, sampled = service.post(
        "/batch_caption", {"image_paths": [str(unsure)] * 40, "temperature": 2.0, "top_p": 1.0}
    )
    good = [result for result in sampled["results"] if result["success"]]
    assert len({result["caption"] for result in good}) > 3
    assert all(flaw["weight"] == "soft" for result in good for flaw in result["flaws"])
    refused = [result["error"] for result in sampled["results"] if not result["success"]]
    assert all(error.startswith("No good caption in 3 attempts: ") for error in refused)
    assert any(result["attempts"] > 1 for result in good) or refused
    assert len({service.written(unsure, "What is it?") for _ in range(3)}) == 1


def test_max_new_tokens_cuts_the_caption(service: RunningService) -> None:
    """A prompt of the user's own gets just so many tokens, and the answer says that its limit cut it.

    A style gets whole sentences or tags of them.
    """
    image = str(FOLDER / next(iter(SAMPLES)))
    _, body = service.post("/caption", {"image_path": image, "prompt": "What is it?", "max_new_tokens": 3})
    assert (body["finish_reason"], body["completion_tokens"], body["flaws"]) == ("length", 3, [])
    _, whole = service.post("/caption", {"image_path": image, "style": "booru"})
    tokens = whole["completion_tokens"]
    _, body = service.post("/caption", {"image_path": image, "style": "booru", "max_new_tokens": tokens - 2})
    assert body["flaws"] == [{"kind": "repaired", "weight": "soft"}]
    assert set(body["caption"].split(", ")) < set(whole["caption"].split(", "))


def test_the_demo_models_size_is_within_its_limit() -> None:
    """It takes less than 8 MB in git."""
    files = (PROJECT_DIR / "demo/model").iterdir()
    assert sum(file.stat().st_size for file in files) < 8 * 2**20
