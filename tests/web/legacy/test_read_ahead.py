"""Images that are captioned before a client asks for them: when, which, and that nobody notices otherwise."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from adapter.captioner.priority import Priority
from adapter.engine.extra_fields import PRIORITY
from adapter.images import neighbours
from adapter.web.app_keys import CAPTIONER, FLEET
from tests.fake_engine import FakeEngine, completion, image_url
from tests.waiting import until
from tests.web.conftest import Service

NAMES = tuple(f"{number:02}.png" for number in range(1, 13))
off = pytest.mark.parametrize("starting", [{"read_ahead": False}], indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder of twelve different pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        draw(folder / name, number)
    return folder


def draw(path: Path, number: int) -> None:
    """Draws a small picture that looks like no other number's."""
    Image.new("RGB", (64, 48), (number * 20, 30, 40)).save(path, "PNG")


class Gate:
    """Makes the engine answer guesses, or all that it is asked, only once the gate is open."""

    def __init__(self, engine: FakeEngine, *, for_all: bool = False) -> None:
        self.is_open = asyncio.Event()
        self.status = 200
        self._for_all = for_all
        engine.answer = self._answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        status = 200
        if self._for_all or body[PRIORITY] == Priority.AHEAD:
            await self.is_open.wait()
            status = self.status
        digest = hashlib.sha256(image_url(body).encode()).hexdigest()[:8]
        return web.json_response(completion(f" a picture {digest} \n"), status=status)


async def ask(service: Service, path: Path, **options: Any) -> dict[str, Any]:
    """Asks for one caption as the UI does, and gives the answer."""
    status, body = await service.post("/caption", {"image_path": str(path), **options})
    assert status == 200, body
    answer: dict[str, Any] = body
    return answer


async def ask_three(service: Service, folder: Path, **options: Any) -> None:
    """Asks for the first three, and returns once the engine was asked for the fourth and the fifth."""
    before = len(service.engine.asked)
    for name in NAMES[:3]:
        await ask(service, folder / name, **options)
    await until(lambda: len(service.engine.asked) == before + 5)


async def counted(service: Service) -> dict[str, float]:
    """Gives the metrics that have no labels."""
    async with service.session.get(service.server.make_url("/metrics")) as response:
        families = text_string_to_metric_families(await response.text())
        return {
            sample.name.removeprefix("joycaption_"): sample.value
            for family in families
            for sample in family.samples
            if not sample.labels
        }


async def settle(service: Service, asked: int = 0) -> None:
    """Waits until the engine was asked that often, and nothing is captioned any more."""
    admission = service.app[CAPTIONER].admission
    await until(lambda: len(service.engine.asked) >= asked)
    await until(lambda: not admission.in_flight and not service.engine.under_way)


# --- Which images ---------------------------------------------------------------------------------------


async def test_the_fourth_in_a_row_has_its_caption_already(service: Service, folder: Path) -> None:
    """The engine isn't asked for it again, and the figures say whose the work was."""
    await ask_three(service, folder)
    await settle(service)
    assert [body[PRIORITY] for body in service.engine.asked] == [Priority.PERSON] * 3 + [Priority.AHEAD] * 2
    answer = await ask(service, folder / NAMES[3])
    await until(lambda: len(service.engine.asked) == 6)  # the sixth picture, and not the fourth again
    assert answer["completion_tokens"] == 5
    assert answer["generation_time"] > 0
    found = await counted(service)
    assert (found["read_ahead_hits_total"], found["read_ahead_misses_total"]) == (1, 0)
    assert found["captions_total"] == 4
    assert service.app[CAPTIONER].captions_made == 4


async def test_answers_are_those_that_the_engine_gives_otherwise(service: Service, folder: Path) -> None:
    """Each is the text of its own image, for a whole folder, with every image asked for once."""
    texts = []
    for number, name in enumerate(NAMES, 1):
        texts.append((await ask(service, folder / name, do_sample=False))["caption"])
        await settle(service, asked=number if number < 3 else min(number + 2, len(NAMES)))
    assert len(set(texts)) == len(NAMES)
    found = await counted(service)
    assert found["read_ahead_hits_total"] == len(NAMES) - 3
    assert found["read_ahead_wasted_tokens_total"] == 0
    status, body = await service.post(
        "/batch_caption", {"image_paths": [str(folder / name) for name in NAMES], "do_sample": False}
    )
    assert status == 200
    assert [result["caption"] for result in body["results"]] == texts


@off
async def test_turned_off_nothing_is_captioned_ahead(service: Service, folder: Path) -> None:
    """As many questions as answers."""
    for name in NAMES[:6]:
        await ask(service, folder / name)
    await settle(service)
    assert len(service.engine.asked) == 6
    assert (await counted(service))["read_ahead_hits_total"] == 0


async def test_a_guess_is_given_once(service: Service, folder: Path) -> None:
    """Whoever asks again wants another answer."""
    await ask_three(service, folder)
    for _ in range(2):
        await ask(service, folder / NAMES[3])
    await until(lambda: sum(body[PRIORITY] == Priority.PERSON for body in service.engine.asked) == 4)
    assert (await counted(service))["read_ahead_hits_total"] == 1


@pytest.mark.parametrize(
    "options", [{"do_sample": False}, {"max_new_tokens": 99}, {"style": "casual"}, {"top_k": 3}]
)
async def test_other_options_get_no_guess(service: Service, folder: Path, options: dict[str, Any]) -> None:
    """A caption belongs to all that was asked."""
    await ask_three(service, folder)
    await ask(service, folder / NAMES[3], **options)
    assert sum(body[PRIORITY] == Priority.PERSON for body in service.engine.asked) == 4
    assert (await counted(service))["read_ahead_hits_total"] == 0


async def test_a_file_that_was_replaced_is_captioned_anew(service: Service, folder: Path) -> None:
    """The guess was about another picture."""
    await ask_three(service, folder)
    await settle(service)
    old = (await ask(service, folder / NAMES[0]))["caption"]
    draw(folder / "new", 0)
    (folder / "new").replace(folder / NAMES[3])
    assert (await ask(service, folder / NAMES[3]))["caption"] == old
    found = await counted(service)
    assert (found["read_ahead_hits_total"], found["read_ahead_misses_total"]) == (0, 1)
    assert found["read_ahead_wasted_tokens_total"] == 5


@pytest.mark.parametrize("text", ["", "a text"])
async def test_images_with_a_text_are_left_out(service: Service, folder: Path, text: str) -> None:
    """Also with an empty one, and with one that came after the folder was listed."""
    (folder / "04.txt").write_text(text)
    for name in NAMES[:3]:
        await ask(service, folder / name)
        (folder / name).with_suffix(".txt").write_text("its caption")
    await settle(service, asked=5)
    (folder / "07.txt").write_text(text)
    for asked, name in ((6, NAMES[4]), (7, NAMES[5]), (8, NAMES[7])):
        await ask(service, folder / name)
        await settle(service, asked)
    assert (await counted(service))["read_ahead_hits_total"] == 3
    await ask(service, folder / NAMES[3])
    await ask(service, folder / NAMES[6])
    assert (await counted(service))["read_ahead_hits_total"] == 3


async def test_the_order_may_be_that_of_the_folder(service: Service, tmp_path: Path) -> None:
    """As the file system lists it."""
    folder = tmp_path / "listed"
    folder.mkdir()
    for number in range(12):
        draw(folder / f"{hashlib.sha256(bytes([number])).hexdigest()}.png", number)
    paths = [Path(entry.path) for entry in os.scandir(folder)]
    for path in paths[:3]:
        await ask(service, path)
    await until(lambda: len(service.engine.asked) == 5)
    for path in paths[3:]:
        await ask(service, path)
    await settle(service)
    assert len(service.engine.asked) == 12


async def test_a_client_that_jumps_about_is_not_foreseen(service: Service, folder: Path) -> None:
    """Nor is one that goes backwards."""
    for number in (11, 7, 3, 9, 0, 8, 6, 4, 2):
        await ask(service, folder / NAMES[number])
    await settle(service)
    assert len(service.engine.asked) == 9


async def test_links_are_never_followed_ahead(service: Service, folder: Path, tmp_path: Path) -> None:
    """Wherever they lead: out of the folder, to nothing, to a pipe or in a circle."""
    draw(tmp_path / "outside.png", 12)
    for name in NAMES[3:7]:
        (folder / name).unlink()
    (folder / NAMES[3]).symlink_to(tmp_path / "outside.png")
    (folder / NAMES[4]).symlink_to("nothing")
    (folder / NAMES[5]).symlink_to(NAMES[5])
    os.mkfifo(folder / NAMES[6])
    await ask_three(service, folder)
    await ask(service, folder / NAMES[3])  # who asks for it gets it
    await ask(service, folder / NAMES[7])
    found = await counted(service)
    assert found["read_ahead_hits_total"] == 1
    assert found["captions_total"] == 5


async def test_a_huge_folder_is_left_alone(
    service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing it would cost more than it brings."""
    monkeypatch.setattr(neighbours, "MAX_ENTRIES", len(NAMES) - 1)
    for name in NAMES[:6]:
        await ask(service, folder / name)
    await settle(service)
    assert len(service.engine.asked) == 6


async def test_clients_in_two_folders_are_followed_apart(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    """At one time."""
    other = tmp_path / "more"
    other.mkdir()
    for number, name in enumerate(NAMES):
        draw(other / name, number)

    for number, name in enumerate(NAMES, 1):
        await asyncio.gather(*(ask(service, place / name) for place in (folder, other)))
        await settle(service, asked=2 * (number if number < 3 else min(number + 2, len(NAMES))))
    assert len(service.engine.asked) == 2 * len(NAMES)
    assert (await counted(service))["read_ahead_hits_total"] == 2 * (len(NAMES) - 3)


async def test_a_client_that_sends_all_at_once_is_not_foreseen(service: Service, folder: Path) -> None:
    """It keeps the engine busy by itself."""
    gate = Gate(service.engine, for_all=True)
    asking = [asyncio.create_task(ask(service, folder / name)) for name in NAMES[:8]]
    await until(lambda: service.engine.under_way == 8)
    gate.is_open.set()
    await asyncio.gather(*asking)
    await settle(service)
    assert len(service.engine.asked) == 8


async def test_a_client_that_never_pauses_has_nothing_captioned_twice(service: Service, folder: Path) -> None:
    """Whether it or its guesses are faster."""
    for _ in range(3):
        for name in NAMES:
            await ask(service, folder / name)
    await settle(service)
    assert len(service.engine.asked) == 3 * len(NAMES)
    assert (await counted(service))["read_ahead_misses_total"] == 0


# --- Failures, and the end ------------------------------------------------------------------------------


async def test_a_guess_under_way_is_taken_over(service: Service, folder: Path) -> None:
    """The request waits for it, and the window grows."""
    gate = Gate(service.engine)
    await ask_three(service, folder)
    asking = asyncio.create_task(ask(service, folder / NAMES[3]))
    await until(lambda: service.engine.under_way == 4)  # the fifth's, and three of a window that has grown
    gate.is_open.set()
    answer = await asking
    await settle(service)
    assert len(service.engine.asked) == 7
    service.engine.answer = None
    status, body = await service.post("/batch_caption", {"image_paths": [str(folder / NAMES[3])]})
    assert (status, body["results"][0]["caption"]) == (200, answer["caption"])


async def test_a_guess_that_fails_is_asked_for_as_if_there_were_none(service: Service, folder: Path) -> None:
    """So errors are those of the request itself."""
    gate = Gate(service.engine)
    gate.status = 500
    gate.is_open.set()
    (folder / NAMES[4]).write_bytes(b"no image")
    for name in NAMES[:3]:
        await ask(service, folder / name)
    await until(lambda: len(service.engine.asked) == 4)
    await ask(service, folder / NAMES[3])
    status, body = await service.post("/caption", {"image_path": str(folder / NAMES[4])})
    assert (status, body["success"]) == (422, False)
    found = await counted(service)
    assert (found["read_ahead_hits_total"], found["read_ahead_misses_total"]) == (0, 2)


async def test_a_client_that_leaves_ends_its_guesses(service: Service, folder: Path) -> None:
    """The one that its request has taken over, and those after it."""
    Gate(service.engine)
    await ask_three(service, folder)
    asking = asyncio.create_task(ask(service, folder / NAMES[3]))
    await until(lambda: service.engine.under_way == 4)
    asking.cancel()
    await until(lambda: service.engine.under_way == 0)
    assert service.engine.aborted == 4
    assert service.app[CAPTIONER].admission.admitted == 0


async def test_a_wrong_guess_ends_those_under_way(service: Service, folder: Path) -> None:
    """The client has gone elsewhere."""
    Gate(service.engine)
    await ask_three(service, folder)
    await ask(service, folder / NAMES[9])
    await until(lambda: service.engine.under_way == 0)
    found = await counted(service)
    assert (found["read_ahead_hits_total"], found["read_ahead_misses_total"]) == (0, 2)


@pytest.mark.parametrize("starting", [{"drain_s": 600}], indirect=True)
async def test_the_end_of_the_service_does_not_wait_for_guesses(service: Service, folder: Path) -> None:
    """Nobody has asked for them."""
    Gate(service.engine)
    await ask_three(service, folder)
    async with asyncio.timeout(30):
        await service.app.shutdown()
    await until(lambda: service.engine.under_way == 0)


@pytest.mark.parametrize("starting", [{"drain_s": 600}], indirect=True)
async def test_the_end_of_the_service_waits_for_a_guess_that_was_asked_for(
    service: Service, folder: Path
) -> None:
    """It is a request as any other by then."""
    gate = Gate(service.engine)
    await ask_three(service, folder)
    asking = asyncio.create_task(ask(service, folder / NAMES[3]))
    await until(lambda: service.engine.under_way == 4)
    ending = asyncio.create_task(service.app.shutdown())
    await until(lambda: service.engine.under_way == 1)
    gate.is_open.set()
    assert (await asking)["success"] is True
    await ending


async def test_a_guess_that_was_asked_for_is_given_up_as_any_request(service: Service, folder: Path) -> None:
    """With the error that says why."""
    Gate(service.engine)
    await ask_three(service, folder)
    asking = asyncio.create_task(service.post("/caption", {"image_path": str(folder / NAMES[3])}))
    await until(lambda: service.engine.under_way == 4)
    await service.app.shutdown()
    status, body = await asking
    assert (status, body["error"]) == (503, "The service is shutting down")


async def test_guesses_do_not_outlive_their_engine(service: Service, folder: Path) -> None:
    """They neither wait for another one nor are they asked again when it is back."""
    Gate(service.engine)
    await ask_three(service, folder)
    engine = service.app[FLEET].engines[0]
    engine.status.update(state="restarting")
    await until(lambda: service.engine.under_way == 0)
    engine.status.update(state="ready")
    service.engine.answer = None
    await ask(service, folder / NAMES[3])
    await settle(service)
    assert (await counted(service))["read_ahead_misses_total"] == 2


@pytest.mark.parametrize("starting", [{"max_in_flight": 2}], indirect=True)
async def test_a_request_that_waits_for_its_turn_ends_a_guess(
    service: Service, folder: Path, picture: Path
) -> None:
    """Guesses have turns only as long as nobody else needs them."""
    Gate(service.engine)
    await ask_three(service, folder)
    assert service.app[CAPTIONER].admission.in_flight == 2
    await ask(service, picture)
    assert service.engine.aborted == 1
    assert (await counted(service))["read_ahead_misses_total"] == 1


@pytest.mark.parametrize("starting", [{"max_in_flight": 2, "max_queue": 0}], indirect=True)
async def test_guesses_take_no_room_from_requests(service: Service, folder: Path, picture: Path) -> None:
    """Where two images have room and two guesses are under way, two requests are admitted."""
    Gate(service.engine)
    await ask_three(service, folder)
    assert service.app[CAPTIONER].admission.admitted == 0
    status, body = await service.post(
        "/batch_caption", {"image_paths": [str(picture), str(folder / NAMES[8])]}
    )
    assert (status, body["successful_captions"]) == (200, 2)


async def test_no_guess_begins_while_all_turns_are_taken(service: Service, folder: Path) -> None:
    """Whoever has asked comes first."""
    gate = Gate(service.engine, for_all=True)
    batch = {"image_paths": [str(folder / NAMES[11])] * 39}
    asking = asyncio.create_task(service.post("/batch_caption", batch))
    await until(lambda: service.engine.under_way == 39)
    service.engine.answer = None
    for name in NAMES[:3]:
        await ask(service, folder / name)
    await until(lambda: len(service.engine.asked) == 39 + 5)
    service.engine.answer = gate._answer
    gate.is_open.set()
    assert (await asking)[0] == 200


async def test_behind_others_at_the_engine_a_guess_is_not_waited_for(service: Service, folder: Path) -> None:
    """A dataset run goes before guesses there, for hours, and a person's request before the run."""
    Gate(service.engine)
    await ask_three(service, folder)
    service.engine.metrics = 'vllm:num_requests_waiting{engine="0"} 7.0\n'
    await ask(service, folder / NAMES[3])
    assert sum(body[PRIORITY] == Priority.PERSON for body in service.engine.asked) == 4
    await until(lambda: service.engine.under_way == 0)  # nor are the others
    assert (await counted(service))["read_ahead_hits_total"] == 0


async def test_a_gpu_is_given_back_in_spite_of_guesses(service: Service, folder: Path) -> None:
    """They aren't work that anybody would miss; this engine is others', as the refusal says."""
    Gate(service.engine)
    await ask_three(service, folder)
    status, body = await service.post("/release", {})
    assert status == 409
    assert "at work" not in body["error"]
