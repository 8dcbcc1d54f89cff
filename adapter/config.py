"""Settings: one name in the environment, one flag on the command line, checked once, then frozen.

The only module that reads the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapter.errors import SettingsError

PROJECT_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT_PREFIX = "CAPTION_"
NO_FOLDER = "none"
# What launch_vllm.sh reads from its environment; the launcher hands these settings over to it.
ENGINE_SETTINGS = (
    "model",
    "quantization",
    "tensor_parallel",
    "gpu_memory_utilization",
    "max_model_len",
    "engine_python",
    "venv_dir",
    "run_dir",
)


class Settings(BaseSettings):
    """All that can be set. Each field is `CAPTION_<NAME>` in the environment and `--<name>` as a flag."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 picks a free one.")] = 5000
    api_key: Annotated[
        SecretStr | None,
        Field(
            min_length=1,
            description="Key that clients must send, but for /health. Better set as the variable.",
        ),
    ] = None
    insecure: Annotated[bool, Field(description="Listen beyond this machine without a key all the same.")] = (
        False
    )
    model: Annotated[
        str | None,
        Field(
            description="Model name on the hub, or a local folder. "
            "Default: JoyCaption with an NVIDIA GPU, the demo model without."
        ),
    ] = None
    preload: Annotated[
        bool, Field(description="Accepted for older start scripts: the engine always preloads.")
    ] = True
    styles_file: Annotated[Path, Field(description="Styles, caption types and sampling defaults.")] = (
        PROJECT_DIR / "styles.json"
    )
    engine_url: Annotated[
        str | None,
        Field(
            description="An engine that runs already: http://HOST:PORT or unix:/PATH. Then none is started."
        ),
    ] = None
    engine_args: Annotated[str, Field(description="More arguments for vLLM, as on a command line.")] = ""
    engine_timeout_s: Annotated[
        float, Field(gt=0, description="Longest time for one caption, in seconds.")
    ] = 600.0
    engine_wait_s: Annotated[
        float,
        Field(
            ge=0,
            description="How long a new request waits for an engine that is being started again, in seconds.",
        ),
    ] = 30.0
    engine_stop_s: Annotated[
        float, Field(gt=0, description="Time for the engine to end by itself, in seconds.")
    ] = 5.0
    engine_silence_s: Annotated[
        float,
        Field(gt=0, description="After so long without an answer the engine counts as lost, in seconds."),
    ] = 30.0
    engine_stall_s: Annotated[
        float,
        Field(gt=0, description="And after so long without a token while it has work, in seconds."),
    ] = 60.0
    max_in_flight: Annotated[int, Field(ge=1, le=4096, description="Requests at the engine at one time.")] = (
        256
    )
    max_queue: Annotated[
        int, Field(ge=0, description="Images that may wait beyond those; more are refused.")
    ] = 10_000
    drain_s: Annotated[
        float,
        Field(
            ge=0,
            description="Time for requests in flight to finish when the service ends, in seconds; "
            "at most 5 of them after /shutdown.",
        ),
    ] = 30.0
    plain_answer_s: Annotated[
        float,
        Field(
            gt=0,
            description="An answer that takes longer than this, in seconds, is begun with white space, "
            "so that clients don't give up.",
        ),
    ] = 30.0
    keep_alive_s: Annotated[float, Field(gt=0, description="Seconds between two such spaces.")] = 15.0
    allowed_roots: Annotated[
        str | None,
        Field(
            description="Folders that images may be read from, separated by colons; / for any, or none. "
            "Default: any, but with a key or beyond this machine it must be set."
        ),
    ] = None
    allowed_origins: Annotated[
        str | None,
        Field(
            description="Web pages' origins that may use the service from a browser, as https://HOST:PORT, "
            "separated by commas; * for any. Default: none."
        ),
    ] = None
    allowed_image_hosts: Annotated[
        str | None,
        Field(
            description="Hosts that image URLs in /v1 may be fetched from, NAME or NAME:PORT, separated by "
            "commas. Default: none."
        ),
    ] = None
    image_fetch_s: Annotated[
        float, Field(gt=0, description="Longest time to fetch an image, in seconds.")
    ] = 10.0
    max_file_bytes: Annotated[int, Field(ge=1, description="Largest image file, in bytes.")] = 64 * 2**20
    max_image_pixels: Annotated[int, Field(ge=1, description="Largest image, in pixels.")] = 75_000_000
    max_queue_bytes: Annotated[
        int,
        Field(ge=1, description="Bodies of requests under way, together, in bytes; more are refused."),
    ] = 2**30
    client_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Time for a client to send its request or to take its answer before it is dropped, "
            "in seconds.",
        ),
    ] = 60.0
    max_body_bytes: Annotated[
        int, Field(ge=1, description="Largest request body, in bytes; in /v1 besides its image.")
    ] = 16 * 2**20
    prepare_workers: Annotated[
        int, Field(ge=1, description="Images decoded at one time. Default: the number of cores it may use.")
    ] = len(os.sched_getaffinity(0))
    exact_pixels: Annotated[
        bool, Field(description="Decode large JPEGs in full, for the reference's very bits; slower.")
    ] = False
    decode_s: Annotated[float, Field(gt=0, description="Longest time to decode one image, in seconds.")] = (
        10.0
    )
    decode_memory_bytes: Annotated[
        int, Field(ge=64 * 2**20, description="Most memory for decoding one image, in bytes.")
    ] = 2**30
    quantization: Annotated[
        str | None, Field(description="vLLM's quantization, such as fp8; none turns it off.")
    ] = None
    tensor_parallel: Annotated[int | None, Field(ge=1, description="GPUs to split the model over.")] = None
    gpu_memory_utilization: Annotated[
        float | None, Field(gt=0, le=1, description="Share of the GPU's memory to use.")
    ] = None
    max_model_len: Annotated[
        int | None, Field(ge=256, description="Longest prompt and answer together, in tokens.")
    ] = None
    engine_python: Annotated[Path | None, Field(description="A Python that has vLLM already.")] = None
    venv_dir: Annotated[Path | None, Field(description="Where the virtual environments are made.")] = None
    run_dir: Annotated[
        Path, Field(description="Where a running engine is told of, for dataset runs to find it.")
    ] = Path(
        os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp",  # noqa: S108
        f"joycaption-{os.getuid()}",
    )
    log_dir: Annotated[Path, Field(description="Where the engine's output is kept, in rotating files.")] = (
        Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "joycaption")
    )
    log_format: Annotated[
        Literal["text", "json"], Field(description="Lines for people, or an object a line for machines.")
    ] = "text"
    log_captions: Annotated[bool, Field(description="Write prompts and captions into the log.")] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="How much is logged.")
    ] = "info"

    @field_validator("engine_url")
    @classmethod
    def _is_engine_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if (parts.scheme == "unix" and parts.path.startswith("/")) or (
            parts.scheme in ("http", "https") and parts.netloc
        ):
            return url.rstrip("/")
        raise ValueError("must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")

    @field_validator("allowed_roots")
    @classmethod
    def _are_folders(cls, folders: str | None) -> str | None:
        for folder in ("" if folders == NO_FOLDER else folders or "").split(os.pathsep):
            if folder and not (os.path.isabs(folder) and os.path.isdir(folder)):
                raise ValueError(f"{folder} is no absolute path of a folder")
        return folders

    @property
    def roots(self) -> tuple[str, ...] | None:
        """`allowed_roots` one by one, None for any; those that are links also as what they lead to."""
        if self.allowed_roots is None:
            return None
        if self.allowed_roots == NO_FOLDER:
            return ()
        folders = [folder for folder in self.allowed_roots.split(os.pathsep) if folder]
        return tuple(dict.fromkeys([*folders, *map(os.path.realpath, folders)]))

    @property
    def key(self) -> str | None:
        """`api_key` in the clear."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """`allowed_image_hosts` one by one."""
        return _one_by_one(self.allowed_image_hosts)

    @property
    def origins(self) -> tuple[str, ...]:
        """`allowed_origins` one by one."""
        return _one_by_one(self.allowed_origins)

    @property
    def max_chat_body_bytes(self) -> int:
        """Room for the largest image as base64, which makes four bytes of three, and all else."""
        return self.max_body_bytes + self.max_file_bytes * 4 // 3

    @classmethod
    def load(cls, flags: Mapping[str, Any] | None = None) -> "Settings":
        """Flags that are given (not None) win over the environment. Raises SettingsError."""
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            place = f"--{name.replace('_', '-')}" if name in given else environment_name(name)
            raise SettingsError(f"{place}: {first['msg']}") from error

    def engine_environment(self) -> dict[str, str]:
        """The environment for launch_vllm.sh: ours, with the settings it reads as they are here."""
        environment = dict(os.environ)
        for name in ENGINE_SETTINGS:
            environment.pop(environment_name(name), None)
            value = getattr(self, name)
            if value is not None:
                environment[environment_name(name)] = str(value)
        return environment


def worker_environment() -> dict[str, str]:
    """The environment of a process that decodes images: it may keep memory that it would take anew."""
    keep = str(64 * 2**20)
    return {"MALLOC_MMAP_THRESHOLD_": keep, "MALLOC_TRIM_THRESHOLD_": keep} | os.environ


def _one_by_one(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def environment_name(setting: str) -> str:
    """`max_model_len` gives `CAPTION_MAX_MODEL_LEN`."""
    return f"{ENVIRONMENT_PREFIX}{setting.upper()}"
