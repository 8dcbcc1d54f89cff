"""All that can be set, in groups. Each face and each command takes the groups that it has a use for."""

import os
from pathlib import Path
from typing import Literal

from pydantic import SecretStr, field_validator

from adapter.config import PROJECT_DIR, SettingsGroup, default_state_dir, described, listed
from adapter.engine_settings import EngineSettings

NO_FOLDER = "none"
MAX_ATTEMPTS = 20  # each is warmer than the one before, and from 2.0 on nothing but noise comes


class ImageSettings(SettingsGroup):
    """Images: how large they may be, and how they are decoded."""

    max_file_bytes: int = described("Largest image file, in bytes.", 64 * 2**20, ge=1)
    max_image_pixels: int = described("Largest image, in pixels.", 75_000_000, ge=1)
    prepare_workers: int = described(
        "Images that are decoded at one time. Default: the number of cores that may be used.",
        len(os.sched_getaffinity(0)),
        ge=1,
    )
    exact_pixels: bool = described(
        "Decode large JPEGs in full, for the reference's very bits; slower.", False
    )
    decode_s: float = described("Longest time to decode one image, in seconds.", 10.0, gt=0)
    decode_memory_bytes: int = described(
        "Most memory for decoding one image, in bytes.", 2**31, ge=64 * 2**20
    )
    allowed_roots: str | None = described(
        "Folders that images may be read from, separated by colons; / for any, or none. "
        "Default: any, but with a key or beyond this machine it must be set.",
    )

    @field_validator("allowed_roots")
    @classmethod
    def _are_folders(cls, folders: str | None) -> str | None:
        for folder in ("" if folders == NO_FOLDER else folders or "").split(os.pathsep):
            if folder and not (os.path.isabs(folder) and os.path.isdir(folder)):
                raise ValueError(f"{folder} is not the absolute path of a folder")
        return folders

    @property
    def roots(self) -> tuple[str, ...] | None:
        """The `allowed_roots` one by one, None for any; where one is a link, also what it leads to."""
        if self.allowed_roots is None:
            return None
        if self.allowed_roots == NO_FOLDER:
            return ()
        folders = [folder for folder in self.allowed_roots.split(os.pathsep) if folder]
        return tuple(dict.fromkeys([*folders, *map(os.path.realpath, folders)]))


class OutputSettings(SettingsGroup):
    """Prompts and logs."""

    styles_file: Path = described(
        "File with the styles, caption types and sampling defaults.",
        PROJECT_DIR / "styles.json",
    )
    log_dir: Path = described(
        "Folder in which the engine's output is kept, in rotating files.", default_state_dir()
    )
    data_dir: Path = described(
        "Folder in which the service keeps what must outlive it: the page's token, and runs that go on.",
        default_state_dir(),
    )
    log_format: Literal["text", "json"] = described(
        "Lines for people, or one JSON object per line for machines.", "text"
    )
    log_level: Literal["debug", "info", "warning", "error"] = described("How much is logged.", "info")


class QualitySettings(SettingsGroup):
    """Captions: what becomes of bad ones."""

    attempts: int = described(
        "How often the model is asked for one caption, until it is a good one.", 3, ge=1, le=MAX_ATTEMPTS
    )
    on_flaw: Literal["fail", "keep"] = described(
        "What becomes of a caption that is bad after all attempts: it fails, or is given out all the same.",
        "fail",
    )


class ServiceSettings(SettingsGroup):
    """Service: who may ask it for what, and how much at one time."""

    host: str = described("Address to listen on.", "127.0.0.1")
    port: int = described("Port to listen on; 0 picks a free one.", 5000, ge=0, le=65535)
    api_key: SecretStr | None = described(
        "Key that clients must send to every endpoint but /health. Better set as the variable.",
        min_length=1,
    )
    insecure: bool = described("Listen beyond this machine without a key all the same.", False)
    allowed_origins: str | None = described(
        "Origins of web pages that may use the service from a browser, as https://HOST:PORT, "
        "separated by commas; * for any. Default: none.",
    )
    allowed_image_hosts: str | None = described(
        "Hosts that image URLs in /v1 may be fetched from, NAME or NAME:PORT, separated by commas. "
        "Default: none.",
    )
    image_fetch_s: float = described("Longest time to fetch an image, in seconds.", 10.0, gt=0)
    max_body_bytes: int = described(
        "Largest request body, in bytes; in /v1 besides its image.", 16 * 2**20, ge=1
    )
    max_queue: int = described(
        "Images that may wait beyond those at the engine; more are refused.", 10_000, ge=0
    )
    max_queue_bytes: int = described(
        "Bytes of all requests' bodies under way together; more are refused.", 2**30, ge=1
    )
    engine_wait_s: float = described(
        "How long a new request waits for an engine that is being started again, in seconds.", 30.0, ge=0
    )
    max_connections: int = described("Connections at one time; more get 503.", 2000, ge=1)
    client_timeout_s: float = described(
        "Time for a client to send its request or to take its answer before it is dropped, in seconds.",
        60.0,
        gt=0,
    )
    plain_answer_s: float = described(
        "Time after which an answer is begun with white space, so that clients don't give up, in seconds.",
        30.0,
        gt=0,
    )
    keep_alive_s: float = described("Seconds between two such spaces.", 15.0, gt=0)
    drain_s: float = described(
        "Time for requests in flight to finish when the service ends, in seconds; at most 5 after /shutdown.",
        30.0,
        ge=0,
    )
    idle_s: float = described(
        "Time without work after which the engines end and free their memory, in seconds; the next request "
        "starts them again. 0: never.",
        0.0,
        ge=0,
    )
    read_ahead: bool = described(
        "Caption a folder's next images ahead for clients that send one image at a time.", True
    )
    log_captions: bool = described("Write prompts and captions into the log.", False)
    preload: bool = described("Accepted for older start scripts: the engine always preloads.", True)

    @property
    def key(self) -> str | None:
        """The `api_key` in the clear."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """The `allowed_image_hosts` one by one."""
        return listed(self.allowed_image_hosts)

    @property
    def origins(self) -> tuple[str, ...]:
        """The `allowed_origins` one by one."""
        return listed(self.allowed_origins)


class RunSettings(OutputSettings, ImageSettings, QualitySettings, EngineSettings):
    """What a dataset run needs: everything that concerns engine, images, captions and logs."""


class Settings(ServiceSettings, RunSettings):
    """What the service needs: everything."""

    @property
    def max_image_url_bytes(self) -> int:
        """Room for the largest image as base64, which makes four bytes of three."""
        return self.max_file_bytes * 4 // 3 + 1024
