"""Which items of a dataset are meant, and in which order, as a query of the index. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from adapter.dataset.review.filter_query import parse
from adapter.errors import BadCaptionError


class State(StrEnum):
    """What an image's text can be: none, by a model, edited by hand, found there; or why there is none."""

    NONE = "none"
    WRITTEN = "written"
    EDITED = "edited"
    FOUND = "found"
    FLAWED = "flawed"
    FAILED = "failed"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


class Sort(StrEnum):
    """The order: by name, with the worst flaws first, the longest texts first, or the newest texts first."""

    NAME = "name"
    FLAWED = "flawed"
    LONGEST = "longest"
    NEWEST = "newest"


IS_FLAWED = "(texts.weight > 0 AND NOT texts.is_accepted)"
IS_TEXT = "(texts.hash IS NOT NULL OR texts.is_stale OR texts.problem != '')"  # or may be one
_CONDITIONS = {
    State.NONE: f"NOT EXISTS (SELECT 1 FROM texts WHERE texts.item = items.id AND {IS_TEXT})",  # noqa: S608
    State.WRITTEN: f"texts.state = '{State.WRITTEN}'",
    State.EDITED: f"texts.state = '{State.EDITED}'",
    State.FOUND: f"texts.state = '{State.FOUND}'",
    State.FLAWED: IS_FLAWED,
    State.FAILED: f"items.failure != '{BadCaptionError.code}'",
    State.REFUSED: f"items.failure = '{BadCaptionError.code}'",
    State.UNREADABLE: "texts.problem != ''",
}
_ORDERS = {
    Sort.NAME: "items.place, items.key",
    Sort.FLAWED: f"coalesce(texts.weight * {IS_FLAWED}, 0) DESC, items.place, items.key",
    Sort.LONGEST: "texts.clip_tokens DESC, items.place, items.key",
    Sort.NEWEST: "texts.mtime_ns DESC, items.place, items.key",
}


@dataclass(frozen=True)
class ItemFilter:
    """What must hold for one of an item's texts, or for the item where it has none.

    `query` is in the language of `filter_query`; `flaw` a kind of flaw; `over` a number of CLIP's tokens that
    the text has more than; `same` the hash of a text, in hex; `style` names a text among several.
    """

    query: str = ""
    state: State | None = None
    flaw: str = ""
    over: int | None = None
    same: str = ""
    style: str | None = None
    sort: Sort = Sort.NAME

    def sql(self) -> tuple[str, list[object]]:
        """Gives what comes after FROM, for items with their texts, and its parameters.

        Raises WrongFieldError.
        """
        conditions: list[str] = []
        parameters: list[object] = []
        if (condition := parse(self.query)) is not None:
            conditions.append(condition.sql)
            parameters += condition.parameters
        if self.state is not None:
            conditions.append(_CONDITIONS[self.state])
        if self.flaw:
            conditions.append(f"({IS_FLAWED} AND instr(' ' || texts.flaws || ' ', ?) > 0)")
            parameters.append(f" {self.flaw} ")
        if self.over is not None:
            conditions.append("texts.clip_tokens > ?")
            parameters.append(self.over)
        if self.same:
            conditions.append("texts.hash = ?")
            parameters.append(bytes.fromhex(self.same))
        if self.style is not None:
            conditions.append("texts.style = ?")
            parameters.append(self.style)
        where = " AND ".join(conditions) or "1"
        joined = "items LEFT JOIN texts ON texts.item = items.id"
        return f"{joined} WHERE {where} ORDER BY {_ORDERS[self.sort]}", parameters
