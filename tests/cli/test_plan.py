"""The command that tells what a run will take."""

import json
from pathlib import Path

import pytest

from adapter.dataset.shards.shard_sizes import SAMPLE_IMAGES
from adapter.policy import ExitCode
from tests.cli.conftest import RunHere
from tests.shards import shade, tar_of, webdataset, write_parquet


def test_rows_of_parquet_are_counted_and_images_of_tars_estimated(run_here: RunHere) -> None:
    """From the beginning of one tar, which is named."""
    Path("a.tar").write_bytes(webdataset(SAMPLE_IMAGES * 2))
    Path("b.tar").write_bytes(webdataset(SAMPLE_IMAGES * 2))
    write_parquet(Path("c.parquet"), {"image": [shade(1)] * 7})
    ended = run_here("plan", "a.tar", "b.tar", "c.parquet", "d.tar", "--json", "--gpus", "2", "--rate", "0.5")
    told = ended.json
    assert (told["shards"], told["missing_shards"]) == (4, 1)
    assert told["images"] == pytest.approx(SAMPLE_IMAGES * 4 + 7, rel=0.1)
    assert told["images_estimated_from"].endswith("b.tar")
    assert told["bytes_to_read"] == sum(path.stat().st_size for path in Path().glob("*.*"))
    assert told["hours"] == pytest.approx(told["images"] / 3600, abs=0.001)
    counted = json.loads(run_here("plan", "c.parquet", "--json").output)
    assert (counted["images"], counted["images_estimated_from"], counted["hours"]) == (7, None, None)


def test_folders_are_counted(run_here: RunHere) -> None:
    """People are told that hours need a rate, and where that comes from."""
    folder = Path("pictures")
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(shade(number))
    ended = run_here("plan", "pictures")
    assert ended.code == ExitCode.DONE
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert ended.output.startswith(f"3 images, {size} bytes to read\n")
    assert "Hours need --rate" in ended.output
    timed = run_here("plan", "pictures", "--rate", "0.0001", "--texts", "2")
    assert "16.7 hours on 1 GPUs at 0.0001 texts/s each" in timed.output


def test_a_tar_without_images_leaves_their_number_unknown(run_here: RunHere) -> None:
    """Nothing is made up."""
    Path("a.tar").write_bytes(tar_of([("a.txt", b"text")]))
    assert "an unknown number of images" in run_here("plan", "a.tar", "--rate", "1").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none"], "There is no file or folder none"),
        (["none*.tar"], "no file none*.tar"),
        (["a.tar", "--gpus", "0"], "must be above 0"),
        (["a.tar", "--rate", "nan"], "must be above 0"),
        (["bad.parquet"], "bad.parquet is damaged"),
        (["a.tar", "--shard", "3/2"], "doesn't name a share"),
    ],
)
def test_what_can_not_be_planned_is_told_in_a_line(
    run_here: RunHere, arguments: list[str], told: str
) -> None:
    """Without a trace."""
    Path("bad.parquet").write_bytes(b"PAR1 and no more")
    ended = run_here("plan", *arguments)
    assert ended.code != ExitCode.DONE
    assert told in ended.errors
    assert len(ended.errors.splitlines()) == 1
