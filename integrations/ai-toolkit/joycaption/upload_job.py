"""A job whose images are sent to the service, many at one time, because it can't read them by itself."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from .images import Images, read_text, text_path
from .job_error import JobError, RefusedError, ServiceAbsentError, shown
from .options import SAMPLED, Options
from .outcome import Outcome, Watcher
from .service import Json, Service
from .starting import LOOK_S, RETURN_S, progress_line
from .written_texts import TextChangedError, WrittenTexts

CAPTION_S = 900.0  # longer than the service lets a caption take
MAX_FILE_BYTES = 2**28  # the service's own limit is lower
CAPTIONING = "Captioning"
AWAY = "Waiting for the captioning service to come back"
# These would be the answer to every other image too.
HOPELESS = frozenset({400, 401, 403, 404})


class StoppedError(Exception):
    """The job is ending."""


@dataclass(frozen=True)
class Captioned:
    """An answer for the image at `path`."""

    path: str
    text: str
    is_cut: bool


class UploadJob:
    """The images of `folder`, each sent to `/v1` of the service with what `options` ask for."""

    def __init__(self, service: Service, options: Options, folder: str) -> None:
        self._service = service
        self._options = options
        self._folder = folder
        self._ending = threading.Event()
        self._is_away = False
        self._is_refused = False  # for now: there is no engine, or too much to do

    def complete(self, images: Images, watcher: Watcher) -> Outcome:
        """Captions all images that are wanted.

        Raises JobError where it makes no sense to go on, and whatever the watcher raises.
        """
        outcome, texts = Outcome(), WrittenTexts(self._folder)
        waiting = self._sendable(images, texts, outcome)
        began: float | None = None  # when the first was captioned: the engine may have been asleep
        under_way: dict[Future[Captioned], tuple[str, bytes]] = {}
        told = ""
        with ThreadPoolExecutor(self._options.in_flight, "joycaption") as pool:
            try:
                while True:
                    while len(under_way) < self._options.in_flight and (one := next(waiting, None)):
                        under_way[pool.submit(self._caption, one[0])] = one
                    if not under_way:
                        return outcome
                    ended, _ = wait(under_way, LOOK_S, FIRST_COMPLETED)
                    for future in ended:
                        self._settle(future, *under_way.pop(future), texts, outcome)
                    watcher.check()
                    if (line := self._line(outcome)) != told:
                        told = line
                        watcher.tell(line)
                    began = time.monotonic() if began is None and outcome.done else began
                    rate = outcome.done / max(time.monotonic() - (began or 0.0), LOOK_S)
                    settled = outcome.done + outcome.failed + outcome.edited
                    watcher.count(settled, rate if outcome.done else None)
            except BaseException:
                self.stop()  # or the pool would wait for all that is under way
                raise

    def stop(self) -> None:
        """Ends what is under way: the service gives up requests whose client has gone."""
        self._ending.set()
        self._service.hang_up()

    def _line(self, outcome: Outcome) -> str:
        if not self._is_away and (self._is_refused or not outcome.done):  # which may wake an engine
            try:
                progress = self._service.progress()
            except (RefusedError, ServiceAbsentError):
                return CAPTIONING  # what is wrong is told by what becomes of the captions
            if progress.get("status") != "ready":
                return f"Waiting for the engine: {progress_line(progress)}"
        return AWAY if self._is_away else CAPTIONING

    def _sendable(self, images: Images, texts: WrittenTexts, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
        """Yields images to be sent, with the texts that they have; counts those that aren't."""
        owners: dict[str, str] = {}
        for image in images.all:
            owners.setdefault(text_path(image, self._options.extension), image)
        for image in images.wanted:
            place = text_path(image, self._options.extension)
            if (owner := owners[place]) != image:
                message = f"{os.path.basename(place)} is the text of {os.path.basename(owner)} already"
                outcome.fail("sidecar_taken", self._example(image, message))
                continue
            try:
                seen = read_text(place)
            except OSError as error:
                outcome.fail("write", self._example(image, error.strerror or str(error)))
                continue
            if texts.is_edited(place, seen) and not self._options.overwrite_edited:
                outcome.edited += 1
            else:
                yield image, seen

    def _settle(
        self, future: Future[Captioned], image: str, seen: bytes, texts: WrittenTexts, outcome: Outcome
    ) -> None:
        """Writes what came of an image, or counts why nothing did. Raises JobError where all would fail."""
        try:
            answer = future.result()
            texts.write(text_path(image, self._options.extension), answer.text, seen)
        except RefusedError as error:
            if error.status in HOPELESS:
                raise
            outcome.fail(error.code or str(error.status), self._example(image, str(error)))
        except TextChangedError as error:
            outcome.fail("text_changed", self._example(image, str(error)))
        except OSError as error:
            outcome.fail("file", self._example(image, error.strerror or str(error)))
        else:
            outcome.done += 1
            outcome.cut += answer.is_cut

    def _caption(self, image: str) -> Captioned:
        """Gives an image's caption, in a thread. Raises RefusedError, ServiceAbsentError and OSError."""
        body = self._body(image)
        away_since: float | None = None
        while not self._ending.is_set():
            try:
                answer = self._service.ask("POST", "/v1/chat/completions", body, limit_s=CAPTION_S)
            except RefusedError as error:
                if error.status != 503:
                    raise
                away_since, self._is_away, self._is_refused = None, False, True
                self._ending.wait(error.wait_s or LOOK_S)
            except ServiceAbsentError as error:
                away_since, self._is_away = away_since or time.monotonic(), True
                if time.monotonic() - away_since > RETURN_S:
                    raise JobError(
                        f"The captioning service was gone for {RETURN_S:.0f} s. {error}"
                    ) from error
                self._ending.wait(LOOK_S)
            else:
                self._is_away = self._is_refused = False
                return _captioned(image, answer)
        raise StoppedError

    def _body(self, image: str) -> bytes:
        with open(image, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise OSError(None, f"the file has more than {MAX_FILE_BYTES // 2**20} MiB")
        url = b"data:application/octet-stream;base64," + base64.b64encode(data)
        asked = dict(self._options.asked)
        content: list[object] = [{"type": "image_url", "image_url": {"url": "@"}}]
        if prompt := asked.pop("prompt", None):
            content.append({"type": "text", "text": prompt})
        message = {"role": "user", "content": content}
        fields = {name: value for name, value in asked.items() if name not in SAMPLED}
        sampled = {name: value for name, value in asked.items() if name in SAMPLED}
        # The image goes in last: in a JSON text it needs no escapes.
        body = json.dumps({"messages": [message], "model": "joycaption", **fields, **sampled}).encode()
        return body.replace(b'"@"', b'"' + url + b'"', 1)

    def _example(self, image: str, message: str) -> str:
        return shown(f"{os.path.relpath(image, self._folder)}: {message}")


def _captioned(image: str, answer: Json) -> Captioned:
    try:
        choice = answer["choices"][0]
        return Captioned(image, str(choice["message"]["content"]), choice["finish_reason"] == "length")
    except (KeyError, IndexError, TypeError) as error:
        raise JobError("The service's answer has no caption: is it JoyCaption's?") from error
