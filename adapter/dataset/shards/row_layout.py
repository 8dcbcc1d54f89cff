"""Rows of a shard's output, one for each image: their columns, and what the file says of itself."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet

from adapter.caption.answer import Answer
from adapter.dataset.recipe import Recipe
from adapter.dataset.records import on_one_line
from adapter.errors import BadCaptionError, CaptionError, EmptyCaptionError

Row = dict[str, Any]
METADATA_KEY = b"joycaption"
VERSION = 1
COLUMNS = {
    "caption": pyarrow.string(),
    "finish_reason": pyarrow.string(),
    "flaws": pyarrow.list_(pyarrow.string()),
    "attempts": pyarrow.int32(),
    "prompt_tokens": pyarrow.int32(),
    "completion_tokens": pyarrow.int32(),
    "error": pyarrow.string(),
}


@dataclass(frozen=True)
class About:
    """What an output, or a part of one, says of itself.

    `settings` are those of each style, `models` all that made captions in it. `size` (bytes) and
    `modified_ns` are the shard's, as it was. `failed` counts the rows with an error, and `incomplete` says
    why the shard could not be read to its end, empty where it was.
    """

    shard: str
    settings: dict[str, Any]
    models: tuple[str, ...] = ()
    size: int | None = None
    modified_ns: int | None = None
    rows: int = 0
    failed: int = 0
    incomplete: str = ""

    def to_metadata(self) -> dict[bytes, bytes]:
        """Gives it as a Parquet file has it."""
        return {METADATA_KEY: orjson.dumps({"version": VERSION} | asdict(self))}


def about_of(metadata: dict[bytes, bytes] | None) -> About | None:
    """Gives what the metadata of a Parquet file says, None where the file isn't ours."""
    try:
        values = orjson.loads((metadata or {})[METADATA_KEY])
        if values.pop("version") != VERSION:
            return None
        found = About(**values | {"models": tuple(map(str, values["models"]))})
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    counts = (found.rows, found.failed)
    is_sound = isinstance(found.settings, dict) and all(isinstance(count, int) for count in counts)
    return found if is_sound else None


@dataclass(frozen=True)
class Layout:
    """The columns for texts made by `recipes`: `caption`, or `caption_STYLE` where there are styles."""

    recipes: Sequence[Recipe]
    schema: Any = field(init=False)

    def __post_init__(self) -> None:
        columns = [("key", pyarrow.string())]
        for recipe in self.recipes:
            columns += [(column(name, recipe.style), kind) for name, kind in COLUMNS.items()]
        object.__setattr__(self, "schema", pyarrow.schema(columns))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of each style, as files keep them."""
        whole = {recipe.style: recipe.settings() for recipe in self.recipes}
        return dict(orjson.loads(orjson.dumps(whole)))

    def cells(self, recipe: Recipe, result: Answer | CaptionError, earlier: int = 0) -> Row:
        """Gives what a row says of one text; a failure counts the `earlier` attempts of other runs too."""
        if isinstance(result, CaptionError):
            cells: Row = {"error": f"{result.code}: {on_one_line(result.message)}"}
            if isinstance(result, BadCaptionError):
                cells |= {"flaws": list(result.flaws), "attempts": earlier + result.attempts}
        else:
            cells = {
                "caption": recipe.text(result.text),
                "finish_reason": result.finish_reason,
                "flaws": [flaw.kind.value for flaw in result.flaws or ()],
                "attempts": result.attempts,
                "prompt_tokens": result.prompt_tokens,
                "completion_tokens": result.completion_tokens,
            }
        return {column(name, recipe.style): cells.get(name) for name in COLUMNS}

    def settled(self, recipe: Recipe, answer: Answer) -> Answer | EmptyCaptionError:
        """Gives the answer, or the error where nothing would be written."""
        return answer if recipe.text(answer.text) else EmptyCaptionError()

    def failed_row(self, key: str, error: CaptionError) -> Row:
        """Gives the row of an image that can't be captioned at all."""
        row: Row = {"key": key}
        for recipe in self.recipes:
            row |= self.cells(recipe, error)
        return row

    def lacking(self, row: Row) -> list[Recipe]:
        """Gives the recipes whose texts the row lacks."""
        return [recipe for recipe in self.recipes if row.get(column("caption", recipe.style)) is None]

    def error(self, row: Row, recipe: Recipe) -> tuple[str, str]:
        """Gives the code and message of what a row says went wrong with one of its texts."""
        code, _, message = str(row.get(column("error", recipe.style)) or "caption: ").partition(": ")
        return code, message

    def attempts(self, row: Row, recipe: Recipe) -> int:
        """Gives how many answers for the text were refused."""
        return int(row.get(column("attempts", recipe.style)) or 0)

    def table(self, rows: Iterable[Row]) -> Any:
        """Gives the rows as a table."""
        return pyarrow.Table.from_pylist(list(rows), schema=self.schema)


def to_file(table: Any, about: About) -> bytes:
    """Gives the Parquet file of a table."""
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table.replace_schema_metadata(about.to_metadata()), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def column(name: str, style: str) -> str:
    """Gives the name of a column for texts of that style, empty for the only one."""
    return f"{name}_{style}" if style else name
