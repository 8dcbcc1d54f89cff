"""A job of AI-Toolkit's current release, with the real engine."""

import shutil
from pathlib import Path

import pytest
from joycaption.captioner import JoyCaptioner

from demo.samples import FOLDER
from tests.e2e.conftest import RunningService

pytestmark = pytest.mark.xdist_group("service")


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_job_captions_the_sample_images(
    is_sent: bool, service: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the service reads them or is sent them, the texts are the same."""
    data = tmp_path / "nothing" if is_sent else service.log.parent / "data"
    monkeypatch.setenv("CAPTION_DATA_DIR", str(data))
    folder = tmp_path / "images"
    shutil.copytree(FOLDER, folder)
    fields = {"style": "booru", "temperature": 0, "release": False}
    place = {"path_to_caption": str(folder), "service_url": service.url}
    job = JoyCaptioner(0, None, {"caption": place | fields})
    job.run()
    assert job.status == "completed"
    assert (folder / ".joycaption/ledger.sqlite").exists() != is_sent
    images = sorted(path for path in folder.iterdir() if path.suffix not in (".txt", ""))
    texts = [image.with_suffix(".txt").read_text() for image in images]
    assert job.step_num == len(texts) > 0
    assert texts == [service.caption(image, style="booru") for image in images]
