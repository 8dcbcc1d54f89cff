"""A disk that is full in the middle of a run over shards: nothing is half there, and the next run goes on."""

import asyncio
import os
import sys
from pathlib import Path

from tests.command import Command
from tests.shards import webdataset

PICTURES = 300
# Mounts a file system of its own, which ends with the script, and runs three times with outputs on it: with
# room for some parts, with room for the output but not for the new tar, and with room for all.
SCRIPT = """
mount -t tmpfs -o size=3m none "$1" && cd "$2" || exit 9
disk=$1
shift 2
look() {
  echo "exit $?"
  find "$disk" -type f ! -name filler -printf '%P\\n'
}
fill() { rm -f "$disk/filler"; head -c 9m /dev/zero >"$disk/filler" 2>&-; truncate -s "-$1" "$disk/filler"; }
fill 24K
"$@"; look
echo next
fill 300K
"$@" --write-shards "$disk/new"; look
echo next
rm "$disk/filler"
"$@" --write-shards "$disk/new"; look
"""


async def test_a_full_disk_ends_the_run_and_the_next_goes_on(command: Command, tmp_path: Path) -> None:
    """A full disk in the place of new tars costs the tar alone, which the next run makes."""
    (command.folder / "a.tar").write_bytes(webdataset(PICTURES))
    (tmp_path / "disk").mkdir()
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    caption = [sys.executable, "-m", "adapter", "caption", "a.tar", "--save-every", "0.1", "--json"]
    caption += ["--output", str(tmp_path / "disk/out"), "--concurrency", "8"]
    process = await asyncio.create_subprocess_exec(
        *(*alone, "bash", "-c", SCRIPT, "script", str(tmp_path / "disk"), str(command.folder), *caption),
        env=command.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        output, told = await process.communicate()
    first, second, third = output.decode().split("next\n")
    assert "exit 1\n" in first, (output, told.decode())
    assert b"error: Nothing can be written." in told
    assert 0 < first.count("out/_parts/a/") < PICTURES
    assert first.count("out/") == first.count("out/_parts/a/"), first
    assert "exit 1\nout/a.parquet\n" in second, (second, told.decode())
    assert "new/a.tar can't be written: No space left" in second
    assert "exit 0\n" in third, (third, told.decode())
    assert sorted(third.split("exit 0\n")[1].split()) == ["new/a.tar", "out/a.parquet"]
