"""An engine that others start and look after, found at its URL."""

from adapter.engine.endpoint import Endpoint
from adapter.engine.progress import ProgressReader
from adapter.engine.selfcheck import Probe
from adapter.engine.status import WatchedStatus
from adapter.engine.supervision import Supervision
from adapter.settings import EngineSettings


class RemoteEngine:
    """The engine at `url`, which may be away for any time, and is ready again once it passes its checks."""

    def __init__(self, url: str, probe: Probe, settings: EngineSettings) -> None:
        self.status = WatchedStatus()
        self._url = url
        self._probe = probe
        self._settings = settings
        self._supervision: Supervision | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        return None if self._supervision is None else self._supervision.endpoint

    async def run(self) -> None:
        """Follows the engine until cancelled."""
        self._supervision = Supervision(
            self._url, lambda: self._probe, self._settings, self.status, ProgressReader()
        )
        try:
            await self._supervision.follow(comes_back=True)
        finally:
            self._supervision.endpoint = None
            self.status.update(state="failed")
            await self._supervision.close()

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return self._supervision is None or await self._supervision.is_lost(endpoint)
