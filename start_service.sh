#!/usr/bin/env bash
# Starts the captioning service; it starts the engine. Arguments go to `python -m adapter serve`.
# AI-Toolkit's web UI runs this file too: `bash captioning_service/start_service.sh`.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/scripts/environment.sh"

install_service() {
  pip_install "$1" --quiet -r "$PROJECT_DIR/requirements-adapter.txt"
}

ensure_environment "$VENV_DIR/.venv" service "$PROJECT_DIR/requirements-adapter.txt"
export PYTHONPATH="$PROJECT_DIR${PYTHONPATH:+:$PYTHONPATH}"
exec "$VENV_DIR/.venv/bin/python" -m adapter serve "$@"
