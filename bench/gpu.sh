#!/usr/bin/env bash
# On a CUDA GPU, JoyCaption's own geometry without weights, 200 tokens an answer: ceiling.py and legacy.py in bf16
# and fp8, then sweeps of the requests in flight and of the engine's batched-token budget. bench/gpu.sh [RESULTS_DIR]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

[[ -n $(./launch_vllm.sh --list-gpus) ]] || die "bench/gpu.sh needs an NVIDIA GPU"
python=${CAPTION_BENCH_PYTHON:-python3}
folder=${1:-bench/results}
machine=${CAPTION_BENCH_MACHINE:-$("$python" bench/machine.py --name)}
mkdir -p -- "$folder"
images=${CAPTION_BENCH_IMAGES:-1024}

for quantization in none fp8; do
  export CAPTION_QUANTIZATION=$quantization
  results=$folder/$machine-$quantization.json
  rm -f -- "$results"
  "$python" bench/machine.py --results "$results"
  say "--- $quantization: ceiling"
  "$python" bench/ceiling.py --geometry joycaption --tokens 200 --in-flight 256 --images "$images" --results "$results"
  say "--- $quantization: legacy"
  "$python" bench/legacy.py --geometry joycaption --tokens 200 --images 8 --results "$results"
done

export CAPTION_QUANTIZATION=none
for in_flight in 16 64 128 256 512; do
  say "--- in flight: $in_flight"
  "$python" bench/ceiling.py --geometry joycaption --tokens 200 --in-flight "$in_flight" --images "$images" \
    --only-bare 1 --results "$folder/$machine-in-flight-$in_flight.json"
done
for budget in 2048 4096 8192 16384; do
  say "--- batched tokens: $budget"
  "$python" bench/ceiling.py --geometry joycaption --tokens 200 --in-flight 256 --images "$images" \
    --only-bare 1 --engine-args "--max-num-batched-tokens $budget" \
    --results "$folder/$machine-budget-$budget.json"
done
