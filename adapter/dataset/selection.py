"""The datasets that are meant: where their items are, and which ledger keeps what is known of each."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from adapter.dataset.inputs.file_list import FileList, NamedFiles
from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.image_file import key_below
from adapter.dataset.inputs.input import Input
from adapter.dataset.inputs.metadata_list import MetadataList, is_metadata, listed_by
from adapter.dataset.inputs.metadata_rows import MetadataFile
from adapter.dataset.inputs.share import Share, SharedInput
from adapter.dataset.item import Item
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.nearby import NearbyLedgers, covering_folder
from adapter.dataset.records import Entry
from adapter.errors import InvalidRequestError


@dataclass(frozen=True)
class Dataset:
    """The items of an input, with the ledger that keeps what is known of them.

    The ledger names items and texts by their paths below `base`: the input's own root, or the folder above it
    whose ledger it is. Where `base` is None the ledger may be that of several datasets, and names are
    absolute.
    """

    input: Input
    ledger: Ledger = field(repr=False)
    base: str | None = ""  # the root
    nearby: NearbyLedgers | None = field(default=None, repr=False)

    @property
    def _is_own(self) -> bool:
        return self.base in ("", self.input.root)

    def name(self, key: str) -> str:
        """Gives the ledger's name for an item or a text."""
        if self._is_own:
            return key
        path = os.path.join(self.input.root, key)
        return path if self.base is None else key_below(self.base, path) or path

    def place(self, name: str) -> str:
        """Gives the absolute place of an item or a text by its name in the ledger."""
        return os.path.join(self.input.root if self._is_own else self.base or "", name)

    def key(self, name: str) -> str | None:
        """Gives the key of an item by its name in the ledger, None where it isn't one of this dataset.

        The ledger may have come with the dataset, and name anything.
        """
        key = self._named_key(name)
        return key if key is not None and self.input.holds(key) else None

    def has(self, name: str) -> bool:
        """Tells whether the ledger's name is that of an image which is there."""
        key = self._named_key(name)
        return key is not None and self.input.has(key)

    def _named_key(self, name: str) -> str | None:
        return name if self._is_own else self.input.key(self.place(name))

    def lookup(self, outputs: Sequence[str], *, nearby: bool) -> dict[str, Entry]:
        """Gives what is known of texts, and with `nearby` also by ledgers that are nearer to them.

        Raises LedgerError.
        """
        known = self.ledger.lookup(outputs)
        if nearby and self.nearby is not None:
            unknown = {self.place(output): output for output in outputs if output not in known}
            for place, entry in self.nearby.lookup(list(unknown)).items():
                # What matters is the text's hash: whose image it is, the other ledger says in its own words.
                known[unknown[place]] = replace(entry, output=unknown[place], image="", details=None)
        return known

    def refused_attempts(self, outputs: Sequence[str]) -> dict[str, int]:
        """Gives what `Verdicts.refused_attempts` does, by any share's ledger. Raises LedgerError."""
        found: dict[str, int] = {}
        for ledger in (*self.ledger.others, self.ledger):
            for output, attempts in ledger.verdicts.refused_attempts(outputs).items():
                found[output] = max(attempts, found.get(output, 0))
        return found

    def failed_items(self) -> Iterator[Item]:
        """Gives the items that the ledger has failures of. Raises LedgerError, InvalidRequestError."""
        for _ in self.input.items() if self.input.is_list else ():
            pass  # from now on it knows what it holds
        images = (image for image, _ in groupby(self.ledger.failures(), lambda failure: failure.image))
        keys = (key for key in map(self.key, images) if key is not None)
        if listed_by(self.input) is None:
            yield from map(self.input.item, keys)
        else:
            failed = set(keys)  # only the rows know what else is said about them
            yield from (item for item in self.input.items() if item.key in failed)


@dataclass(frozen=True)
class Selection:
    """Folders and files (`paths`) and a list of files (`from_file`), or the `share` of them that is meant.

    `ledger` is the ledger to use for all, by default each dataset has its own. Links to folders are followed
    only with `follow_links`. `text_column` has the texts of metadata files among the paths; None where texts
    are written beside the images, so that those don't count.
    """

    paths: Sequence[str] = ()
    from_file: str = ""
    recursive: bool = True
    share: Share | None = None
    ledger: Path | None = None
    follow_links: bool = False
    text_column: str | None = None

    def inputs(self) -> list[Input]:
        """Gives the inputs. Raises InvalidRequestError for paths that aren't there, and broken metadata."""
        found: list[Input] = []
        files = []
        for path in self.paths:
            absolute = os.path.abspath(path)
            if os.path.isdir(absolute):
                found.append(Folder(absolute, recursive=self.recursive, follow_links=self.follow_links))
            elif is_metadata(absolute) and os.path.lexists(absolute):
                found.append(self._listed_by(absolute))
            elif os.path.lexists(absolute):
                files.append(absolute)
            else:
                raise InvalidRequestError(f"There is no file or folder {path}")
        if files:
            found.append(NamedFiles(files))
        if self.from_file:
            found.append(FileList(self.from_file))
        if not found:
            raise InvalidRequestError("Say what to caption: folders, files, or --from-file LIST")
        share = self.share
        return found if share is None else [SharedInput(whole, share) for whole in found]

    def _listed_by(self, path: str) -> MetadataList:
        listed = MetadataList(MetadataFile(path, self.text_column), follow_links=self.follow_links)
        listed.check()
        return listed


@contextlib.contextmanager
def open_datasets(selection: Selection, *, dry: bool = False, alone: bool = True) -> Iterator[list[Dataset]]:
    """Opens the datasets with their ledgers while the context lasts. If `dry`, nothing is written or locked.

    Unless `alone`, a run may be under way on them; see `Ledger.open`.
    Raises InvalidRequestError, LedgerUnavailableError.
    """
    share = selection.share
    with contextlib.ExitStack() as stack:
        ledgers: dict[Path, Ledger] = {}
        datasets = []
        for one in selection.inputs():
            base = None if selection.ledger else covering_folder(one.root)
            path = selection.ledger or ledger_path(
                base or one.root, (share.index, share.count) if share else None
            )
            if path not in ledgers:
                ledgers[path] = Ledger.scratch(path) if dry else Ledger.open(path, alone=alone)
                stack.callback(ledgers[path].close)
            nearby = NearbyLedgers(path, base)
            stack.callback(nearby.close)
            datasets.append(Dataset(one, ledgers[path], base, nearby))
        yield datasets
