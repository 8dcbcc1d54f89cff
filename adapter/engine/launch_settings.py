"""What the user set about the launch of an engine, as launch_vllm.sh hands it over. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from adapter.errors import SettingsError


@dataclass(frozen=True)
class LaunchSettings:
    """What the user set. None leaves a choice to this module; vLLM checks what is passed on as text.

    `compiles_cuda` tells whether nvcc and ninja are there: FlashInfer compiles its sampler with them.
    """

    model: str | None = None
    quantization: str | None = None  # vLLM's --quantization, or NO_QUANTIZATION
    tensor_parallel: int = 1  # a dense model that fits one GPU does best with one engine per GPU
    gpu_memory_utilization: str = "0.90"  # vLLM's own 0.92 less a desktop's share
    max_model_len: str = "4096"  # 729 image tokens, prompt and caption need under 3000
    omp_num_threads: str | None = None
    cpu_kvcache_gb: str = "2"  # without it vLLM takes half of the memory
    flashinfer_sampler: str | None = None
    compiles_cuda: bool = False

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
            flashinfer_sampler=given.get("VLLM_USE_FLASHINFER_SAMPLER"),
            compiles_cuda=given.get("compiles_cuda") == "yes",
        )

    @property
    def gpu_memory_share(self) -> float:
        """The `gpu_memory_utilization` as a number. Raises SettingsError."""
        try:
            share = float(self.gpu_memory_utilization)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise SettingsError(
                f"CAPTION_GPU_MEMORY_UTILIZATION is {self.gpu_memory_utilization}: it must be a number above "
                "0 and up to 1"
            )
        return share
