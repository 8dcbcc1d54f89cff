#!/usr/bin/env bash
# Everything that a change must pass: format, lint, types, tests. Installs what they need; arguments go to
# pytest.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

install_test() {
  local environment
  environment=$(dirname -- "$(dirname -- "$1")")
  pip_install "$1" --quiet -r requirements-adapter.txt -r requirements-test.txt || return
  # OpenAI's package for Node, which the tests hold against /v1 beside the one for Python.
  mkdir -p -- "$environment/node" && cp -- tests/node/package.json "$environment/node" || return
  PATH="$environment/bin:$PATH" npm install --prefix "$environment/node" \
    --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel error
}

# The page is tried in the machine's own browser.
if ! command -v chromium chromium-browser google-chrome >/dev/null; then
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    say "Installing: chromium"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
  else
    die "the tests of the page need Chromium: install it, for instance by: sudo apt-get install chromium"
  fi
fi

# Each install mostly waits for the network or for the disk, so they wait together.
./launch_vllm.sh --install-only &
ensure_environment "$PROJECT_DIR/.venv-test" test requirements-adapter.txt requirements-test.txt \
  tests/node/package.json
wait $!
export PATH="$PROJECT_DIR/.venv-test/bin:$PATH" PYTHONPATH="$PROJECT_DIR"

ruff format --check .
ruff check .
mypy
# Of a part of the tests, coverage would say nothing, and the workers would take longer to start than they save.
if (($# == 0)); then set -- --numprocesses 3 --dist loadgroup --no-loadscope-reorder --cov --cov-report=term-missing; fi
exec python -m pytest "$@"
