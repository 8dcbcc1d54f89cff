"""An engine that others start and look after, found at its URL."""

from adapter.engine.endpoint import Accept, Endpoint, Identity
from adapter.engine.progress import ProgressReader
from adapter.engine.selfcheck import Probe
from adapter.engine.status import WatchedStatus
from adapter.engine.supervision import Supervision
from adapter.engine_settings import EngineSettings


class RemoteEngine:
    """The engine at `url`, which may be away for any time, and is ready again once it passes its checks."""

    def __init__(self, url: str, probe: Probe, settings: EngineSettings, name: str = "engine-1") -> None:
        self.identity = Identity(name, url=url)
        self.status = WatchedStatus("The engine is away")
        self._url = url
        self._probe = probe
        self._settings = settings
        self._supervision: Supervision | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        return None if self._supervision is None else self._supervision.endpoint

    async def run(self, accept: Accept) -> None:
        """Follows the engine until cancelled."""
        self._supervision = Supervision(
            self._url,
            lambda: self._probe,
            self._settings,
            self.status,
            ProgressReader(),
            name=self.identity.name,
            accept=accept,
        )
        try:
            await self._supervision.follow(comes_back=True)
        finally:
            await self._supervision.close()
            self.status.update(state="failed")

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return self._supervision is None or await self._supervision.is_lost(endpoint)

    @property
    def may_sleep(self) -> bool:
        return False

    async def sleep(self) -> bool:
        """Does nothing: its memory is for those to free who started it."""
        return False

    def wake(self) -> None:
        """Does nothing, as `sleep` does."""
