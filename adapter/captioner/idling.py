"""Puts engines to sleep that nobody needs, wakes them for leases, and gives the GPU back on request."""

import asyncio
import time
from pathlib import Path

from adapter.captioner.admission import Admission
from adapter.engine.fleet import Fleet
from adapter.engine.leases import holders
from adapter.errors import ReleasedError, ReleaseRefusedError

LOOK_S = 1.0


class Idling:
    """Watches who needs the engines of a service. Engines that others look after are left alone.

    `idle_s` is the time without work after which they sleep, 0 for never. Work is a request that is admitted,
    or a lease in `lease_dir`, which a dataset run holds because it speaks to the engines itself.
    """

    def __init__(self, fleet: Fleet, admission: Admission, lease_dir: Path, idle_s: float) -> None:
        self._fleet = fleet
        self._admission = admission
        self._lease_dir = lease_dir
        self._idle_s = idle_s
        self._worked_s = time.monotonic()
        self._overruled: set[str] = set()  # leases that a forced release didn't heed

    async def watch(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Wakes engines that somebody has a lease on, and puts them to sleep after `idle_s` without work."""
        leases = await asyncio.to_thread(holders, self._lease_dir)
        self._overruled &= leases.keys()
        wanted = bool(leases.keys() - self._overruled)
        if wanted:
            self._fleet.wake()
        if wanted or self._admission.admitted or not self._fleet.status.ready:
            self._worked_s = time.monotonic()
        elif 0 < self._idle_s <= time.monotonic() - self._worked_s:
            await self._fleet.sleep()

    async def release(self, *, force: bool) -> None:
        """Puts the engines to sleep, and returns once their memory is free.

        Raises ReleaseRefusedError where somebody is at work, or the engines aren't ours. With `force`
        requests that are under way end with ReleasedError, and leases don't wake the engines any more.
        """
        leases = await asyncio.to_thread(holders, self._lease_dir)
        at_work = [f"{self._admission.admitted} requests"] if self._admission.admitted else []
        at_work += sorted(leases.values())
        if at_work and not force:
            raise ReleaseRefusedError(f"The engine is at work for {', '.join(at_work)}; force ends that")
        if not self._fleet.may_sleep:
            raise ReleaseRefusedError(
                "No engine of this service's runs: others are ended by who started them"
            )
        self._overruled = set(leases)
        self._admission.give_up(ReleasedError)
        await self._fleet.sleep()
