"""The project's command line without the check that the model sees: `python bench/trusting.py serve ...`.

For models without weights (geometry.py), which say the same to every picture. Everything else is as it is.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.__main__ import run
from adapter.engine import selfcheck
from adapter.engine.client import EngineClient
from adapter.engine.selfcheck import Probe


async def trust(client: EngineClient, model: str, probe: Probe) -> None:
    """Takes the model's sight for granted."""


if __name__ == "__main__":
    selfcheck.check_sight = trust
    run()
