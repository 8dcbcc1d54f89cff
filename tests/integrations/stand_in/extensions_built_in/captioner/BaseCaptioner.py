"""Stands in for AI-Toolkit's base class of captioners: it records what its user interface would show."""

import threading
from typing import Any


class CaptionConfig:
    """A job's `caption`."""

    def __init__(self, **given: Any) -> None:
        for name in ("model_name_or_path", "path_to_caption", "extensions"):
            if not given.get(name):
                raise ValueError(f"{name} is required")
        self.path_to_caption: str = given["path_to_caption"]
        self.extensions: list[str] = given["extensions"]


class BaseCaptioner:
    """Runs a job in the order of the real one. Set `wants_stop` to stop it, as the button does."""

    caption_config_class = CaptionConfig
    caption_config: Any

    def __init__(self, process_id: int, job: Any, config: Any, **kwargs: Any) -> None:
        self.caption_config = self.caption_config_class(**config["caption"])
        self.file_paths: list[str] = []
        self.step_num = 0
        self.is_stopping = False
        self.wants_stop = threading.Event()
        self.told: list[str] = []
        self.steps: list[int] = []
        self.status = "running"
        self.stops_at_step: int | None = None

    def run(self) -> None:
        """Does the job."""
        self.load_model()
        self.find_files()
        self.update_step()
        self.run_caption_loop()
        self.status = "completed"

    def load_model(self) -> None:
        """Is for the captioner to say."""
        raise NotImplementedError

    def find_files(self) -> None:
        """Is for the captioner to say."""
        raise NotImplementedError

    def run_caption_loop(self) -> None:
        """Is for the captioner to say."""
        raise NotImplementedError

    def maybe_stop(self) -> None:
        """Raises an exception where the job is to stop."""
        if self.wants_stop.is_set():
            self.status = "stopped"
            self.is_stopping = True
            raise RuntimeError("Job stopped")

    def print_and_status_update(self, status: str) -> None:
        """Shows the job's status."""
        self.told.append(status)

    def update_step(self) -> None:
        """Shows the step."""
        self.steps.append(self.step_num)
        if self.stops_at_step is not None and self.step_num >= self.stops_at_step:
            self.wants_stop.set()

    def update_db_key(self, key: str, value: Any) -> None:
        """Writes something else about the job."""
