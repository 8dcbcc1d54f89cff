"""`joycaption plan`: tells what a run over a dataset will take, before anybody pays for it."""

import os
from typing import Annotated

import orjson
from cyclopts import Parameter

from adapter.cli.caption import are_shards, require_pyarrow
from adapter.cli.results import print_result
from adapter.dataset.forecast import Extent, Forecast
from adapter.dataset.inputs.share import Share
from adapter.dataset.selection import Selection
from adapter.errors import InvalidRequestError
from adapter.policy import ExitCode

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def plan(
    *datasets: Annotated[
        str, Parameter(help="Folders and image files, or shards, as for caption.", show_default=False)
    ],
    gpus: Annotated[int, Parameter(help="The number of GPUs, each with an engine.")] = 1,
    rate: Annotated[
        float | None,
        Parameter(help="Texts per second of one GPU, as you measured it: images_per_s of a short run."),
    ] = None,
    texts: Annotated[int, Parameter(help="Texts for each image: the number of --styles.")] = 1,
    shard: Annotated[str, Parameter(help="Take only the i-th of K shares, as i/K.")] = "",
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> ExitCode:
    """Tell how large a dataset is, and what captioning it will take: hours, bytes to read and to write."""
    if gpus < 1 or texts < 1 or (rate is not None and not 0 < rate < float("inf")):
        raise InvalidRequestError("--gpus, --texts and --rate must be above 0")
    share = Share.parse(shard) if shard else None
    extent = _of_shards(datasets, share) if are_shards(datasets) else _of_images(datasets, share)
    forecast = Forecast(extent, texts, gpus, rate)
    if as_json:
        print_result(orjson.dumps(forecast.as_dict()).decode())
    else:
        print_result("\n".join(_lines(forecast)))
    return ExitCode.DONE


def _of_shards(names: tuple[str, ...], share: Share | None) -> Extent:
    require_pyarrow()
    from adapter.dataset.shards.shard_list import find_shards
    from adapter.dataset.shards.shard_sizes import extent_of

    return extent_of(find_shards(names, share))


def _of_images(paths: tuple[str, ...], share: Share | None) -> Extent:
    images = size = 0
    for found in Selection(paths, share=share).inputs():
        for item in found.items():
            images += 1
            try:
                size += os.stat(os.path.join(found.root, item.key)).st_size
            except OSError:
                continue  # captioning it will tell
    return Extent(images, size)


def _lines(forecast: Forecast) -> list[str]:
    extent = forecast.extent
    if extent.images is None:
        images = "an unknown number of images"
    else:
        images = f"{'about ' if extent.estimated_from else ''}{extent.images} images"
    shards = "" if extent.shards is None else f"{extent.shards} shards, "
    lines = [f"{shards}{images}, {_shown(extent.bytes)} to read"]
    if extent.missing:
        lines[0] += f", {extent.missing} shards are not there"
    if extent.estimated_from:
        lines.append(f"The number of images is estimated from the beginning of {extent.estimated_from}")
    if forecast.max_written_bytes is not None:
        lines.append(f"{_shown(forecast.max_written_bytes)} to write at most, before compression")
    if forecast.hours is not None:
        lines.append(f"{forecast.hours:.1f} hours on {forecast.gpus} GPUs at {forecast.rate:g} texts/s each")
    elif forecast.rate is None:
        lines.append(
            "Hours need --rate: caption a few hundred of the images on one GPU with --json, which tells "
            "images_per_s"
        )
    return lines


def _shown(size: int) -> str:
    shown, unit = float(size), 0
    while shown >= 1000 and unit < len(UNITS) - 1:
        shown, unit = shown / 1000, unit + 1
    return f"{shown:.1f} {UNITS[unit]}" if unit else f"{size} bytes"
