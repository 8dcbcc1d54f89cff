"""What can be set about engines: which model they serve, and how they are started and watched."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import field_validator

from adapter.config import SettingsGroup, default_run_dir, described, listed

MAX_ENGINES = 64


class EngineSettings(SettingsGroup):
    """Engine: which model it serves, and how it is started and watched."""

    model: str | None = described(
        "Model name on the hub, or a local folder. "
        "Default: JoyCaption with an NVIDIA GPU, the demo model without.",
    )
    quantization: str | None = described("vLLM's quantization, such as fp8; none turns it off.")
    tensor_parallel: int | None = described("GPUs to split the model over.", ge=1)
    gpu_memory_utilization: float | None = described("Share of the GPU's memory to use.", gt=0, le=1)
    max_model_len: int | None = described("Longest prompt and answer together, in tokens.", ge=256)
    engines: int | Literal["auto"] = described(
        "Number of engines to start; auto: one for each GPU, or each group that the model is split over.",
        "auto",
    )
    engine_url: str | None = described(
        "Engines that run already, or a router before them: http://HOST:PORT or unix:/PATH, separated by "
        "commas. Then none is started."
    )
    engine_args: str | None = described("More arguments for vLLM, as on a command line.")
    engine_python: Path | None = described("A Python that has vLLM already.")
    venv_dir: Path | None = described("Folder in which the virtual environments are made.")
    run_dir: Path = described(
        "Folder in which a running engine is announced, for dataset runs to find it.",
        default_run_dir(),
    )
    engine_timeout_s: float = described("Longest time for one caption, in seconds.", 600.0, gt=0)
    engine_stop_s: float = described("Time for the engine to end by itself, in seconds.", 5.0, gt=0)
    engine_silence_s: float = described(
        "Time without an answer after which the engine counts as lost, in seconds.",
        30.0,
        gt=0,
    )
    engine_stall_s: float = described(
        "Time without a token, while there is work, after which the engine counts as lost, in seconds.",
        60.0,
        gt=0,
    )
    max_in_flight: int = described("Requests that are at each engine at one time.", 256, ge=1, le=4096)

    @field_validator("engines")
    @classmethod
    def _is_a_number_of_engines(cls, engines: int | str) -> int | str:
        if isinstance(engines, int) and not 1 <= engines <= MAX_ENGINES:
            raise ValueError(f"must be auto, or a number from 1 to {MAX_ENGINES}")
        return engines

    @field_validator("engine_url")
    @classmethod
    def _are_engine_urls(cls, urls: str | None) -> str | None:
        given = [url.rstrip("/") for url in listed(urls)]
        for url in given:
            parts = urlsplit(url)
            if not (
                (parts.scheme == "unix" and parts.path.startswith("/"))
                or (parts.scheme in ("http", "https") and parts.netloc)
            ):
                raise ValueError("must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")
        if len(set(given)) < len(given):
            raise ValueError("names an engine twice")
        return ",".join(given) or None

    @field_validator("engine_args")
    @classmethod
    def _are_words(cls, arguments: str | None) -> str | None:
        shlex.split(arguments or "")  # raises ValueError where a quotation has no end
        return arguments

    @property
    def engine_urls(self) -> tuple[str, ...]:
        """The `engine_url` one by one."""
        return listed(self.engine_url)

    @property
    def engine_count(self) -> int | None:
        """The number of `engines`, None for auto."""
        return None if self.engines == "auto" else self.engines

    @property
    def for_launch(self) -> Mapping[str, Any]:
        """The settings that launch_vllm.sh reads from its environment."""
        names = (
            "model",
            "quantization",
            "tensor_parallel",
            "gpu_memory_utilization",
            "max_model_len",
            "engine_python",
            "venv_dir",
            "run_dir",
        )
        return {name: getattr(self, name) for name in names}
