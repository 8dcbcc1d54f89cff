"""Which shards are meant: names with ranges such as `{00000..01023}`, wildcards, and shares of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapter.dataset.inputs.share import Share
from adapter.dataset.shards.store import Place, place_of, split_pattern
from adapter.errors import InvalidRequestError

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MAX_SHARDS = 1_000_000  # named by one range
ENDINGS = (".tar", ".parquet")


@dataclass(frozen=True)
class Shard:
    """One file with images in it."""

    place: Place

    @property
    def stem(self) -> str:
        """The name without its ending, which the output has too."""
        return self.place.name.rpartition(".")[0]

    @property
    def output_name(self) -> str:
        """The name of its output."""
        return f"{self.stem}.parquet"

    @property
    def is_tar(self) -> bool:
        return self.place.name.endswith(".tar")

    @property
    def name(self) -> str:
        return self.place.shown


def expanded(name: str) -> Iterator[str]:
    """Gives all names that a name with ranges stands for, zeros in front as in the range's beginning.

    Raises InvalidRequestError.
    """
    found = RANGE.search(name)
    if found is None:
        yield name
        return
    first, last = found.groups()
    if not 0 <= int(last) - int(first) < MAX_SHARDS:
        raise InvalidRequestError(
            f"{found.group()} must count upwards, to at most {MAX_SHARDS} shards", "datasets"
        )
    for number in range(int(first), int(last) + 1):
        middle = str(number).zfill(len(first))
        yield from expanded(name[: found.start()] + middle + name[found.end() :])


def find_shards(names: Sequence[str], share: Share | None = None) -> list[Shard]:
    """Gives the shards that are named, or the share of them, each once.

    Raises InvalidRequestError for names that can't be shards', or where two would have one output, and
    StoreError where a folder can't be listed.
    """
    shards = {shard.name: shard for name in names for one in expanded(name) for shard in _found(one)}
    stems: dict[str, str] = {}
    for shard in shards.values():
        if (other := stems.setdefault(shard.stem, shard.name)) != shard.name:
            raise InvalidRequestError(
                f"{other} and {shard.name} would have one output: give each an --output of its own"
            )
    found = list(shards.values())
    if share is None:
        return found
    if share.count > len(found):
        raise InvalidRequestError(
            f"--shard divides shards: {len(found)} of them make no {share.count} shares", "shard"
        )
    return found[share.index - 1 :: share.count]


def _found(name: str) -> Iterator[Shard]:
    folder, pattern = split_pattern(name)
    places = place_of(folder).matching(pattern) if pattern else [place_of(name)]
    if not places:
        raise InvalidRequestError(f"There is no file {name}")
    for place in places:
        if not place.name.endswith(ENDINGS) or place.name in ENDINGS:
            raise InvalidRequestError(f"{place.shown} is no shard: its name must end in .tar or .parquet")
        yield Shard(place)
