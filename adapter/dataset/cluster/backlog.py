"""The parts of a run on many machines: which ones wait, who has which, and what is counted of each.

What a lost worker had counted of its unfinished parts is taken back: others read these parts again. They
find what was safe, which still counts as made by this run. Only what it made in its last second, and never
told of, counts as skipped.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.dataset.cluster.news import News
from adapter.dataset.cluster.part import Part
from adapter.dataset.events import Event, ShardDone, ShardLeft, SliceDone, TextFailed, TextsLost
from adapter.dataset.records import Failure
from adapter.dataset.tally import Tally

MAX_LOSSES = 3  # of workers at one part, which may be what kills them


@dataclass
class _Account:
    """What is known of one part. `made` and `found` are the numbers of texts that lost workers had told of
    as done, and as skipped; `skips` and `credited` those that its worker has told of as skipped, and how many
    of them count as done.
    """

    part: Part
    output: str
    counted: Tally = field(default_factory=Tally)
    failures: list[Failure] = field(default_factory=list)
    losses: int = 0
    made: int = 0
    found: int = 0
    skips: int = 0
    credited: int = 0

    def count(self, counts: Tally) -> Tally:
        """Counts them, those texts as done that a lost worker of this run has made safe. Gives the counts."""
        self.skips += counts.skipped
        made = max(0, min(self.skips - self.found, self.made) - self.credited)
        self.credited += made
        counts.skipped -= made
        counts.done += made
        self.counted.add(counts)
        return counts

    def lose(self) -> None:
        """Forgets what its worker had counted, which is lost."""
        self.losses += 1
        self.made, self.found = max(self.made, self.counted.done), max(self.found, self.counted.skipped)
        self.counted, self.failures = Tally(), []
        self.skips = self.credited = 0


class Backlog:
    """Belongs to one loop. Counts go to `tally`, and the failures of each part, once it ends, to `report`.

    `part_of` is that of the workers' `Trade`, and `output_of` gives what a part's output is called in events.
    """

    def __init__(
        self,
        tally: Tally,
        report: Callable[[Failure], None],
        part_of: Callable[[str, Mapping[str, Any]], str],
        output_of: Callable[[Any], str],
    ) -> None:
        self._tally = tally
        self._report = report
        self._part_of = part_of
        self._output_of = output_of
        self._waiting: deque[_Account] = deque()
        self._held: dict[int, dict[str, _Account]] = {}
        self._is_complete = False
        self.heard = 0  # how often a worker has told of a text
        self.has_work = asyncio.Event()
        self.finished = asyncio.Event()

    def add(self, part: Part) -> None:
        """Takes a part that is to be captioned."""
        self._waiting.append(_Account(part, self._output_of(part)))
        self.has_work.set()

    def settle(self, event: Event) -> None:
        """Takes what there is to tell of a part that needs no worker."""
        self._tally.take(event)
        if isinstance(event, TextFailed):
            self._report(event.failure)

    def complete(self) -> None:
        """Notes that no more parts will be added."""
        self._is_complete = True
        self._look()

    @property
    def left(self) -> int:
        """The number of parts that aren't finished."""
        return len(self._waiting) + sum(map(len, self._held.values()))

    def next_for(self, worker: int) -> Part | None:
        """Gives the worker another part; None where none waits just now."""
        if not self._waiting:
            return None
        account = self._waiting.popleft()
        self._held.setdefault(worker, {})[account.part.name] = account
        return account.part

    def hear(self, worker: int, news: News) -> None:
        """Counts what the worker tells."""
        held = self._held.setdefault(worker, {})
        self.heard += bool(news.counts)
        for name, counts in news.counts.items():
            self._count(held.get(name), counts)
        for event in news.events:
            self._hear(held, event)
        self._look()

    def give_back(self, worker: int) -> list[str]:
        """Has others do what a worker didn't finish, and gives the names of those parts."""
        accounts = list(self._held.pop(worker, {}).values())
        for account in reversed(accounts):
            self._tally.take_back(account.counted)
            account.lose()
            if account.losses < MAX_LOSSES:
                self._waiting.appendleft(account)
            else:
                why = f"{MAX_LOSSES} workers were lost while they had it"
                failure = Failure(account.part.name, account.output, "worker_lost", why, time.time())
                self.settle(TextFailed(failure))
        self._look()
        return [account.part.name for account in accounts]

    def close(self) -> None:
        """Reports the failures of parts that didn't come to their end."""
        for held in self._held.values():
            for account in held.values():
                self._report_all(account.failures)
                account.failures = []

    def _hear(self, held: dict[str, _Account], event: Event) -> None:
        match event:
            case TextFailed(failure):
                parts = {name: account.part for name, account in held.items()}
                account = held.get(self._part_of(failure.image, parts))
                counts = Tally()
                counts.fail(failure)
                self._count(account, counts)
                if account is None:
                    self._report(failure)
                else:
                    account.failures.append(failure)
                    if failure.image == account.part.name:
                        self._finish(held, account)
            case ShardLeft(name, texts):
                self._count(held.get(name), Tally(skipped=texts))
                if name in held:
                    self._finish(held, held[name])
            case SliceDone(name):
                if name in held:
                    self._finish(held, held[name])
            case ShardDone(output):
                for account in [one for one in held.values() if one.output == output]:
                    self._finish(held, account)
            case TextsLost():
                self._tally.take(event)
            case _:
                pass  # it concerns the engine

    def _count(self, account: _Account | None, counts: Tally) -> None:
        self._tally.add(counts if account is None else account.count(counts))

    def _finish(self, held: dict[str, _Account], account: _Account) -> None:
        self._report_all(account.failures)
        del held[account.part.name]

    def _report_all(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            self._report(failure)

    def _look(self) -> None:
        if self._is_complete and not self.left:
            self.finished.set()
            self.has_work.set()
