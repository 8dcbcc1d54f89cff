#!/usr/bin/env bash
# Runs all benchmarks and draws their plots: bench/run_all.sh [--quick]. Writes bench/results/<machine>.json and
# PNG files beside it; CAPTION_BENCH_MACHINE names the machine, by default after its processor and cores.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
source bench/environment.sh

results=bench/results/$machine.json
rm -f -- "$results"
"$python" bench/machine.py --results "$results"
for benchmark in prepare overhead ceiling legacy scale engines priority quality review read_ahead shards cluster; do
  say "--- $benchmark"
  "$python" "bench/$benchmark.py" "$@" --results "$results"
done
"$python" bench/plots.py "$results"
say "written: $results"
