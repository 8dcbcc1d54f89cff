"""Chooses how vLLM is started: the model, each flag and each environment variable, with its reason.

Pure but for `main`, by which launch_vllm.sh asks. It asks before anything is installed, so this module
imports nothing but the standard library, `gpus` and `adapter.errors`. launch_vllm.sh does the rest: it runs
nvidia-smi, finds the Python, sets the socket and the chat template, installs and starts.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from adapter.engine.gpus import GPU, Capability, dotted, visible_gpus
from adapter.errors import SettingsError

JOYCAPTION = "fancyfeast/llama-joycaption-beta-one-hf-llava"
NO_QUANTIZATION = "none"

# What JoyCaption needs, counting the memory of all GPUs that it is split over.
MIN_BF16_MIB = 22_500  # cards sold as 24 GB report 22.5 to 24 GiB; 17 GB of weights fit
MIN_FP8_MIB = 15_000  # cards sold as 16 GB; 9 GB of weights fit
MIN_4_BIT_MIB = 11_000  # cards sold as 11 or 12 GB; 7 GB of weights fit
MIN_FP8_CAPABILITY: Capability = (8, 9)  # Ada and newer compute in fp8

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
class LaunchSettings:
    """What the user set. None leaves a choice to this module; vLLM checks what is passed on as text."""

    model: str | None = None
    quantization: str | None = None  # vLLM's --quantization, or NO_QUANTIZATION
    tensor_parallel: int = 1  # a dense model that fits one GPU does best with one engine per GPU
    gpu_memory_utilization: str = "0.90"  # vLLM's own 0.92 less a desktop's share
    max_model_len: str = "4096"  # 729 image tokens, prompt and caption need under 3000
    omp_num_threads: str | None = None
    cpu_kvcache_gb: str = "2"  # without it vLLM takes half of the memory

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Gives the settings that these environment variables make. An empty one counts as unset.

        Raises SettingsError.
        """
        given = {name: value for name, value in variables.items() if value}
        tensor_parallel = given.get("CAPTION_TENSOR_PARALLEL", "1")
        if not tensor_parallel.isdecimal() or int(tensor_parallel) < 1:
            raise SettingsError(f"CAPTION_TENSOR_PARALLEL is {tensor_parallel}: it must be 1 or more")
        return cls(
            model=given.get("CAPTION_MODEL"),
            quantization=given.get("CAPTION_QUANTIZATION"),
            tensor_parallel=int(tensor_parallel),
            gpu_memory_utilization=given.get("CAPTION_GPU_MEMORY_UTILIZATION", cls.gpu_memory_utilization),
            max_model_len=given.get("CAPTION_MAX_MODEL_LEN", cls.max_model_len),
            omp_num_threads=given.get("OMP_NUM_THREADS"),
            cpu_kvcache_gb=given.get("VLLM_CPU_KVCACHE_SPACE", cls.cpu_kvcache_gb),
        )


@dataclass(frozen=True)
class Launch:
    """How to start vLLM: `arguments` follow the Python, `environment` is set in addition to what is there."""

    device: Literal["cuda", "cpu"]
    model: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


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
    quantization = settings.quantization
    if quantization is None and model == JOYCAPTION:
        # The smallest GPU decides.
        memory_mib, capability = min(gpu.memory_mib for gpu in gpus), min(gpu.capability for gpu in gpus)
        quantization = joycaption_quantization(memory_mib, capability, split)
    arguments = ["-m", "vllm.entrypoints.cli.main", "serve", model]
    arguments += ["--dtype", "bfloat16"]  # what the weights were published in
    arguments += ["--gpu-memory-utilization", settings.gpu_memory_utilization]
    if split > 1:
        arguments += ["--tensor-parallel-size", str(split)]
    arguments += _common_arguments(settings, quantization)
    return Launch("cuda", model, tuple(arguments), COMMON_ENVIRONMENT)


def joycaption_quantization(memory_mib: int, capability: Capability, tensor_parallel: int) -> str:
    """Chooses JoyCaption's quantization for `tensor_parallel` GPUs that each have this much memory.

    Raises SettingsError when neither bf16 nor fp8 fits.
    """
    together_mib = memory_mib * tensor_parallel
    if together_mib >= MIN_BF16_MIB:
        return NO_QUANTIZATION
    if together_mib >= MIN_FP8_MIB and capability >= MIN_FP8_CAPABILITY:
        return "fp8"
    if together_mib < MIN_4_BIT_MIB:
        raise SettingsError(
            f"this GPU has {memory_mib} MiB; JoyCaption needs 24 GB in bf16, 16 GB in fp8, 12 GB in 4 bits. "
            "Use a larger GPU, or CUDA_VISIBLE_DEVICES= for the demonstration on the CPU"
        )
    raise SettingsError(
        f"this GPU has {memory_mib} MiB and compute capability {dotted(capability)}: bf16 needs 24 GB, "
        "fp8 needs 16 GB and capability 8.9. Set CAPTION_QUANTIZATION=bitsandbytes (4 bits, about 7 GB, "
        "slower; install vLLM's bitsandbytes plugin into the engine's environment), or "
        "CAPTION_TENSOR_PARALLEL=2 with two GPUs"
    )


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
    arguments += _common_arguments(settings, settings.quantization)
    environment = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # with the executor above
        "OMP_NUM_THREADS": settings.omp_num_threads or str(max(cores - 1, 1)),
        "VLLM_CPU_KVCACHE_SPACE": settings.cpu_kvcache_gb,
    }
    return Launch("cpu", model, tuple(arguments), environment | COMMON_ENVIRONMENT)


def _common_arguments(settings: LaunchSettings, quantization: str | None) -> list[str]:
    arguments: list[str] = []
    if quantization == "fp8":
        # Weights per channel, activations per token; what sees stays in bf16.
        ignored = '{"ignore": ["*vision_tower*", "*multi_modal_projector*"]}'
        arguments += ["--quantization", "fp8_per_channel", "--quantization-config", ignored]
    elif quantization not in (None, NO_QUANTIZATION):
        arguments += ["--quantization", quantization]
    arguments += ["--max-model-len", settings.max_model_len]
    arguments += ["--limit-mm-per-prompt", '{"image": 1}']  # the model was trained with one
    arguments += ["--mm-processor-cache-gb", "0"]  # a dataset's images don't repeat
    arguments += ["--served-model-name", "joycaption"]  # one stable name, whatever folder it came from
    # Safe by default: nothing is fetched or read for a request, and nothing is served that isn't needed.
    arguments += ["--allowed-media-domains", "none.invalid"]  # vLLM fetches image URLs otherwise
    arguments += ["--disable-fastapi-docs", "--no-enable-log-requests", "--disable-uvicorn-access-log"]
    return arguments


def bash_assignments(launch: Launch) -> str:
    """Gives `launch` as quoted assignments for Bash to evaluate: device, model, arguments and environment."""
    variables = shlex.join(f"{name}={value}" for name, value in launch.environment.items())
    return (
        f"device={shlex.quote(launch.device)} model={shlex.quote(launch.model)} "
        f"arguments=({shlex.join(launch.arguments)}) environment=({variables})"
    )


def main(action: str, *words: str) -> None:
    """Prints the visible GPUs (`list`), or the launch as Bash assignments (`choose`).

    nvidia-smi's output is read from stdin. Each word is a NAME=value: an environment variable that is set, or
    one of the facts `cores` and `demo_model`.
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
