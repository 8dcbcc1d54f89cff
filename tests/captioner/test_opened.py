"""A captioner for as long as a run needs it."""

from pathlib import Path

from adapter.caption.request import CaptionRequest, question
from adapter.caption.sampling import Sampling
from adapter.captioner.opened import opened_captioner
from adapter.images.sources import ImageBytes
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine
from tests.shards import shade


async def test_it_asks_the_engine_that_is_named_and_leaves_it_alone_in_the_end(tmp_path: Path) -> None:
    """Whoever started that engine looks after it."""
    engine = FakeEngine()
    server = await engine.start()
    settings = RunSettings(engine_url=str(server.make_url("")), prepare_workers=1, run_dir=tmp_path)
    request = CaptionRequest(
        question("Describe it.", "You are helpful."), Sampling(temperature=0.0, top_p=1.0, max_tokens=32)
    )
    async with opened_captioner(settings, "You are helpful.") as captioner:
        await captioner.fleet.until_ready()
        answers = [answer async for answer in captioner.ask_each(ImageBytes(shade(1)), [request])]
    assert [answer.text.split()[:2] for answer in answers] == [["a", "picture"]]
    assert (engine.under_way, engine.healthy) == (0, True)
    await server.close()
