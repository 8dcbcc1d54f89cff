"""The process of a job of the type `JoyCaption`: a captioner with the service in the model's place."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from extensions_built_in.captioner.BaseCaptioner import BaseCaptioner, CaptionConfig

from .images import FORMATS, Images, find_images
from .job_error import JobError, RefusedError, ServiceAbsentError
from .options import DEFAULT_URL, Options, parse
from .outcome import Outcome
from .run_job import RunJob, secret_of
from .service import Service
from .starting import Start, connect, wait_until_ready
from .upload_job import UploadJob

ELAPSED = re.compile(r" \(\d+ s\)")  # in the service's messages
AGAIN_S = 10.0  # after which a line is told again where only that has changed
LOOK_S = 1.0  # between two looks into AI-Toolkit's database, each of which blocks
RELEASE_TRIES = 10  # a run that has just ended, and requests that were given up, count as work for a moment


class JoyCaptionConfig(CaptionConfig):
    """A job's `caption`: what AI-Toolkit reads of it, and all of it as `given`."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        defaults = {"model_name_or_path": DEFAULT_URL, "extensions": sorted(FORMATS)}
        super().__init__(**{**given, **{name: given.get(name) or defaults[name] for name in defaults}})


class JoyCaptioner(BaseCaptioner):
    """Captions a folder by the service.

    What it waits for it looks at about once a second from the main thread, where a stop reaches it.
    """

    caption_config_class = JoyCaptionConfig

    def __init__(self, process_id: int, job: Any, config: Any, **kwargs: Any) -> None:
        super().__init__(process_id, job, config, **kwargs)
        self._options = Options({})
        self._service: Service | None = None
        self._start: Start | None = None
        self._images = Images((), ())
        self._looked = self._counted = 0.0
        self._shown: tuple[int, str] | None = None
        self._told = ("", 0.0)

    def run(self) -> None:
        """Does the job. Whatever ends it early, the GPU is asked back."""
        try:
            super().run()
        except BaseException as error:
            with self._undisturbed(error):
                self._release()
            raise

    def load_model(self) -> None:
        """Reads the job's fields. The service isn't needed before it is known what is to be captioned.

        Raises JobError.
        """
        self._options = parse(self.caption_config.given)
        for name in self._options.unknown:
            print(f"JoyCaption doesn't know caption.{name}, which is ignored")
        self._service = Service(self._options.service_url, self._options.api_key)
        if path := self._options.start_service:
            self._start = Start(path, self._service, os.environ)

    def find_files(self) -> None:
        """Finds the images that the service reads."""
        config = self.caption_config
        formats = [one for one in config.extensions if one.lower().lstrip(".") in FORMATS]
        if not formats:
            raise JobError("JoyCaption captions images, and caption.extensions names no image's extension")
        self._images = find_images(
            config.path_to_caption, formats, self._options.extension, recaption=self._options.recaption
        )
        self.file_paths = list(self._images.wanted)
        print(f"Found {len(self._images.all)} images. {len(self.file_paths)} need captioning.")

    def run_caption_loop(self) -> None:
        """Captions them. Raises JobError where nothing was captioned and something failed."""
        outcome = self._caption_all() if self.file_paths else Outcome()
        outcome.print()
        self._release()
        outcome.raise_if_all_failed()

    def _caption_all(self) -> Outcome:
        service, folder = self._service, self.caption_config.path_to_caption
        assert service is not None
        connect(service, self._start, self)
        wait_until_ready(service, self._start, self)
        secret = secret_of(service, self._options, os.environ)
        run = RunJob(service, self._options, folder, secret)
        if why := self._why_not(run, service, secret):
            print(f"The images are sent to the service, because {why}")
            return UploadJob(service, self._options, folder).complete(self._images, self)
        try:
            return run.complete(self)
        except BaseException as error:
            with self._undisturbed(error):
                run.stop()
            raise

    def _why_not(self, run: RunJob, service: Service, secret: str) -> str:
        """Gives why the service can't caption the folder by itself, nothing where it can."""
        if not service.is_local:
            return f"{service.host} is another machine"
        if not secret:
            return "neither its key nor its page's token is at hand"
        return run.problem_with(self._images)

    def check(self) -> None:
        """Raises what ends the job where somebody wants it to stop."""
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self.maybe_stop()

    def tell(self, status: str) -> None:
        """Shows a line as the job's status, and in its log; seconds that pass are told now and then."""
        bare, now = ELAPSED.sub("", status), time.monotonic()
        if bare == self._told[0] and now - self._told[1] < AGAIN_S:
            return
        self._told = bare, now
        self.print_and_status_update(status)

    def count(self, done: int, images_per_s: float | None) -> None:
        """Shows how many images are settled, at most once a second, and always all of them."""
        done = min(done, len(self.file_paths))
        speed = "" if images_per_s is None else f"{images_per_s:.1f} images/s"
        now = time.monotonic()
        if (done, speed) == self._shown or (now - self._counted < LOOK_S and done < len(self.file_paths)):
            return
        self._counted, self._shown = now, (done, speed)
        self.step_num = done
        self.update_step()
        self.update_db_key("speed_string", speed)

    @contextlib.contextmanager
    def _undisturbed(self, error: BaseException) -> Iterator[None]:
        """Lets what follows `error` come to its end: a stop comes as a flag and as SIGINT, one by one.

        AI-Toolkit's watcher of the flag would interrupt, too, unless the job is known to be stopping.
        """
        if isinstance(error, KeyboardInterrupt):
            self.is_stopping = True
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _release(self) -> None:
        """Asks a service of this machine for the GPU's memory, once. A refusal is told and no more.

        One that doesn't answer has no memory to give.
        """
        service, self._service = self._service, None
        if service is None or not self._options.release or not service.is_local:
            return
        service = Service(service.url, self._options.api_key)  # the other one may have hung up
        for tries_left in reversed(range(RELEASE_TRIES)):
            try:
                service.release()
                print("The captioning service has given the GPU back")
            except RefusedError as error:
                if error.status == 409 and tries_left:
                    time.sleep(LOOK_S)
                    continue
                print(f"The GPU isn't given back: {error}")
            except ServiceAbsentError as error:
                if self.file_paths:
                    print(f"The GPU isn't asked back: {error}")
            return
