"""Runs the command line without the check that the model sees: `python bench/trusting.py serve ...`.

It is for models without weights (geometry.py), which say the same about every picture. Nothing else is
changed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.cli.main import run
from adapter.engine import selfcheck
from adapter.engine.client import EngineClient
from adapter.engine.extra_fields import CHOICES
from adapter.engine.selfcheck import Probe


async def trust(client: EngineClient, model: str, probe: Probe) -> frozenset[str]:
    """Takes the model's sight for granted, and that the engine knows all of vLLM's own fields."""
    return CHOICES[0]


if __name__ == "__main__":
    selfcheck.check_sight = trust
    run()
