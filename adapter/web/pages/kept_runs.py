"""What must outlive the service of runs that haven't ended: a file for each in a folder."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapter.web.pages.whole_file import replace_file

FOLDER = "runs"
MAX_FILE_BYTES = 2**20

log = logging.getLogger("adapter.web")


class KeptRun(BaseModel):
    """The `fields` that were asked for, how many texts were `made`, and whether the run is paused."""

    model_config = ConfigDict(strict=True, frozen=True)

    fields: dict[str, Any]
    made: int = Field(ge=0)
    is_paused: bool


class KeptRuns:
    """Keeps runs by their numbers in a folder of `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def keep(self, number: str, kept: KeptRun) -> None:
        """Keeps a run, or what has become of it. Where that can't be done, it is over with the service."""
        try:
            replace_file(self._path(number), kept.model_dump_json().encode())
        except OSError as error:
            log.warning("the run %s can't be kept for a restart: %s", number, error.strerror)

    def drop(self, number: str) -> None:
        """Keeps a run no longer."""
        with contextlib.suppress(OSError):
            self._path(number).unlink()

    def all(self) -> Iterator[tuple[str, KeptRun]]:
        """Yields all that are kept, by their numbers. A file that holds none is removed."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                if path.stat().st_size > MAX_FILE_BYTES:
                    raise ValueError("too large")
                kept = KeptRun.model_validate_json(path.read_bytes())
            except (OSError, ValueError) as error:
                log.warning("the run %s can't go on: %s", path.stem, error)
                self.drop(path.stem)
            else:
                yield path.stem, kept

    def _path(self, number: str) -> Path:
        return self._folder / f"{number}.json"
