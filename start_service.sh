#!/usr/bin/env bash
# Starts the captioning service; it starts the engine. Arguments go to `joycaption serve`.
# AI-Toolkit's web UI runs this file too: `bash captioning_service/start_service.sh`.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/scripts/environment.sh"

program=$PROJECT_DIR/joycaption
if is_installed "${SERVICE_ENVIRONMENT[@]}"; then exec bash "$program" serve "$@"; fi

# Making the environment takes a while in which somebody should answer: the UI takes silence for failure. Any
# Python will do for that; without site-packages (-S) and the current folder (-P), nothing is imported by mistake.
python=$(find_python) || exit 1
exec "$python" -S -P "$PROJECT_DIR/scripts/first_start.py" "$program" \
  "${CAPTION_HOST:-127.0.0.1}" "${CAPTION_PORT:-5000}" "$@"
