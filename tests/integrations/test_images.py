"""Which images a job finds."""

from pathlib import Path

from joycaption.images import find_images

from adapter.dataset.inputs.folder import Folder


def test_find_images_finds_what_the_service_finds(tmp_path: Path) -> None:
    """Otherwise the images would be sent to it, one by one."""
    (tmp_path / "_controls").mkdir()
    (tmp_path / ".hidden").mkdir()
    names = ["a.png", "a-masklabel.png", "a-condlabel.PNG", ".b.png", "_controls/a.png", ".hidden/a.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = find_images(str(tmp_path), ["png"], ".txt", recaption=False)
    assert found.wanted == found.all == [str(tmp_path / "a.png")]
    assert [item.key for item in Folder(str(tmp_path)).items()] == ["a.png"]
