"""Images with the texts beside them."""

from pathlib import Path

from adapter.dataset.review.survey import Survey


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")


def texts(folder: Path, extension: str = ".txt") -> dict[str, dict[str, str]]:
    """Gives each image's texts by style."""
    return {
        item.key: {text.style: text.path for text in item.texts}
        for item in Survey(str(folder), extension).items()
    }


def test_each_text_is_its_image_s(tmp_path: Path) -> None:
    """By name, by full name, and by style; of two images with one name both have it."""
    touch(tmp_path, "cat.png", "cat.txt", "cat.booru.txt", "cat.png.txt", "cat.v2.png", "cat.v2.txt")
    touch(
        tmp_path,
        "dog.jpg",
        "dog.png",
        "dog.txt",
        "below/cat.png",
        "below/cat.png.txt",
        "alone.txt",
        ".hidden.png",
    )
    touch(tmp_path, "bird.png", "bird.caption", "cat.caption")
    assert texts(tmp_path) == {
        "cat.png": {"": "cat.txt", "booru": "cat.booru.txt", "png": "cat.png.txt"},
        "cat.v2.png": {"": "cat.v2.txt"},
        "dog.jpg": {"": "dog.txt"},
        "dog.png": {"": "dog.txt"},
        "below/cat.png": {"": "below/cat.png.txt"},
        "bird.png": {},
    }
    assert texts(tmp_path, ".caption")["bird.png"] == {"": "bird.caption"}


def test_an_item_is_looked_at_anew(tmp_path: Path) -> None:
    """And is None when it is gone; folders with an image's name are none."""
    touch(tmp_path, "cat.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("cat.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    survey = Survey(str(tmp_path))
    assert {item.key for item in survey.items()} == {"cat.png", "link.png", "broken.png"}
    touch(tmp_path, "cat.txt")
    item = survey.item("cat.png")
    assert item is not None
    assert [text.path for text in item.texts] == ["cat.txt"]
    (tmp_path / "cat.png").unlink()
    assert survey.item("cat.png") is None
