"""Follows a running server from its first answer on: checks it before it counts as ready, then watches it."""

import asyncio
import logging
from collections.abc import Callable

from adapter.engine.client import EngineClient
from adapter.engine.endpoint import Accept, Endpoint
from adapter.engine.liveness import Liveness
from adapter.engine.load import Load
from adapter.engine.progress import ProgressReader
from adapter.engine.restarts import End
from adapter.engine.selfcheck import Probe, check
from adapter.engine.status import WatchedStatus
from adapter.engine_settings import EngineSettings
from adapter.errors import CaptionError, SelfCheckError

HEALTH_INTERVAL_S = 0.5
HEALTH_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 2.0
MAX_CHECKS = 3  # of one start that may fail: a passing fault isn't the end

log = logging.getLogger("adapter.engine")


class Supervision:
    """Follows the server at `url`, and keeps `status` true to what it sees. Must be closed.

    `probe` gives the self-check's conversation, once the server answers. `accept` gives what its weights are
    to be called, and raises SelfCheckError where it may not serve them. `ready_since_s` is the time on the
    event loop's clock at which it became ready, None while it never was.
    """

    def __init__(
        self,
        url: str,
        probe: Callable[[], Probe],
        settings: EngineSettings,
        status: WatchedStatus,
        reader: ProgressReader,
        *,
        name: str,
        accept: Accept,
    ) -> None:
        self._url = url
        self._client = EngineClient(url, settings.engine_timeout_s)
        self._name = name
        self._accept = accept
        self._probe = probe
        self._settings = settings
        self._status = status
        self._reader = reader
        self._liveness: Liveness | None = None  # from the first time that it is ready
        self.endpoint: Endpoint | None = None
        self.ready_since_s: float | None = None

    async def close(self) -> None:
        """Closes the connections to the server, those of requests under way included."""
        endpoint, self.endpoint = self.endpoint, None
        if endpoint is not None:
            await endpoint.client.close()
        await self._client.close()

    async def follow(self, *, comes_back: bool) -> End:
        """Watches the server, and returns why it should be started again.

        Where it `comes_back` by itself, because others look after it, this goes on for ever.
        """
        failed_checks = 0
        while True:
            healthy = await self._client.healthy(HEALTH_TIMEOUT_S)
            lost = await self._lost(healthy=healthy)
            if lost and (self.endpoint is not None or not comes_back):
                await self.leave(lost)
                if not comes_back:
                    return "lost"
            if healthy and self.endpoint is None:
                failed_checks = 0 if await self._is_good() else failed_checks + 1
                if failed_checks == MAX_CHECKS and not comes_back:
                    return "untrusted"
            await asyncio.sleep(HEALTH_INTERVAL_S if self.endpoint is None else WATCH_INTERVAL_S)

    async def is_lost(self, endpoint: Endpoint) -> bool:
        """Tells whether the server is gone; to be asked when a request to `endpoint` has failed.

        If so it isn't ready any more until it has been found to be well again.
        """
        if endpoint is self.endpoint:
            if await self._client.healthy(HEALTH_TIMEOUT_S):
                return False
            if endpoint is self.endpoint:
                await self.leave("The engine doesn't answer")
        return True

    async def leave(self, reason: str) -> None:
        """Notes that the server isn't ready any more. Requests that are under way there end with an error."""
        endpoint, self.endpoint = self.endpoint, None
        if self._status.value.state in ("ready", "restarting"):
            self._reader.away(reason)
            self._status.update(state="restarting", progress=self._reader.current)
        else:
            self._reader.failed(reason)
            self._status.update(state="starting", progress=self._reader.current)
        log.error("%s: %s", self._name, reason)
        if endpoint is not None:
            await endpoint.client.close()

    async def _lost(self, *, healthy: bool) -> str | None:
        """Tells why a server that was ready is lost, None while it isn't."""
        if self._liveness is None:
            return None
        load = await self._load() if healthy else None
        self._liveness.see(_now_s(), healthy=healthy, load=load)
        return self._liveness.lost

    async def _load(self) -> Load | None:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return await self._client.load()
        except (CaptionError, TimeoutError):
            return None

    async def _is_good(self) -> bool:
        """Checks the server, and makes it ready if it may be trusted."""
        self._reader.warming_up()
        self._status.update(progress=self._reader.current)
        try:
            served = await self._client.model()
            takes = await check(self._client, served.id, self._probe())
            weights = self._accept(served)
        except (CaptionError, OSError) as error:
            message = str(error) if isinstance(error, SelfCheckError) else f"Self-check: {error}"
            if message != self._reader.current.message:
                log.error("%s: %s", self._name, message)
            self._reader.failed(message)
            self._status.update(progress=self._reader.current, trusted=False)
            return False
        # Apart from the connections that it is watched by, so that they end once it is lost.
        client = EngineClient(self._url, self._settings.engine_timeout_s)
        self._make_ready(Endpoint(client, served.id, weights, takes))
        return True

    def _make_ready(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.ready_since_s = _now_s()
        self._liveness = Liveness(
            self._settings.engine_silence_s, self._settings.engine_stall_s, self.ready_since_s
        )
        self._reader.ready()
        log.info("%s: ready, serving %s", self._name, endpoint.weights)
        self._status.update(state="ready", progress=self._reader.current, trusted=True, waking=False)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
