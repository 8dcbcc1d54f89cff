"""Which engines there are to be: those that are named by their URLs, or one of our own for each GPU."""

import asyncio
import logging
import os
import shlex
from collections.abc import Sequence

from adapter.engine.endpoint import Engine, Identity
from adapter.engine.fleet import Fleet
from adapter.engine.gpus import GPU, visible_gpus
from adapter.engine.owned import OwnedEngine
from adapter.engine.process import LAUNCH_SCRIPT
from adapter.engine.remote import RemoteEngine
from adapter.engine.selfcheck import Probe
from adapter.engine.template import PROBE_PROMPT
from adapter.errors import SettingsError
from adapter.settings import RunSettings

LIST_GPUS_TIMEOUT_S = 10.0
SPLITTING = (
    "--tensor-parallel-size",
    "-tp",
    "--pipeline-parallel-size",
    "-pp",
    "--data-parallel-size",
    "-dp",
)

log = logging.getLogger("adapter.engine")


def fleet_for(settings: RunSettings, system_prompt: str, gpus: Sequence[GPU] | None = None) -> Fleet:
    """Gives the engines at the `engine_urls`, or else those of our own.

    `gpus` are those that may be used, None where that is left to the only engine. An engine that others
    started is checked with `system_prompt`: what its tokens should be isn't known. Raises SettingsError where
    there are fewer GPUs than `engines` need.
    """
    if settings.engine_urls:
        probe = Probe(system_prompt, PROBE_PROMPT)
        return Fleet(
            [
                RemoteEngine(url, probe, settings, _name(number))
                for number, url in enumerate(settings.engine_urls)
            ]
        )
    if any(argument.startswith(SPLITTING) for argument in shlex.split(settings.engine_args or "")):
        gpus = None  # how many GPUs such an engine takes is for vLLM to say
    groups = gpu_groups(gpus, settings.engine_count, settings.tensor_parallel or 1)
    threads = cpu_threads(len(groups)) if not gpus and len(groups) > 1 else None
    engines: list[Engine] = [
        OwnedEngine(settings, Identity(_name(number), group), threads) for number, group in enumerate(groups)
    ]
    return Fleet(engines)


def gpu_groups(gpus: Sequence[GPU] | None, engines: int | None, split: int) -> list[tuple[str, ...] | None]:
    """Gives for each engine the UUIDs of its GPUs: `split` of them, none on a CPU, None where it isn't said.

    `engines` None makes as many as there are GPUs for. Raises SettingsError.
    """
    if not gpus:
        return [None if gpus is None else ()] * (engines or 1)
    most = len(gpus) // split
    if engines is not None and engines > most:
        raise SettingsError(
            f"--engines {engines} needs {engines * split} GPUs, and {len(gpus)} can be used: lower it, or "
            "leave it at auto"
        )
    # Where a model is split over more GPUs than there are, the launch says what is wrong.
    groups = [gpus[number * split : (number + 1) * split] for number in range(engines or max(1, most))]
    return [tuple(gpu.uuid for gpu in group) for group in groups]


def cpu_threads(engines: int) -> int:
    """Gives each engine its share of the cores, one of which is left to those who feed them."""
    return max(1, (len(os.sched_getaffinity(0)) - 1) // engines)


async def list_gpus() -> tuple[GPU, ...] | None:
    """Gives the NVIDIA GPUs that engines may use, as launch_vllm.sh finds them.

    Gives None where nvidia-smi doesn't tell: then the launch itself finds out what is wrong, and says so.
    """
    process = await asyncio.create_subprocess_exec(
        "bash",
        str(LAUNCH_SCRIPT),
        "--list-gpus",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIST_GPUS_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        log.warning("nvidia-smi doesn't answer: no GPU is counted")
        return None
    if process.returncode != 0:
        return None
    return visible_gpus(output.decode(), None)  # the script has left out those that aren't visible


def _name(number: int) -> str:
    return f"engine-{number + 1}"
