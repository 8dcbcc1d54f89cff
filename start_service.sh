#!/usr/bin/env bash
# Starts the captioning service; it starts the engine. Arguments go to `joycaption serve`.
# AI-Toolkit's web UI runs this file too: `bash captioning_service/start_service.sh`.
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/joycaption" serve "$@"
