"""What can be wrong with a caption, and what it is meant to be."""

from dataclasses import dataclass
from enum import StrEnum

Place = tuple[int, int]  # characters of a text: from the first up to, without, the second


class Form(StrEnum):
    """What a text is meant to be: sentences, a list of tags, or a prompt for an image model."""

    PROSE = "prose"
    TAGS = "tags"
    PROMPT = "prompt"


class Weight(StrEnum):
    """Whether a text with the flaw spoils a training set, or is only worth a look."""

    HARD = "hard"
    SOFT = "soft"


class Kind(StrEnum):
    """What can be wrong with a text."""

    EMPTY = "empty"
    CUT = "cut"
    LOOP = "loop"
    TAG_LOOP = "tag_loop"
    REFUSAL = "refusal"
    LEAK = "leak"
    NONSENSE = "nonsense"
    LANGUAGE = "language"
    FORM = "form"
    META = "meta"
    WATERMARK = "watermark"
    NAME_MISSING = "name_missing"
    TRIGGER_MISSING = "trigger_missing"
    REPAIRED = "repaired"  # the end of a text that looped or was cut is gone

    @property
    def weight(self) -> Weight:
        return Weight.SOFT if self in _SOFT else Weight.HARD


_SOFT = frozenset((Kind.META, Kind.WATERMARK, Kind.NAME_MISSING, Kind.TRIGGER_MISSING, Kind.REPAIRED))


@dataclass(frozen=True, slots=True)
class Flaw:
    """One flaw, and the characters of the text that show it: from `start` up to, without, `end`."""

    kind: Kind
    start: int
    end: int

    @property
    def weight(self) -> Weight:
        return self.kind.weight

    @property
    def is_hard(self) -> bool:
        return self.weight is Weight.HARD

    def as_dict(self) -> dict[str, str]:
        """Gives kind and weight for programs."""
        return {"kind": self.kind.value, "weight": self.weight.value}
