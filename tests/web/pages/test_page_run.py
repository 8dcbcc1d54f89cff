"""One run inside the service."""

from pathlib import Path

import pytest

from adapter.caption.prompts import PromptBook
from adapter.errors import LedgerUnavailableError
from adapter.settings import Settings
from adapter.web.app_keys import CAPTIONER
from adapter.web.pages.page_run import PageRun
from adapter.web.pages.run_body import RunBody
from tests.web.conftest import Service


async def test_a_run_that_is_stopped_before_it_works_does_nothing(
    service: Service, book: PromptBook, picture: Path, tmp_path: Path
) -> None:
    """And gives its dataset free for another one."""
    settings = Settings(run_dir=tmp_path / "run")
    order = RunBody(folder=str(picture.parent)).order(book, settings)
    first, second = [PageRun(name, str(picture.parent), settings) for name in ("1", "2")]
    await first.open(order)
    with pytest.raises(
        LedgerUnavailableError, match="Another run works on this folder, perhaps that of joycaption caption"
    ):
        await second.open(order)
    first.stop()
    await first.work(service.app[CAPTIONER])
    assert (first.state, first.has_ended, first.as_dict()["counts"]["done"]) == ("stopped", True, 0)
    await second.open(order)
    await second.work(service.app[CAPTIONER])
    assert (second.state, second.as_dict()["settled"]) == ("done", 1)
    assert not service.engine.asked[1:]
