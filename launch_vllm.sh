#!/usr/bin/env bash
# Starts one vLLM server for the captioning model: on the NVIDIA GPUs if there are any, else on the CPU.
# The service starts this file by itself; by hand it is for an engine on its own.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/scripts/environment.sh"

usage() {
  cat <<'USAGE'
usage: launch_vllm.sh [--install-only | --print-command | --list-gpus | --help] [VLLM ARGUMENTS...]

  --install-only   prepare the engine's environment, then end
  --print-command  print what would run; installs and starts nothing
  --list-gpus      print the NVIDIA GPUs that would be used: index, MiB, compute capability
  anything else    is passed on to vLLM

Environment:
  CAPTION_MODEL                   model name on the hub, or a local folder
  CAPTION_QUANTIZATION            vLLM's --quantization (fp8, bitsandbytes, ...), or none
  CAPTION_TENSOR_PARALLEL         GPUs to split the model over
  CAPTION_GPU_MEMORY_UTILIZATION  share of the GPU's memory to use
  CAPTION_MAX_MODEL_LEN           longest prompt and answer together, in tokens
  CAPTION_ENGINE_SOCKET           Unix socket to listen on
  CAPTION_RUN_DIR                 folder of that socket, when it isn't given
  CAPTION_ENGINE_PYTHON           a Python that has vLLM already
  CAPTION_VENV_DIR                where .venv-engine is made (default: beside this file)
  CAPTION_TORCH_CPU_INDEX         where to find torch's CPU build
USAGE
}

JOYCAPTION=fancyfeast/llama-joycaption-beta-one-hf-llava
DEMO_MODEL=$PROJECT_DIR/demo/model
TORCH_CPU_INDEX=${CAPTION_TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}

# The service holds the other end of this pipe. When it closes, because the service ended, however it did,
# everything that this script started ends too.
if [[ -n ${CAPTION_WATCH_FD:-} ]]; then
  (
    trap '' TERM INT HUP
    read -r -u "$CAPTION_WATCH_FD" _ || true
    kill -TERM 0
    sleep 10
    rm -rf -- "$(dirname -- "$CAPTION_ENGINE_SOCKET")"  # the service made it for this engine alone
    kill -KILL 0
  ) </dev/null >/dev/null 2>&1 &
fi

# --- What there is -----------------------------------------------------------------------------------

NO_DRIVER=9  # nvidia-smi's exit code when it can't reach the driver

# One line a visible GPU: index, UUID, MiB, compute capability. nvidia-smi is the driver's view of NVML;
# CUDA_VISIBLE_DEVICES is applied as CUDA applies it: up to the first entry that names no GPU.
list_gpus() {
  local all entry line
  command -v nvidia-smi >/dev/null && [[ ${CUDA_VISIBLE_DEVICES-all} ]] || return 0
  all=$(nvidia-smi --query-gpu=index,uuid,memory.total,compute_cap --format=csv,noheader,nounits \
    2>/dev/null | tr -d ' ') || return $(($? == NO_DRIVER ? NO_DRIVER : 0))
  if [[ -z ${CUDA_VISIBLE_DEVICES+set} ]]; then
    printf '%s\n' "$all"
    return
  fi
  for entry in ${CUDA_VISIBLE_DEVICES//,/ }; do
    line=$(awk -F, -v entry="$entry" '$1 == entry || (entry ~ /^GPU-/ && index($2, entry) == 1)' <<<"$all")
    [[ -n $line ]] || break
    printf '%s\n' "$line"
  done
}

has_vllm() { "$1" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("vllm"))' 2>/dev/null; }

# --- Installing --------------------------------------------------------------------------------------

install_cuda() {
  pip_install "$1" -r "$PROJECT_DIR/requirements.txt"
}

install_cpu() {
  local torch torchvision
  torch=$(grep '^torch==' "$PROJECT_DIR/requirements-cpu.txt")
  torchvision=$(grep '^torchvision==' "$PROJECT_DIR/requirements-cpu.txt")
  # Where pip is set up to find torch's CPU build, that is enough; else PyTorch's own index has it, with
  # the torchvision that belongs to it.
  pip_install "$1" "$torch" ||
    pip_install "$1" --extra-index-url "$TORCH_CPU_INDEX" "$torch" "$torchvision+cpu" || return
  pip_install "$1" -r "$PROJECT_DIR/requirements-cpu.txt" || return
  # PyPI's torchvision is linked against CUDA, and beside a CPU torch its import fails for want of two
  # operators that nothing here calls.
  if ! "$1" -c 'import torchvision' 2>/dev/null; then
    local site
    site=$("$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || return
    cp -- "$PROJECT_DIR/scripts/torchvision_operators.py" "$site/joycaption_torchvision_operators.py" &&
      printf 'import joycaption_torchvision_operators\n' >"$site/joycaption_torchvision_operators.pth" &&
      "$1" -c 'import torchvision' || return
  fi
  # The same holds for these two, which vLLM asks for and nothing here uses: better none than a broken one.
  local package
  for package in torchaudio torchcodec; do
    "$1" -c "import $package" 2>/dev/null || "$1" -m pip uninstall --quiet --yes "$package" || return
  done
}

# --- Arguments ---------------------------------------------------------------------------------------

action=serve
case ${1:-} in
  --install-only) action=install && shift ;;
  --print-command) action=print && shift ;;
  --list-gpus) list_gpus || true && exit ;;
  --help | -h) usage && exit ;;
esac

gpus=$(list_gpus) ||
  die "nvidia-smi can't reach the NVIDIA driver: mend or update it, or set CUDA_VISIBLE_DEVICES= (empty) for the demonstration on the CPU"
if [[ -n $gpus ]]; then device=cuda; else device=cpu; fi

# --- Which model, on what, how: each choice with its reason -----------------------------------------

if [[ $device == cuda ]]; then model=${CAPTION_MODEL:-$JOYCAPTION}; else model=${CAPTION_MODEL:-$DEMO_MODEL}; fi
flags=()
quantization=${CAPTION_QUANTIZATION:-}
if [[ $device == cuda ]]; then
  gpu_count=$(wc -l <<<"$gpus")
  memory_mib=$(cut -d, -f3 <<<"$gpus" | sort -n | head -1)              # the smallest GPU decides
  capability=$(cut -d, -f4 <<<"$gpus" | sort -n | head -1 | tr -d .)
  tensor_parallel=${CAPTION_TENSOR_PARALLEL:-1}                         # a dense model that fits one GPU: one engine a GPU
  together_mib=$((memory_mib * tensor_parallel))
  ((tensor_parallel <= gpu_count)) ||
    die "CAPTION_TENSOR_PARALLEL is $tensor_parallel, but $gpu_count GPU(s) are visible"
  if [[ -z $quantization && $model == "$JOYCAPTION" ]]; then
    if ((together_mib >= 22500)); then
      quantization=none                                                 # cards sold as 24 GB report 22.5 to 24 GiB; 17 GB of weights fit
    elif ((together_mib >= 15000 && capability >= 89)); then
      quantization=fp8                                                  # 9 GB of weights; Ada and newer compute in fp8
    elif ((together_mib < 11000)); then
      die "this GPU has $memory_mib MiB; JoyCaption needs 24 GB in bf16, 16 GB in fp8, 12 GB in 4 bits. Use a larger GPU, or CUDA_VISIBLE_DEVICES= for the demonstration on the CPU"
    else
      die "this GPU has $memory_mib MiB and compute capability ${capability%?}.${capability: -1}: bf16 needs 24 GB, fp8 needs 16 GB and capability 8.9. Set CAPTION_QUANTIZATION=bitsandbytes (4 bits, about 7 GB, slower; install vLLM's bitsandbytes plugin into the engine's environment), or CAPTION_TENSOR_PARALLEL=2 with two GPUs"
    fi
  fi
  flags+=(--dtype bfloat16)                                             # what the weights were published in
  flags+=(--gpu-memory-utilization "${CAPTION_GPU_MEMORY_UTILIZATION:-0.90}") # vLLM's own default but for a desktop's share
  ((tensor_parallel == 1)) || flags+=(--tensor-parallel-size "$tensor_parallel")
else
  flags+=(--dtype float32)                                              # the demo model is tiny: no slower than bf16, and rounding decides nothing
  # vLLM's CPU default, a worker process with a thread pinned to each core, leaves no core to those that feed
  # it, and the two processes wait for each other spinning: on 2 cores that halved the rate (bench/README.md).
  flags+=(--distributed-executor-backend uni)
  export VLLM_ENABLE_V1_MULTIPROCESSING=0
  cores=$(nproc)
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > 1 ? cores - 1 : 1))}
fi
case $quantization in
  "" | none) ;;
  fp8)                                                                  # weights a channel, activations a token; what sees stays in bf16
    flags+=(--quantization fp8_per_channel --quantization-config '{"ignore": ["*vision_tower*", "*multi_modal_projector*"]}') ;;
  *) flags+=(--quantization "$quantization") ;;
esac
flags+=(--max-model-len "${CAPTION_MAX_MODEL_LEN:-4096}")               # 729 image tokens, prompt and caption need under 3000
flags+=(--limit-mm-per-prompt '{"image": 1}')                           # the model was trained with one
flags+=(--mm-processor-cache-gb 0)                                      # a dataset's images don't repeat
flags+=(--served-model-name joycaption)                                 # one stable name, whatever folder it came from
[[ $device == cuda ]] || flags+=(--enforce-eager)                       # saves compiling at each start
# Safe by default: nothing is fetched or read for a request, and nothing is served that isn't needed.
flags+=(--allowed-media-domains none.invalid)                           # vLLM fetches image URLs otherwise
flags+=(--disable-fastapi-docs --no-enable-log-requests --disable-uvicorn-access-log)
export VLLM_MEDIA_URL_ALLOW_REDIRECTS=0 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export VLLM_HTTP_TIMEOUT_KEEP_ALIVE=3600                                # the service closes idle connections itself; 5 s would race with it
export VLLM_CPU_KVCACHE_SPACE=${VLLM_CPU_KVCACHE_SPACE:-2}              # GB; unset, vLLM takes half of the memory
export HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false

# --- The Python that runs it ------------------------------------------------------------------------

venv=$VENV_DIR/.venv-engine
if [[ -n ${CAPTION_ENGINE_PYTHON:-} ]]; then
  has_vllm "$CAPTION_ENGINE_PYTHON" || die "CAPTION_ENGINE_PYTHON is $CAPTION_ENGINE_PYTHON, which has no vLLM"
  python=$CAPTION_ENGINE_PYTHON
elif [[ -n ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} ]] && has_vllm python3; then
  python=$(command -v python3)
else
  python=$venv/bin/python
fi
install() {
  [[ $python == "$venv/bin/python" ]] || return 0
  local file=requirements.txt
  [[ $device == cuda ]] || file=requirements-cpu.txt
  ensure_environment "$venv" "$device" "$PROJECT_DIR/$file" "$PROJECT_DIR/requirements-adapter.txt"
}

# --- What runs --------------------------------------------------------------------------------------

# The service starts with the same default, so that a dataset run finds an engine that was started by hand.
socket=${CAPTION_ENGINE_SOCKET:-${CAPTION_RUN_DIR:-${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/joycaption-$UID}/engine.sock}
run_dir=$(dirname -- "$socket")
if [[ $device == cuda ]]; then
  command=("$python" -m vllm.entrypoints.cli.main serve "$model")
else
  # vllm-cpu's `vllm serve` looks for a distribution called vllm and fails.
  command=("$python" -W ignore::DeprecationWarning -m vllm.entrypoints.openai.api_server --model "$model")
fi
command+=(--uds "$socket" "${flags[@]}")
command+=(--chat-template "$run_dir/chat_template.jinja" --chat-template-content-format openai "$@")

if [[ $action == print ]]; then
  printf '%q ' "${command[@]}"
  echo
  exit
fi

say "launch: device $device"
if [[ $model == "$DEMO_MODEL" ]]; then
  say "launch: no NVIDIA GPU found: this is a demonstration with a tiny model on the CPU, not JoyCaption"
fi
install
[[ $action == serve ]] || exit 0

umask 077
mkdir -p -m 700 -- "$run_dir"
[[ -O $run_dir && $(stat -c %a -- "$run_dir") == 700 ]] ||
  die "$run_dir must be a directory of yours with mode 0700: the socket in it is the engine's only guard"
export PYTHONPATH="$PROJECT_DIR${PYTHONPATH:+:$PYTHONPATH}"
say "launch: model $model"
"$python" -m adapter.engine.fetch "$model"
"$python" -m adapter.engine.template "$model" "$run_dir"
say "launch: engine starts; CAPTION_ENGINE_URL=unix:$socket reaches it"
exec "${command[@]}"
