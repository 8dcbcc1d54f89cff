"""Judges the texts that lie beside a dataset's images, whoever wrote them."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from adapter.caption.brief import Brief
from adapter.caption.flaws import Flaw, Form, Weight
from adapter.caption.quality import judge
from adapter.caption.text_form import WORD, guess_form
from adapter.dataset.inputs.folder import find_images
from adapter.dataset.texts import text_file
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import WriteError
from adapter.stable_hash import stable_hash

# What stands in this share of the texts says nothing that tells one image from another.
PHRASE_SHARE: Final = 0.8
PHRASE_WORDS: Final = 3
SAMPLE, SAMPLE_CHARACTERS, MIN_SAMPLE = 1000, 4000, 20
SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True)
class Judged:
    """A text with flaws, or with a `problem` that kept it from being read.

    `path` is below the dataset's folder.
    """

    path: str
    text: str = ""
    flaws: tuple[Flaw, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that come in `share` of the texts."""

    words: str
    share: float


@dataclass(frozen=True, slots=True)
class SameText:
    """One text that stands beside `images` different images, such as the one that `example` belongs to."""

    text: str
    images: int
    example: str


@dataclass
class Check:
    """Judges the texts of a folder one by one, and knows afterwards what only the whole shows.

    `form` is what the texts are meant to be; where it is None each text itself tells whether it is prose or
    tags.
    """

    root: str
    sidecars: Sidecars
    form: Form | None = None
    trigger: str = ""
    recursive: bool = True
    texts: int = 0
    flawed: int = 0
    hard: int = 0
    unread: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)
    # By a text's hash: the size of the first image that has it, and how many images of other sizes have it
    # too.
    _sizes: dict[int, int] = field(default_factory=dict)
    _same: dict[int, SameText] = field(default_factory=dict)
    _sample: list[str] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))

    def run(self) -> Iterator[Judged]:
        """Gives the texts with flaws, and those that can't be read. Raises InvalidRequestError."""
        follow_links = self.sidecars.follow_links
        for key in find_images(self.root, recursive=self.recursive, follow_links=follow_links):
            path = self.sidecars.name(key, "")
            # Images that differ in their extension alone have one text.
            identity = stable_hash(path)
            if identity in self._seen:
                continue
            self._seen.add(identity)
            try:
                content = self._content(path)
            except WriteError as error:
                self.unread += 1
                yield Judged(path, problem=error.message)
                continue
            if content is None:
                continue
            text = content.decode("utf-8-sig", "replace").strip()
            flaws = judge(text, Brief(self.form or guess_form(text), trigger=self.trigger))
            self._count(key, path, text, flaws)
            if flaws:
                yield Judged(path, text, flaws)

    def _content(self, path: str) -> bytes | None:
        """Gives a text, empty where there is a file with nothing in it, or None where there is no file."""
        place = os.path.join(self.root, path)
        content = text_file.read(place, follow_links=self.sidecars.follow_links)
        if content is None and os.path.lexists(place):
            return b""
        return content

    def _count(self, key: str, path: str, text: str, flaws: tuple[Flaw, ...]) -> None:
        self.texts += 1
        self.flawed += bool(flaws)
        self.hard += any(flaw.weight is Weight.HARD for flaw in flaws)
        self.kinds.update(flaw.kind.value for flaw in flaws)
        if len(self._sample) < SAMPLE:
            self._sample.append(text[:SAMPLE_CHARACTERS])
        elif (place := self._random.randrange(self.texts)) < SAMPLE:
            self._sample[place] = text[:SAMPLE_CHARACTERS]
        self._compare(key, path, text)

    def _compare(self, key: str, path: str, text: str) -> None:
        """Notes a text that was there before.

        Images of one size may be copies of one image, which need one text.
        """
        if not text:
            return
        try:
            size = os.stat(os.path.join(self.root, key)).st_size
        except OSError:  # it has gone since
            return
        digest = stable_hash(text)
        if self._sizes.setdefault(digest, size) != size:
            before = self._same.get(digest)
            self._same[digest] = SameText(text[:SHOWN_CHARACTERS], before.images + 1 if before else 2, path)

    @property
    def same_texts(self) -> list[SameText]:
        """Texts that several images have, the most frequent first."""
        return sorted(self._same.values(), key=lambda same: (-same.images, same.text))

    @property
    def phrases(self) -> list[Phrase]:
        """What comes in most of the texts, except for the trigger: three words, or a tag.

        It is counted in up to SAMPLE texts that are drawn at random, the same ones each time.
        """
        if len(self._sample) < MIN_SAMPLE:
            return []
        counts: Counter[str] = Counter()
        for text in self._sample:
            counts.update(_phrases(text))
        least = PHRASE_SHARE * len(self._sample)
        trigger = self.trigger.strip().lower()
        found = (
            Phrase(words, count / len(self._sample))
            for words, count in counts.items()
            if count >= least and not (trigger and trigger in words)
        )
        return sorted(found, key=lambda phrase: (-phrase.share, phrase.words))


def _phrases(text: str) -> set[str]:
    lower = text.lower()
    if guess_form(text) is Form.TAGS:
        return {tag for part in lower.split(",") if (tag := " ".join(part.split()))}
    words = WORD.findall(lower)
    return {" ".join(words[start : start + PHRASE_WORDS]) for start in range(len(words) - PHRASE_WORDS + 1)}
