"""launch_vllm.sh as a child of this process."""

import asyncio
import os
from pathlib import Path

from adapter.engine.process import launched
from adapter.engine_settings import EngineSettings


async def test_launched_reads_the_output_and_gives_the_exit_code(tmp_path: Path) -> None:
    """The script's own error is the last line where there is no vLLM."""
    lines: list[str] = []
    settings = EngineSettings.load({"engine_python": "/bin/false"})
    async with launched(settings, tmp_path / "engine.sock", lines.append) as process:
        async with asyncio.timeout(60):
            assert await process.exit_code() == 1
    assert lines[-1] == "error: CAPTION_ENGINE_PYTHON is /bin/false, which has no vLLM"


async def test_launched_when_it_is_left_leaves_no_process_and_no_descriptor(tmp_path: Path) -> None:
    """The script may not even have ended by then."""
    before = set(os.listdir("/proc/self/fd"))
    settings = EngineSettings.load({"engine_python": "/bin/false"})
    async with launched(settings, tmp_path / "engine.sock", print) as process:
        pass
    assert await process.exit_code() != 0
    assert set(os.listdir("/proc/self/fd")) <= before
