"""Finds out, for each item, which texts are to be made: reads the ledger and what is there, and decides."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from adapter.dataset.claims import Claims
from adapter.dataset.decide import Existing, Facts, KeepEdited, Make, Record, Skip, Taken, decide
from adapter.dataset.events import TextEdited, TextFailed, TextSkipped
from adapter.dataset.item import Item
from adapter.dataset.recipe import Recipe
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure, to_failure
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.own_text import standing
from adapter.dataset.texts.text_store import Texts
from adapter.dataset.work import Settled
from adapter.errors import SidecarTakenError, WriteError

CHUNK = 200  # items that are looked up in the ledger together
FOUND_CHUNK = 5000  # texts that were there already, recorded together


@dataclass(frozen=True)
class Task:
    """One text to be made. `output` names it in the ledger; `seen_hash` is of the text that was there.

    `is_somebodys` tells whether that text, or a part of it, isn't a run's. `attempts` counts those of earlier
    runs whose captions were refused.
    """

    recipe: Recipe
    output: str
    seen_hash: bytes | None
    is_somebodys: bool = False
    attempts: int = 0


@dataclass(frozen=True)
class Job:
    """An item with the texts that it needs."""

    item: Item
    dataset: Dataset
    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        """The item's name in the ledger."""
        return self.dataset.name(self.item.key)


Planned = Job | Settled


class Planner:
    """Plans the texts of datasets.

    `model` is what the engine serves. While it is None, texts of any model count as made by this one.
    """

    def __init__(
        self, recipes: Sequence[Recipe], texts: Texts, claims: Claims, model: str | None = None
    ) -> None:
        self._recipes = recipes
        self._texts = texts
        self._claims = claims
        self._model = model
        self._found: dict[str, Entry] = {}  # to be recorded

    def plan(self, dataset: Dataset, items: Iterable[Item]) -> Iterator[Planned]:
        """Gives a job for each item that needs a text, and every text that is settled. Failures are in the
        ledger by then.

        Raises LedgerError.
        """
        chunk: list[Item] = []
        size = 1  # the first ones at once: an engine waits for them
        for item in items:
            chunk.append(item)
            if len(chunk) >= size:
                yield from self._plan(dataset, chunk)
                chunk, size = [], min(size * 2, CHUNK)
        yield from self._plan(dataset, chunk)
        self._record_found(dataset, at_least=1)

    def _plan(self, dataset: Dataset, items: list[Item]) -> Iterator[Planned]:
        outputs = {
            (item.key, recipe.style): dataset.name(self._texts.name(item.key, recipe.style))
            for item in items
            for recipe in self._recipes
        }
        known = dataset.lookup(list(outputs.values()), nearby=self._texts.existing is not Existing.SKIP)
        refused: dict[str, int] = {}
        if any(recipe.seed is not None for recipe in self._recipes):
            refused = dataset.refused_attempts(list(outputs.values()))
        for item in items:
            image = dataset.name(item.key)
            tasks = []
            for recipe in self._recipes:
                output = outputs[item.key, recipe.style]
                try:
                    # Found, perhaps, for an image just before this one.
                    entry = known.get(output) or self._found.get(output)
                    decision = decide(self._facts(dataset, item, output, recipe, entry))
                except WriteError as error:
                    yield _failed(dataset, to_failure(image, output, error))
                    continue
                match decision:
                    case Make(seen_hash):
                        ours = entry is not None and entry.hash == seen_hash
                        is_somebodys = seen_hash is not None and not ours
                        tasks.append(Task(recipe, output, seen_hash, is_somebodys, refused.get(output, 0)))
                        self._claims.claim(dataset.place(output), dataset.place(image))
                    case Taken(owner):
                        message = (
                            f"{os.path.basename(output)} is the text of {owner} already: use --full-name"
                        )
                        taken = SidecarTakenError(message)
                        yield _failed(dataset, to_failure(image, output, taken))
                    case Skip(is_news):
                        if is_news:
                            # So that another image with the same sidecar is told, now and on later runs.
                            self._found[output] = Entry(output, image, recipe.style, FOUND)
                        yield Settled(TextSkipped(image))
                    case KeepEdited():
                        yield Settled(TextEdited(image))
            if tasks:
                yield Job(item, dataset, tuple(tasks))
        self._record_found(dataset, at_least=FOUND_CHUNK)

    def _record_found(self, dataset: Dataset, at_least: int) -> None:
        if len(self._found) >= at_least:
            dataset.ledger.record(self._found.values())
            self._found.clear()

    def _facts(self, dataset: Dataset, item: Item, output: str, recipe: Recipe, entry: Entry | None) -> Facts:
        """Looks only at what the decision needs: with a million files, each look counts.

        Raises WriteError.
        """
        place, image = dataset.place(output), dataset.place(dataset.name(item.key))
        facts = Facts(self._texts.existing, self._texts.overwrite_edited)
        claimed_by = self._claims.image_of(place)
        if claimed_by == image:
            return replace(facts, is_claimed=True)
        if claimed_by is not None:
            return replace(facts, owner=os.path.basename(claimed_by))
        if owner := _owner(dataset, item, entry):
            return replace(facts, owner=owner)
        text = standing(item.text, entry, self._texts.look(place, entry))
        record = None
        if entry is not None:
            needs_sameness = text is not None and facts.existing is not Existing.SKIP
            is_same = needs_sameness and self._is_same(item, recipe, entry)
            record = Record(entry.state == WRITTEN, entry.hash, entry.previous_hash, is_same)
        return replace(facts, text=text, record=record)

    def _is_same(self, item: Item, recipe: Recipe, entry: Entry) -> bool:
        """Tells whether the entry's text is of this image and was made in this way."""
        if entry.state != WRITTEN or entry.details is None:
            return False
        model = self._model or _model_of(entry.details)
        if model is None or not recipe.is_same(entry.details, item.key, model):
            return False
        fingerprint = item.fingerprint()
        if fingerprint is None:
            return False  # captioning it will tell
        return (fingerprint.size, fingerprint.mtime_ns) == (entry.size, entry.mtime_ns)


def _failed(dataset: Dataset, failure: Failure) -> Settled:
    dataset.ledger.record((), [failure])
    return Settled(TextFailed(failure))


def _model_of(details: str) -> str | None:
    """Gives the model that the details name, None where they aren't ours."""
    try:
        model = json.loads(details)["model"]
    except (ValueError, TypeError, LookupError):
        return None
    return model if isinstance(model, str) else None


def _owner(dataset: Dataset, item: Item, entry: Entry | None) -> str | None:
    """Gives the other image that has this text file by the ledger, None where there is none or it is gone."""
    if entry is None or entry.image == dataset.name(item.key) or entry.text is not None:
        return None
    return os.path.basename(entry.image) if dataset.has(entry.image) else None
