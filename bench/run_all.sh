#!/usr/bin/env bash
# Runs all benchmarks and draws their plots: bench/run_all.sh [--quick]. Writes bench/results/<machine>.json and
# PNG files beside it; CAPTION_BENCH_MACHINE names the machine, by default after its processor and cores.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

install_bench() { pip_install "$1" --quiet -r requirements-adapter.txt -r bench/requirements.txt; }

ensure_environment "$PROJECT_DIR/.venv-bench" bench requirements-adapter.txt bench/requirements.txt
./launch_vllm.sh --install-only
python=$PROJECT_DIR/.venv-bench/bin/python
machine=${CAPTION_BENCH_MACHINE:-$("$python" bench/machine.py --name)}
results=$PROJECT_DIR/bench/results/$machine.json
mkdir -p -- "$PROJECT_DIR/bench/results"
rm -f -- "$results"

"$python" bench/machine.py --results "$results"
for benchmark in prepare overhead ceiling legacy scale; do
  say "--- $benchmark"
  "$python" "bench/$benchmark.py" "$@" --results "$results"
done
"$python" bench/plots.py "$results"
say "written: $results"
