#!/usr/bin/env bash
# Starts one vLLM server for the captioning model: on the NVIDIA GPUs if there are any, else on the CPU.
# The service starts this file by itself; by hand it is for an engine on its own. adapter/engine/flags.py
# chooses the model, the flags and the environment variables, and gives the reason for each.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/scripts/environment.sh"

usage() {
  cat <<'USAGE'
usage: launch_vllm.sh [--install-only | --print-command | --list-gpus | --help] [VLLM ARGUMENTS...]

  --install-only   prepare the engine's environment, then end
  --print-command  print what would run, after the environment variables that would be set; installs and
                   starts nothing
  --list-gpus      print the NVIDIA GPUs that would be used: index, UUID, MiB, compute capability
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
  CAPTION_VENV_DIR                where .venv-engine (on a GPU .venv-engine-cuda) is made; default: beside this file
  CAPTION_PREFLIGHT               0 starts whatever the check of driver, compiler, disk and /dev/shm finds
  CAPTION_TORCH_CPU_INDEX         where to find torch's CPU build
USAGE
}

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

# Prints what nvidia-smi, the driver's view of NVML, says of all GPUs: index, UUID, MiB, compute capability.
# Nothing where there is none, or CUDA_VISIBLE_DEVICES hides them all.
query_gpus() {
  local gpus
  command -v nvidia-smi >/dev/null && [[ ${CUDA_VISIBLE_DEVICES-all} ]] || return 0
  gpus=$(nvidia-smi --query-gpu=index,uuid,memory.total,compute_cap --format=csv,noheader,nounits \
    2>/dev/null) || return $(($? == NO_DRIVER ? NO_DRIVER : 0))
  printf '%s\n' "$gpus"
}

# flags ACTION NAME=VALUE...: runs engine/flags.py on nvidia-smi's lines from stdin and on the variables that
# the choice depends on. It needs no package, so any Python will do: the engine's if the machine has no other.
flags() {
  local name python variables=()
  for name in CUDA_VISIBLE_DEVICES CAPTION_MODEL CAPTION_QUANTIZATION CAPTION_TENSOR_PARALLEL \
    CAPTION_GPU_MEMORY_UTILIZATION CAPTION_MAX_MODEL_LEN OMP_NUM_THREADS VLLM_CPU_KVCACHE_SPACE \
    VLLM_USE_FLASHINFER_SAMPLER; do
    [[ -z ${!name+set} ]] || variables+=("$name=${!name}")
  done
  python=$(any_python) || return
  # Without site-packages (-S) and the current folder (-P), nothing that lies there is imported by mistake.
  PYTHONPATH=$PROJECT_DIR "$python" -S -P -m adapter.engine.flags "$@" "${variables[@]}"
}

any_python() { (find_python) 2>/dev/null || printf '%s\n' "${CAPTION_ENGINE_PYTHON:-$(find_python)}"; }

# Whether FlashInfer could compile its kernels: it looks for nvcc in these places, and for ninja in PATH.
compiles_cuda() {
  local home=${CUDA_HOME:-${CUDA_PATH:-}}
  { [[ $home ]] && [[ -x $home/bin/nvcc ]]; } || { [[ ! $home ]] && command -v nvcc; } ||
    { [[ ! $home ]] && [[ -x /usr/local/cuda/bin/nvcc ]]; } || return
  command -v ninja
} >/dev/null

list_gpus() {
  local gpus
  gpus=$(query_gpus) || return
  [[ -z $gpus ]] || flags list <<<"$gpus"
}

has_vllm() { "$1" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("vllm"))' 2>/dev/null; }

# --- Installing --------------------------------------------------------------------------------------

install_cuda() {
  local file files=()
  for file in "${requirements[@]}"; do files+=(-r "$PROJECT_DIR/$file"); done
  pip_install "$1" "${files[@]}"
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
  --list-gpus) list_gpus; exit ;;
  --help | -h) usage && exit ;;
esac

gpus=$(query_gpus) ||
  die "nvidia-smi can't reach the NVIDIA driver: mend or update it, or set CUDA_VISIBLE_DEVICES= (empty) for the demonstration on the CPU"

# --- Which model, on what, how ----------------------------------------------------------------------

device='' model='' arguments=() environment=() requirements=()
facts=(cores="$(nproc)" demo_model="$DEMO_MODEL" compiles_cuda="$(compiles_cuda && echo yes || echo no)")
chosen=$(flags choose "${facts[@]}" <<<"$gpus") || exit 1
eval "$chosen"  # sets these five
environment+=("PYTHONPATH=$PROJECT_DIR${PYTHONPATH:+:$PYTHONPATH}")

# --- The Python that runs it ------------------------------------------------------------------------

# Tests run the demonstration on the CPU also where there is a GPU, so each device has an environment of its own.
venv=$VENV_DIR/.venv-engine
[[ $device == cpu ]] || venv+=-$device
if [[ -n ${CAPTION_ENGINE_PYTHON:-} ]]; then
  has_vllm "$CAPTION_ENGINE_PYTHON" || die "CAPTION_ENGINE_PYTHON is $CAPTION_ENGINE_PYTHON, which has no vLLM"
  python=$CAPTION_ENGINE_PYTHON
elif [[ -n ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} ]] && has_vllm python3; then
  python=$(command -v python3)
else
  python=$venv/bin/python
fi
requirement_files=("$PROJECT_DIR/requirements-adapter.txt")
for ((last = ${#requirements[@]} - 1; last >= 0; last--)); do
  requirement_files=("$PROJECT_DIR/${requirements[last]}" "${requirement_files[@]}")
done
install() {
  [[ $python == "$venv/bin/python" ]] || return 0
  ensure_environment "$venv" "$device" "${requirement_files[@]}"
}

# Ends with a line for each thing that would stop the start: an old driver, no compiler, a full disk.
preflight() {
  local facts=(device="$device" model="$model" split="${CAPTION_TENSOR_PARALLEL:-1}" venv="$venv" cc="${CC:-}")
  local hub_cache=${HF_HUB_CACHE:-${HUGGINGFACE_HUB_CACHE:-${HF_HOME:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/huggingface}/hub}}
  hub_cache=${hub_cache/#\~/${HOME:-}}
  if [[ $python == "$venv/bin/python" ]] && ! is_installed "$venv" "$device" "${requirement_files[@]}"; then
    facts+=(installed=no python="$(any_python)")
  elif [[ $device == cpu ]]; then
    return 0
  else
    facts+=(installed=yes python="$python")
  fi
  [[ $device == cpu ]] || facts+=(nvidia_smi="$(nvidia-smi 2>/dev/null)" hub_cache="$hub_cache"
    requirement="$(grep '^vllm==' "$PROJECT_DIR/requirements.txt")")
  PYTHONPATH=$PROJECT_DIR "$(any_python)" -S -P -m adapter.engine.preflight "${facts[@]}"
}

# --- What runs --------------------------------------------------------------------------------------

# The service starts with the same default, so that a dataset run finds an engine that was started by hand.
socket=${CAPTION_ENGINE_SOCKET:-${CAPTION_RUN_DIR:-${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/joycaption-$UID}/engine.sock}
run_dir=$(dirname -- "$socket")
command=("$python" "${arguments[@]}" --uds "$socket")
command+=(--chat-template "$run_dir/chat_template.jinja" --chat-template-content-format openai "$@")

if [[ $action == print ]]; then
  for variable in "${environment[@]}"; do
    printf '%s=%q ' "${variable%%=*}" "${variable#*=}"
  done
  printf '%q ' "${command[@]}"
  echo
  exit
fi

say "launch: device $device"
[[ ${CAPTION_PREFLIGHT:-1} == 0 ]] || preflight || exit 1
if [[ $model == "$DEMO_MODEL" ]]; then
  say "launch: no NVIDIA GPU found: this is a demonstration with a tiny model on the CPU, not JoyCaption"
fi
install
[[ $action == serve ]] || exit 0

umask 077
mkdir -p -m 700 -- "$run_dir"
[[ -O $run_dir && $(stat -c %a -- "$run_dir") == 700 ]] ||
  die "$run_dir must be a directory of yours with mode 0700: the socket in it is the engine's only guard"
export "${environment[@]}"
# An engine that was killed leaves its socket behind, on which the next one couldn't listen.
if [[ -e $socket ]]; then
  "$(any_python)" -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$socket" 2>/dev/null &&
    die "an engine listens on $socket already: use it with CAPTION_ENGINE_URL=unix:$socket, or end it first"
  rm -f -- "$socket"
fi
say "launch: model $model"
"$python" -m adapter.engine.fetch "$model"
"$python" -m adapter.engine.template "$model" "$run_dir"
say "launch: engine starts; CAPTION_ENGINE_URL=unix:$socket reaches it"
exec "${command[@]}"
