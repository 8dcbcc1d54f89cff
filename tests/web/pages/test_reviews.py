"""All datasets that somebody looks at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapter.dataset.review.changes import AddTags
from adapter.dataset.review.item_filter import ItemFilter
from adapter.errors import FileNotAllowedError, UnroutedRequestError, WriteError, WrongFieldError
from adapter.settings import Settings
from adapter.web.pages.open_review import CHANGE_CHUNK
from adapter.web.pages.reviews import MAX_INDEXES, MAX_OPEN, Reviews
from tests.reviewed import Reviewed
from tests.waiting import until


@pytest.fixture
async def reviews(tmp_path: Path) -> AsyncIterator[Reviews]:
    (tmp_path / "allowed").mkdir()
    roots = str(tmp_path / "allowed")
    settings = Settings.load({"data_dir": tmp_path / "data", "allowed_roots": roots})
    reviews = Reviews(settings)
    yield reviews
    await reviews.close()


def make(tmp_path: Path, name: str, texts: int = 1) -> str:
    root = tmp_path / "allowed" / name
    root.mkdir(parents=True)
    Reviewed(root, root).add(**{f"t{number}": "a fox" for number in range(texts)})
    return str(root)


async def test_datasets_are_one_by_folder_and_ending(reviews: Reviews, tmp_path: Path) -> None:
    """However the folder is named; its index lies outside of it."""
    root = make(tmp_path, "a")
    (tmp_path / "allowed/link").symlink_to(root)
    first = await reviews.open(root, ".txt")
    assert await reviews.open(f"{root}/../a/", ".txt") is first
    assert await reviews.open(str(tmp_path / "allowed/link"), ".txt") is first
    assert await reviews.open(root, ".caption") is not first
    assert reviews.find(first.number) is first
    assert first.desk.path.parent == tmp_path / "data/indexes"
    assert sorted(path.name for path in Path(root).iterdir()) == ["t0.png", "t0.txt"]


async def test_folders_outside_are_refused(reviews: Reviews, tmp_path: Path) -> None:
    """Also behind a link; so are indexes that can't be made."""
    root = make(tmp_path, "a")
    (tmp_path / "allowed/out").symlink_to(tmp_path)
    for folder in (str(tmp_path), str(tmp_path / "allowed/out"), "/"):
        with pytest.raises(FileNotAllowedError):
            await reviews.open(folder, ".txt")
    for folder in ("relative", f"{root}/t0.png", f"{root}\0"):
        with pytest.raises(WrongFieldError):
            await reviews.open(folder, ".txt")
    (tmp_path / "data").write_text("a file")
    with pytest.raises(WriteError):
        await reviews.open(root, ".txt")
    with pytest.raises(UnroutedRequestError):
        reviews.find("none")


async def test_only_so_many_are_open_but_none_that_is_changed_is_closed(
    reviews: Reviews, tmp_path: Path
) -> None:
    """A change of thousands of texts goes on to its end."""
    texts = 3 * CHANGE_CHUNK
    root = make(tmp_path, "changing", texts)
    changing = await reviews.open(root, ".txt")
    async for state in changing.watch():
        if not state["is_refreshing"]:
            break
    view, count = await changing.open_view(ItemFilter())
    assert count == texts
    told = changing.change(changing.view(view), AddTags(("sks",)), None)
    await anext(told)
    await told.aclose()
    others = [await reviews.open(make(tmp_path, str(number)), ".txt") for number in range(MAX_OPEN + 2)]
    assert reviews.find(changing.number) is changing
    with pytest.raises(UnroutedRequestError):
        reviews.find(others[0].number)
    assert reviews.find(others[-1].number) is others[-1]
    await until(lambda: not changing.is_changing, 60)
    assert set(Reviewed(Path(root), Path(root)).contents().values()) == {"a fox, sks"}


async def test_only_so_many_indexes_are_kept(reviews: Reviews, tmp_path: Path) -> None:
    """Those that nobody has opened for longest are dropped, with what lies beside them."""
    folder = tmp_path / "data/indexes"
    folder.mkdir(parents=True)
    for number in range(MAX_INDEXES + 5):
        (folder / f"{number}.sqlite").touch()
        (folder / f"{number}.sqlite-wal").touch()
    review = await reviews.open(make(tmp_path, "a"), ".txt")
    assert len(list(folder.glob("*.sqlite"))) == MAX_INDEXES
    assert len(list(folder.glob("*-wal"))) <= MAX_INDEXES
    assert review.desk.path.exists()
