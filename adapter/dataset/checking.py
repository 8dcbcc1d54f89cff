"""Judges the texts that lie beside a dataset's images, whoever wrote them."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from adapter.dataset.clip_length import LIMITS, is_available
from adapter.dataset.inputs.folder import find_images
from adapter.dataset.judging import SHOWN_CHARACTERS, Named, Read, Standard, judged
from adapter.dataset.phrases import Phrase, common_phrases
from adapter.dataset.texts.sidecars import Sidecars
from adapter.stable_hash import stable_hash

SAMPLE: Final = 1000


@dataclass(frozen=True, slots=True)
class SameText:
    """One text that stands beside `images` different images, such as the one that `example` belongs to."""

    text: str
    images: int
    example: str


@dataclass
class Check:
    """Judges the texts of a folder one by one, and knows afterwards what only the whole shows.

    `executor` has `workers` processes, which help where there are many texts. `over_clip` counts the texts
    that are longer than each of `clip_length.LIMITS`; it is None where nobody can count them.
    """

    standard: Standard
    sidecars: Sidecars
    executor: Executor
    workers: int = 1
    recursive: bool = True
    texts: int = 0
    flawed: int = 0
    hard: int = 0
    unread: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    over_clip: Counter[int] | None = field(
        default_factory=lambda: Counter(dict.fromkeys(LIMITS, 0)) if is_available() else None
    )
    _seen: set[int] = field(default_factory=set)
    # By a text's hash: the size of the first image that has it, and how many images of other sizes have it
    # too.
    _sizes: dict[int, int] = field(default_factory=dict)
    _same: dict[int, SameText] = field(default_factory=dict)
    _sample: list[str] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))

    def run(self) -> Iterator[Read]:
        """Gives the texts with flaws, and those that can't be read.

        Raises InvalidRequestError, OutOfResourcesError.
        """
        for read in judged(self.standard, self._named(), self.executor, self.workers):
            if read.problem:
                self.unread += 1
            else:
                self._count(read)
            if read.problem or read.flaws:
                yield read

    def _named(self) -> Iterator[Named]:
        """Gives each text once: images that differ in their extension alone have one."""
        root, follow_links = self.standard.root, self.standard.follow_links
        for key in find_images(root, recursive=self.recursive, follow_links=follow_links):
            path = self.sidecars.name(key, "")
            identity = stable_hash(path)
            if identity not in self._seen:
                self._seen.add(identity)
                yield path, key

    def _count(self, read: Read) -> None:
        self.texts += 1
        self.flawed += bool(read.flaws)
        self.hard += any(flaw.is_hard for flaw in read.flaws)
        self.kinds.update(flaw.kind.value for flaw in read.flaws)
        if self.over_clip is not None and read.clip_tokens is not None:
            for name, limit in LIMITS.items():
                self.over_clip[name] += read.clip_tokens > limit
        if len(self._sample) < SAMPLE:
            self._sample.append(read.text)
        elif (place := self._random.randrange(self.texts)) < SAMPLE:
            self._sample[place] = read.text
        self._compare(read)

    def _compare(self, read: Read) -> None:
        """Notes a text that was there before.

        Images of one size may be copies of one image, which need one text.
        """
        size = read.image_bytes
        if not read.text or size is None:
            return
        if self._sizes.setdefault(read.digest, size) != size:
            before = self._same.get(read.digest)
            images = before.images + 1 if before else 2
            self._same[read.digest] = SameText(read.text[:SHOWN_CHARACTERS], images, read.path)

    @property
    def same_texts(self) -> list[SameText]:
        """Texts that several images have, the most frequent first."""
        return sorted(self._same.values(), key=lambda same: (-same.images, same.text))

    @property
    def phrases(self) -> list[Phrase]:
        """What comes in most of the texts, except for the trigger: three words, or a tag.

        It is counted in up to SAMPLE texts that are drawn at random, the same ones each time.
        """
        return common_phrases(self._sample, self.standard.trigger)
