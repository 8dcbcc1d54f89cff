"""A disk that is full in the middle of a run: nothing is lost, nothing is half there."""

import asyncio
import os
import sys
from pathlib import Path

from tests.command import Command

PICTURES = 200
# Mounts a file system of its own, which ends with the script, and runs twice on it, the second time with more
# room. Tells the exit codes and what is there.
SCRIPT = """
mount -t tmpfs -o size=2m none "$1" && cp -r "$2" "$1/data" && cd "$1/data" || exit 9
shift 2
look() {
  echo "exit $?"
  find . -name '*.txt' -printf 'text %P\\n' -size 0 -printf 'empty %P\\n'
  find . -name '.joycaption-*' -printf 'left %P\\n'
}
head -c 9m /dev/zero >../filler 2>&-
truncate -s "-${FREE_KB}K" ../filler
"$@" --engine-url "$CAPTION_ENGINE_URL"; look
echo again
rm ../filler
"$@" --engine-url "$CAPTION_ENGINE_URL"; look
"""


async def test_a_full_disk_ends_the_run_and_the_next_goes_on(command: Command, tmp_path: Path) -> None:
    """The run says why in a line; when there is room again, the same command finishes."""
    for number in range(PICTURES):
        command.picture(f"{number}.png", number)
    (tmp_path / "disk").mkdir()
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    caption = [sys.executable, "-m", "adapter", "caption", "."]
    process = await asyncio.create_subprocess_exec(
        *(*alone, "bash", "-c", SCRIPT, "script", str(tmp_path / "disk"), str(command.folder), *caption),
        env=command.environment | {"FREE_KB": "500"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        output, errors = await process.communicate()
    first, _, second = output.decode().partition("again\n")
    assert "exit 1\n" in first, (first, errors.decode())
    assert b"error: Nothing can be written." in errors
    assert b"disk is full" in errors or b"No space left" in errors
    assert 0 < first.count("text ") < PICTURES, (first, errors.decode())
    assert "exit 0\n" in second
    assert second.count("text ") == PICTURES
    assert "empty " not in output.decode()
    assert "left " not in output.decode()
