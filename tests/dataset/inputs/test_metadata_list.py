"""Images that a metadata file names."""

from pathlib import Path

import pytest

from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.metadata_list import MetadataList, is_metadata, listed_by
from adapter.dataset.inputs.metadata_rows import MetadataFile
from adapter.dataset.inputs.share import Share, SharedInput
from adapter.dataset.selection import Selection
from adapter.errors import InvalidRequestError


def listed(path: Path, *lines: str, follow_links: bool = False, column: str | None = "text") -> MetadataList:
    """Gives the list of a file with those lines."""
    path.write_text("\n".join(lines))
    return MetadataList(MetadataFile(str(path), column), follow_links=follow_links)


def test_items_come_as_the_rows_are(tmp_path: Path) -> None:
    """Their order is the file's, and with them come texts of their own."""
    found = listed(
        tmp_path / "m.jsonl",
        '{"file_name": "b.png", "text": "b"}',
        '{"file_name": "c/a.png"}',
        '{"file_name": "b.png", "text": "again"}',
    )
    found.check()
    assert [(item.key, item.text) for item in found.items()] == [
        ("b.png", "b"),
        ("c/a.png", None),
        ("b.png", "again"),
    ]
    assert found.root == str(tmp_path)
    (tmp_path / "b.png").touch()
    assert found.has("b.png")
    assert not found.has("c/a.png")
    assert found.key(str(tmp_path / "c/a.png")) == "c/a.png"
    assert found.key("/elsewhere.png") is None
    assert not found.holds("../b.png")


def test_names_do_not_lead_out_of_the_folder_by_a_link(tmp_path: Path) -> None:
    """Unless the user says so. A link to an image is an image."""
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    (tmp_path / "e/a.png").touch()
    (tmp_path / "d/link").symlink_to("../e")
    (tmp_path / "d/a.png").symlink_to("../e/a.png")
    lines = ['{"file_name": "a.png"}', '{"file_name": "link/a.png"}']
    listed(tmp_path / "d/m.jsonl", lines[0]).check()
    with pytest.raises(InvalidRequestError, match="names images in link, which leads out"):
        listed(tmp_path / "d/m.jsonl", *lines).check()
    listed(tmp_path / "d/m.jsonl", *lines, follow_links=True).check()


def test_a_selection_takes_metadata_files_for_lists(tmp_path: Path) -> None:
    """They are read to their end at once, so that a run over a broken one doesn't begin."""
    listed(tmp_path / "m.jsonl", '{"file_name": "b.png"}', '{"file_name": "c.png"}')
    (found,) = Selection([str(tmp_path / "m.jsonl")], text_column="text").inputs()
    assert [item.key for item in found.items()] == ["b.png", "c.png"]
    (tmp_path / "m.jsonl").write_text('{"file_name": "b.png"}\n{')
    with pytest.raises(InvalidRequestError, match="line 2"):
        Selection([str(tmp_path / "m.jsonl")]).inputs()
    with pytest.raises(InvalidRequestError, match="There is no file"):
        Selection([str(tmp_path / "none.csv")]).inputs()


def test_only_lists_whose_texts_count_are_found_as_such(tmp_path: Path) -> None:
    """A share of one is one, too."""
    whole = listed(tmp_path / "m.jsonl", '{"file_name": "b.png"}')
    assert listed_by(SharedInput(whole, Share(1, 2))) is whole
    assert listed_by(Folder(str(tmp_path))) is None
    assert listed_by(listed(tmp_path / "n.jsonl", column=None)) is None


def test_metadata_is_known_by_its_name(tmp_path: Path) -> None:
    """A folder may have any name."""
    (tmp_path / "f.csv").mkdir()
    names = ("m.jsonl", "m.csv", "f.csv", "m.json")
    assert [is_metadata(str(tmp_path / name)) for name in names] == [True, True, False, False]
