#!/usr/bin/env bash
# On a CUDA GPU, JoyCaption's own geometry without weights, 200 tokens an answer: ceiling.py and legacy.py in bf16
# and fp8, then sweeps of the requests in flight and of the engine's batched-token budget. bench/gpu.sh [FOLDER]
# writes <machine>-gpu.json and its plots there, by default into bench/results.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
[[ -n $(./launch_vllm.sh --list-gpus) ]] || die "bench/gpu.sh needs an NVIDIA GPU"
source bench/environment.sh

images=${CAPTION_BENCH_IMAGES:-1024}
results=${1:-bench/results}/$machine-gpu.json
rm -f -- "$results"
"$python" bench/machine.py --results "$results"

# measure BENCHMARK SECTION OPTION...
measure() {
  local benchmark=$1 section=$2
  shift 2
  say "--- $section"
  "$python" "bench/$benchmark.py" --geometry joycaption --tokens 200 --section "$section" --results "$results" "$@"
}

for dtype in bf16 fp8; do
  export CAPTION_QUANTIZATION=fp8
  [[ $dtype == fp8 ]] || CAPTION_QUANTIZATION=none
  measure ceiling "ceiling_$dtype" --in-flight 256 --images "$images"
  measure legacy "legacy_$dtype" --images 8
done

export CAPTION_QUANTIZATION=none
for in_flight in 16 64 128 256 512; do
  measure ceiling "in_flight_$in_flight" --in-flight "$in_flight" --images "$images" --only-bare 1
done
for budget in 2048 4096 8192 16384; do
  measure ceiling "batched_tokens_$budget" --in-flight 256 --images "$images" --only-bare 1 \
    --engine-args "--max-num-batched-tokens $budget"
done
"$python" bench/plots.py "$results"
say "written: $results"
