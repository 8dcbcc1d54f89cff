"""Writes docs/openapi.json anew: `python scripts/describe_api.py`."""

import json
from pathlib import Path

from adapter.web.pages.api import all_routes
from adapter.web.pages.openapi import describe

PLACE = Path(__file__).resolve().parent.parent / "docs/openapi.json"

if __name__ == "__main__":
    PLACE.write_text(json.dumps(describe(all_routes()), indent=1, ensure_ascii=False) + "\n")
