"""Runs `adapter.cli.first_start` by any Python, before anything is installed. start_service.sh calls it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.cli.first_start import main

if __name__ == "__main__":
    main(os.environ.get("CAPTION_API_KEY"), *sys.argv[1:])
