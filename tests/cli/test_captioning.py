"""Carrying out what was ordered."""

from pathlib import Path

import pytest

from adapter.caption.prompts import PromptBook
from adapter.cli.captioning import captioner_for
from adapter.cli.display import Display
from adapter.dataset.order import Order
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.tally import Tally
from adapter.dataset.texts.sidecars import Sidecars
from adapter.engine.discovery import RunningEngine, announced
from adapter.settings import RunSettings
from tests.datasets import RECIPE
from tests.fake_engine import FakeEngine


async def test_captioner_for_a_running_services_engine_uses_it(
    tmp_path: Path, book: PromptBook, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and starts none."""
    server = await FakeEngine().start()
    url = str(server.make_url("")).rstrip("/")
    settings = RunSettings.load({"run_dir": tmp_path / "run"})
    with announced(tmp_path / "run", RunningEngine(url, None)):
        async with captioner_for(settings, book, Display(Tally())) as captioner:
            assert (await captioner.fleet.until_ready()).ready
            assert (await captioner.fleet.endpoint()).model == "fake"
    await server.close()
    assert "Using the running service's engine" in capsys.readouterr().err


def test_an_order_plans_all_datasets_or_what_failed_in_them(tmp_path: Path) -> None:
    """With --retry-failed nothing that is new is taken."""
    for name in ("a/x.png", "b/y.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    selection = Selection([str(tmp_path / "a"), str(tmp_path / "b")])
    for retry_failed, expected in ((False, 2), (True, 0)):
        order = Order(selection, (RECIPE,), Sidecars(), Conditions(), retry_failed=retry_failed)
        with open_datasets(selection, dry=True) as datasets:
            assert len(list(order.planned(datasets, order.planner(None)))) == expected
