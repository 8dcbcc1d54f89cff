"""A job as a run of the service's own over the folder: its ledger, quality gate and rules for texts hold.

The run belongs to the service. It goes on by itself when the service is started again, so a job that ends
early has to stop it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from .images import Images
from .job_error import JobError, RefusedError, ServiceAbsentError, shown
from .options import Options
from .outcome import Outcome, Watcher
from .service import Json, Service
from .starting import LOOK_S, Absence, progress_line, state_folder

BEGIN_S = 60.0  # the service opens the folder's ledger
STOP_S = 20.0  # what is under way is finished
APPEAR_S = 2.0  # for a run to be listed that was being begun
ENDED = frozenset({"done", "stopped", "failed"})
# Refusals that say that the service doesn't see the folder as this job does, or doesn't know this user.
ELSEWHERE = frozenset({401, 403, 404})


class RunJob:
    """The run over `folder` that `options` describe. `secret` is the page's token, or the key."""

    def __init__(self, service: Service, options: Options, folder: str, secret: str) -> None:
        self._service = service
        self._secret = secret
        self._recaption = options.recaption
        self._fields: Json = {
            **options.asked,
            "folder": os.path.abspath(folder),
            "extension": options.extension,
            "existing": "overwrite" if options.recaption else "skip",
            "overwrite_edited": options.overwrite_edited,
        }
        self._id = ""
        self._begun_at: float | None = None
        self._skipped_before = 0  # more than these are skipped where the run goes on after a restart
        self._settled = 0

    def problem_with(self, images: Images) -> str:
        """Gives why the service can't do these images by itself, nothing where it can.

        Raises RefusedError for wrong options, and ServiceAbsentError.
        """
        try:
            self._fields["folder"].encode()
            seen = self._ask("POST", "/preview", self._fields, limit_s=BEGIN_S)
        except UnicodeEncodeError:
            return "the folder's path is no text"
        except RefusedError as error:
            if error.status in ELSEWHERE or error.field == "folder":
                return str(error)
            raise
        self._skipped_before = int(seen.get("skipped") or 0)
        count = sum(int(seen.get(name) or 0) for name in ("to_caption", "skipped", "edited", "failed"))
        if count != len(images.all):
            return f"it would take {count} images of the folder, and this job takes {len(images.all)}"
        return ""

    def complete(self, watcher: Watcher) -> Outcome:
        """Begins the run and watches it to its end.

        Raises JobError where it fails, and whatever the watcher raises; the run goes on then, until `stop`.
        """
        away = Absence(self._service, watcher)
        told = ""
        while True:
            watcher.check()
            try:
                run = self._state()
                line = "" if run["state"] in ENDED else self._line(run)
            except ServiceAbsentError as error:
                told = ""
                away.go_on(error)
                continue
            away.end()
            self._count(run, watcher)
            if not line:
                return self._outcome(run)
            if line != told:
                told = line
                watcher.tell(line)
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """Has the service stop the run, and waits a while for what is under way to be finished."""
        if self._begun_at is None:
            return
        try:
            runs = [self._id] if self._id else self._begun_meanwhile()
            deadline = time.monotonic() + STOP_S
            for run in runs:
                state = self._ask("DELETE", f"/{run}")
                while state["state"] not in ENDED and time.monotonic() < deadline:
                    time.sleep(LOOK_S / 5)
                    state = self._ask("GET", f"/{run}")
        except RefusedError as error:
            if error.status != 404:  # it is over, and forgotten
                print(f"The run can't be stopped: {error}")
        except ServiceAbsentError as error:
            print(f"{error}. Its run goes on when it is started again: stop it on the service's page.")

    def _state(self) -> Json:
        """Gives how the run is. Begins it where there is none, for instance after a restart at its very end.

        What is done already isn't done again.
        """
        if self._id:
            try:
                return self._ask("GET", f"/{self._id}")
            except RefusedError as error:
                if error.status != 404:
                    raise
                self._id = ""
        if self._begun_at is not None and (found := self._begun_meanwhile()):
            self._id = found[0]  # the answer was lost on its way
            return self._ask("GET", f"/{self._id}")
        self._begun_at = self._begun_at or time.time()
        run = self._ask("POST", "", self._fields, limit_s=BEGIN_S)
        self._id = run["id"]
        return run

    def _begun_meanwhile(self) -> list[str]:
        """Gives the runs over this folder since the job asked for one: its answer may never have come."""
        real = shown(os.path.realpath(self._fields["folder"]))
        deadline = time.monotonic() + APPEAR_S
        while True:
            found = [
                run["id"]
                for run in self._ask("GET", "")["runs"]
                if run["folder"] == real and run["started"] >= self._begun_at and run["state"] not in ENDED
            ]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(LOOK_S / 5)

    def _ask(self, method: str, path: str, body: Json | None = None, **limits: float) -> Json:
        try:
            return self._service.ask(method, f"/api/runs{path}", body, secret=self._secret, **limits)
        except RefusedError as error:
            if error.status == 503:  # it is ending, or short of something for a moment
                raise ServiceAbsentError(str(error)) from error
            raise

    def _count(self, run: Mapping[str, Any], watcher: Watcher) -> None:
        skipped = 0 if self._recaption else min(run["skipped"], self._skipped_before)
        self._settled = max(self._settled, run["settled"] - skipped)
        counts = run["counts"]
        watcher.count(self._settled, counts["images_per_s"] if counts["done"] else None)

    def _line(self, run: Mapping[str, Any]) -> str:
        if run["state"] == "paused" and run["error"]:
            raise JobError(f"The run is paused: {run['error']}")
        if run["state"] in ("pausing", "paused"):
            return "The run is paused on the service's page: resume it there"
        if run["is_waiting_for_engine"] or not run["counts"]["done"]:  # it wakes an engine that was asleep
            progress = self._service.progress()
            if progress.get("status") != "ready":
                return f"Waiting for the engine: {progress_line(progress)}"
        return "Captioning"

    def _outcome(self, run: Mapping[str, Any]) -> Outcome:
        counts = run["counts"]
        before = run["made_before"] + max(0, run["skipped"] - self._skipped_before)
        outcome = Outcome(done=counts["done"] + before, edited=counts["edited"], cut=counts["cut"])
        for reason, failures in counts["failures"].items():
            examples = failures["examples"] or [""]
            outcome.fail(reason, examples[0], failures["count"])
            outcome.examples[reason] = examples
        if run["state"] == "failed":
            outcome.print()
            raise JobError(f"The run failed: {run['error']}")
        if run["state"] == "stopped":
            outcome.print()
            raise JobError(f"The run was stopped on the service's page, {outcome.done} images are captioned")
        return outcome


def secret_of(service: Service, options: Options, environment: Mapping[str, str]) -> str:
    """Gives what opens `/api`: the key where the job has one, or the token of this user's service here.

    Empty where neither is at hand.
    """
    if options.api_key or not service.is_local:
        return options.api_key
    try:
        return (state_folder(environment) / "page-token").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
