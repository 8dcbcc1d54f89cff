#!/usr/bin/env bash
# Everything that a change must pass: format, lint, types, tests. Installs what they need; arguments go to
# pytest.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

install_test() {
  pip_install "$1" --quiet -r requirements-adapter.txt -r requirements-test.txt
}

ensure_environment "$PROJECT_DIR/.venv-test" test requirements-adapter.txt requirements-test.txt
./launch_vllm.sh --install-only
export PATH="$PROJECT_DIR/.venv-test/bin:$PATH" PYTHONPATH="$PROJECT_DIR"

ruff format --check .
ruff check .
mypy
exec python -m pytest "$@"
