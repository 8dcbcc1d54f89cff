"""Everything about a run except the settings and what it is shown by."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapter.dataset.claims import Claims
from adapter.dataset.counting import counting
from adapter.dataset.dataset_layout import DatasetLayout
from adapter.dataset.history import DEFAULT_MAX_BYTES
from adapter.dataset.item import Item
from adapter.dataset.planning import Planned, Planner
from adapter.dataset.recipe import Recipe
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Dataset, Selection
from adapter.dataset.tally import Tally
from adapter.dataset.texts.text_store import Texts


@dataclass(frozen=True)
class Order:
    """Everything about a run except the settings."""

    selection: Selection
    recipes: tuple[Recipe, ...]
    texts: Texts
    conditions: Conditions
    concurrency: int | None = None
    history_bytes: int = DEFAULT_MAX_BYTES
    retry_failed: bool = False
    output: Path | None = None
    layout: DatasetLayout = field(default_factory=DatasetLayout)
    report: Path | None = None
    as_json: bool = False

    def items(self, dataset: Dataset) -> Iterator[Item]:
        """Gives the items of a dataset that are meant."""
        return dataset.failed_items() if self.retry_failed else dataset.input.items()

    def planner(self, model: str | None, claims: Claims | None = None) -> Planner:
        """Gives a planner for these texts. With `model` None texts of any model count as made by this one."""
        return Planner(self.recipes, self.texts, claims or Claims(), model)

    def planned(self, datasets: list[Dataset], planner: Planner) -> Iterator[Planned]:
        """Gives what is to be done about all of the datasets."""
        for dataset in datasets:
            yield from planner.plan(dataset, self.items(dataset))

    @contextlib.contextmanager
    def counting(self, datasets: list[Dataset], tally: Tally) -> Iterator[None]:
        """Tells the tally how many texts there are in all, where that can be found out."""
        if self.conditions.limit is not None or not all(dataset.input.is_countable for dataset in datasets):
            yield
            return

        def items() -> Iterator[Item]:
            return (item for dataset in datasets for item in self.items(dataset))

        def done(number: int) -> None:
            tally.total = number * len(self.recipes)

        with counting(items, done):
            yield
