"""Collects the texts of datasets: from ledgers, from text files, and from what metadata files say."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from adapter.dataset.inputs.metadata_list import MetadataList, listed_by
from adapter.dataset.inputs.metadata_rows import MetadataRow
from adapter.dataset.records import Entry
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.own_text import is_replaced
from adapter.dataset.texts.text_store import Texts
from adapter.errors import WriteError

CHUNK = 500  # rows that are looked up in the ledger together


@dataclass(frozen=True)
class Collected:
    """An image at the absolute `place`, with its texts by their style.

    `columns` are all that its metadata file says, None where it isn't from one.
    """

    dataset: Dataset
    place: str
    given: Mapping[str, str]
    columns: Mapping[str, Any] | None = None


def collected(datasets: Sequence[Dataset], styles: Sequence[str], texts: Texts) -> Iterator[Collected]:
    """Gives each image that has a text, and all rows of metadata files whose texts count.

    Raises LedgerError, InvalidRequestError.
    """
    by_ledger: dict[int, list[Dataset]] = {}
    for dataset in datasets:
        listed = listed_by(dataset.input)
        if listed is None:
            by_ledger.setdefault(id(dataset.ledger), []).append(dataset)
        else:
            yield from _listed(dataset, listed, styles[0], texts)
    for sharing in by_ledger.values():
        yield from _known(sharing, styles, texts)


def _known(sharing: Sequence[Dataset], styles: Sequence[str], texts: Texts) -> Iterator[Collected]:
    """Yields what the ledger of these datasets knows of."""
    for image, entries in groupby(sharing[0].ledger.entries(), lambda entry: entry.image):
        dataset = next((dataset for dataset in sharing if dataset.has(image)), None)
        if dataset is None:
            continue
        found = {
            entry.style: _text(dataset, entry, texts)
            for entry in entries
            if entry.style in styles and _is_own(dataset, entry, texts)
        }
        given = {style: text for style, text in found.items() if text is not None}
        if given:
            yield Collected(dataset, dataset.place(image), given)


def _is_own(dataset: Dataset, entry: Entry, texts: Texts) -> bool:
    """Tells whether the text is the one that its image has: a ledger may have come with the dataset."""
    key = dataset.key(entry.image)
    return key is not None and dataset.name(texts.name(key, entry.style)) == entry.output


def _text(dataset: Dataset, entry: Entry, texts: Texts) -> str | None:
    try:
        return texts.read(dataset.place(entry.output), entry)
    except WriteError:
        return None


def _listed(dataset: Dataset, listed: MetadataList, style: str, texts: Texts) -> Iterator[Collected]:
    """Yields the rows in their order, each with a run's text or its own."""
    rows = listed.file.rows()
    while chunk := list(islice(rows, CHUNK)):
        outputs = [dataset.name(texts.name(row.key, style)) for row in chunk]
        known = dataset.ledger.lookup(outputs)
        for row, output in zip(chunk, outputs, strict=True):
            text = _standing(row, known.get(output))
            given = {} if text is None else {style: text}
            yield Collected(dataset, os.path.join(listed.root, row.key), given, row.columns)


def _standing(row: MetadataRow, entry: Entry | None) -> str | None:
    return entry.text if entry is not None and is_replaced(row.text, entry) else row.text
