"""What is to be done with each image that was found: nothing, a caption, or a failure told at once."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from adapter.dataset import sidecar
from adapter.dataset.ledger import Ledger
from adapter.dataset.recipe import Recipe
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure, to_failure
from adapter.dataset.scan import FoundImage
from adapter.dataset.sidecar import Existing, Naming

CHUNK = 200  # images that are looked up in the ledger together
FOUND_CHUNK = 5000  # texts that were there already, recorded together


@dataclass(frozen=True)
class Policy:
    """What the run does with texts that are there already."""

    naming: Naming
    existing: Existing = Existing.SKIP
    sidecars: bool = True
    overwrite_edited: bool = False


@dataclass(frozen=True)
class Task:
    """One text to be made. `output` is absolute; `seen_hash` is of the text there was at the decision."""

    recipe: Recipe
    output: str
    seen_hash: bytes | None


@dataclass(frozen=True)
class Job:
    """An image with the texts that it needs. `key` is its name in the ledger."""

    image: FoundImage
    key: str
    ledger: Ledger = field(repr=False)
    tasks: tuple[Task, ...]


class Verdict(Enum):
    """Why a text isn't made."""

    SKIPPED = "skipped"
    EDITED = "edited"
    FAILED = "failed"


@dataclass(frozen=True)
class Settled:
    """A text that there is nothing to do for, and why; the failure when it is one."""

    verdict: Verdict
    ledger: Ledger = field(repr=False)
    failure: Failure | None = None


class Planner:
    """Decides about images. `claims` are the outputs that are being made, each with its image.

    `model` is what the engine serves. While it is empty, texts of any model count as made by this one.
    """

    def __init__(self, recipes: Sequence[Recipe], policy: Policy) -> None:
        self._recipes = recipes
        self._policy = policy
        self.model = ""
        self._found: dict[str, Entry] = {}  # to be recorded
        self.claims: dict[str, str] = {}

    def plan(
        self, images: Iterable[FoundImage], ledger: Ledger, *, absolute: bool
    ) -> Iterator[Job | Settled]:
        """A job for each image that needs a text, and what is settled. Reads sidecars' sizes and the ledger.

        `absolute`: whether the ledger knows images by their whole paths.
        """
        chunk: list[FoundImage] = []
        size = 1  # the first ones at once: an engine waits for them
        for image in images:
            chunk.append(image)
            if len(chunk) >= size:
                yield from self._plan(chunk, ledger, absolute)
                chunk, size = [], min(size * 2, CHUNK)
        yield from self._plan(chunk, ledger, absolute)
        self._record_found(ledger, at_least=1)

    def _plan(self, images: list[FoundImage], ledger: Ledger, absolute: bool) -> Iterator[Job | Settled]:
        named = [(image, image.path if absolute else image.relative) for image in images]
        outputs = {
            (key, recipe.style): self._policy.naming.sidecar(key, recipe.style)
            for _, key in named
            for recipe in self._recipes
        }
        known = self._found | ledger.lookup(list(outputs.values()))
        for image, key in named:
            tasks = []
            for recipe in self._recipes:
                output = outputs[key, recipe.style]
                try:
                    decided = self._decide(image, key, output, recipe, known.get(output))
                except sidecar.WriteError as error:
                    decided = to_failure(key, output, error)
                if isinstance(decided, Task):
                    tasks.append(decided)
                    self.claims[decided.output] = image.path
                elif isinstance(decided, Failure):
                    yield Settled(Verdict.FAILED, ledger, decided)
                else:
                    yield Settled(decided, ledger)
            if tasks:
                yield Job(image, key, ledger, tuple(tasks))
        self._record_found(ledger, at_least=FOUND_CHUNK)

    def _record_found(self, ledger: Ledger, at_least: int) -> None:
        if len(self._found) >= at_least:
            ledger.record(self._found.values())
            self._found.clear()

    def _decide(
        self, image: FoundImage, key: str, output: str, recipe: Recipe, entry: Entry | None
    ) -> Task | Verdict | Failure:
        path = os.path.join(image.root, output)
        if self.claims.get(path) == image.path:
            return Verdict.SKIPPED  # it was found twice
        if (owner := self._owner(image, key, path, entry)) is not None:
            message = f"{os.path.basename(output)} is the text of {owner} already: use --full-name"
            return Failure(key, output, "sidecar_taken", message, time.time())
        if not self._policy.sidecars:
            return self._keep(image, path, recipe, entry)
        if not sidecar.exists(path):
            return Task(recipe, path, None)
        if self._policy.existing is Existing.SKIP:
            if entry is None:
                # So that another image with the same sidecar is told, now and on later runs.
                self._found[output] = Entry(output, key, recipe.style, FOUND)
            return Verdict.SKIPPED
        return self._change(image, path, recipe, entry)

    def _keep(self, image: FoundImage, path: str, recipe: Recipe, entry: Entry | None) -> Task | Verdict:
        """The ledger alone holds the text."""
        if entry is None or entry.text is None:
            return Task(recipe, path, None)
        done = self._policy.existing is Existing.SKIP or self._is_same(image, recipe, entry)
        return Verdict.SKIPPED if done else Task(recipe, path, None)

    def _change(self, image: FoundImage, path: str, recipe: Recipe, entry: Entry | None) -> Task | Verdict:
        """There is a text, and it may be replaced or added to."""
        content = sidecar.read(path)
        seen = None if content is None else sidecar.content_hash(content)
        if entry is None or entry.state == FOUND:
            return Task(recipe, path, seen)
        # Recorded, and then not put in place.
        interrupted = seen is not None and seen == entry.previous_hash != entry.hash
        if not interrupted:
            edited = seen != entry.hash
            if self._policy.existing is not Existing.OVERWRITE:
                if self._is_same(image, recipe, entry):
                    return Verdict.SKIPPED
            elif edited and not self._policy.overwrite_edited:
                return Verdict.EDITED
            elif not edited and self._is_same(image, recipe, entry):
                return Verdict.SKIPPED
        return Task(recipe, path, seen)

    def _is_same(self, image: FoundImage, recipe: Recipe, entry: Entry) -> bool:
        """Whether the entry's text is of this file and was made in this way."""
        if entry.state != WRITTEN or entry.details is None:
            return False
        model = self.model or json.loads(entry.details)["model"]
        if entry.details != recipe.details(image.relative, model):
            return False
        try:
            status = os.stat(image.path)
        except OSError:
            return False  # captioning it will tell
        return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)

    def _owner(self, image: FoundImage, key: str, path: str, entry: Entry | None) -> str | None:
        """The other image that has this sidecar, None when there is none or it is gone."""
        claimed = self.claims.get(path)
        if claimed is not None and claimed != image.path:
            return os.path.basename(claimed)
        if entry is None or entry.image == key or entry.text is not None:
            return None
        return (
            os.path.basename(entry.image) if os.path.exists(os.path.join(image.root, entry.image)) else None
        )
