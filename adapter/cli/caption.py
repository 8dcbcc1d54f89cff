"""`joycaption caption`: turns options into a plan, and shows it or carries it out."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import Parameter

from adapter.caption.prompt_choice import DEFAULT_LENGTH, DEFAULT_STYLE, PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.cli.caption_options import (
    ImageOptions,
    PromptOptions,
    RunOptions,
    SamplingOptions,
    TextOptions,
)
from adapter.cli.captioning import carry_out
from adapter.cli.files import load_book, raise_descriptor_limit
from adapter.cli.option_group import option_group
from adapter.cli.ray_readiness import make_ready, refuse_undividable
from adapter.cli.results import print_result
from adapter.cli.text_place import layout_for, texts_for
from adapter.dataset.decide import Existing
from adapter.dataset.inputs.share import Share
from adapter.dataset.order import Order
from adapter.dataset.output_rules import check_output_rules
from adapter.dataset.preview import preview
from adapter.dataset.prompt_list import load_prompts
from adapter.dataset.recipe import Recipe, recipe_like, recipes_for
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.errors import InvalidRequestError
from adapter.field_names import fields_named
from adapter.logs import configure
from adapter.policy import ExitCode
from adapter.settings import RunSettings

SHARD_ENDINGS = (".tar", ".parquet")
# What the project's own names for a choice are called here.
FLAGS = {
    "prompt": "--prompt",
    "caption_type": "--caption-type",
    "length": "--length",
    "style": "--style",
    "options": "--option",
    "name": "--name",
}


def caption(
    *datasets: Annotated[
        str,
        Parameter(
            help="Folders, image files, and metadata.jsonl or .csv with a column file_name; or shards: *.tar "
            "and *.parquet, here or at URIs.",
            show_default=False,
        ),
    ],
    images: Annotated[ImageOptions | None, option_group("Images", 1)] = None,
    asked: Annotated[PromptOptions | None, option_group("Prompt", 2)] = None,
    sampled: Annotated[SamplingOptions | None, option_group("Sampling", 3)] = None,
    written: Annotated[TextOptions | None, option_group("Texts", 4)] = None,
    running: Annotated[RunOptions | None, option_group("Run", 5)] = None,
    settings: Annotated[RunSettings | None, option_group("Settings", 6, show_default=True)] = None,
) -> ExitCode:
    """Caption folders of images, a text file beside each, or shards. Goes on where it was when run again."""
    images, asked, sampled = images or ImageOptions(), asked or PromptOptions(), sampled or SamplingOptions()
    written, running, settings = (
        written or TextOptions(),
        running or RunOptions(),
        settings or RunSettings.load(),
    )
    configure(
        settings.log_level if "log_level" in settings.model_fields_set else "error", settings.log_format
    )
    raise_descriptor_limit()
    book, layout = load_book(settings.styles_file), layout_for(written)
    if are_shards(datasets):
        return _caption_shards(
            datasets,
            images=images,
            asked=asked,
            sampled=sampled,
            written=written,
            running=running,
            settings=settings,
            book=book,
        )
    if written.write_shards:
        raise InvalidRequestError("--write-shards is for shards")
    if running.ray_actors and not running.ray:
        raise InvalidRequestError("--ray-actors needs --ray")
    order = Order(
        selection=Selection(
            datasets,
            images.from_file,
            images.recursive,
            Share.parse(images.shard) if images.shard else None,
            running.ledger,
            images.follow_links,
            None if written.sidecar else layout.text_column,
        ),
        recipes=_recipes(asked, sampled, written, settings, book),
        texts=texts_for(written, follow_links=images.follow_links),
        conditions=Conditions(
            running.engine_patience, images.limit, engine_first=written.existing is not Existing.SKIP
        ),
        concurrency=running.concurrency,
        history_bytes=running.history_bytes,
        retry_failed=images.retry_failed,
        output=Path(written.output) if written.output else None,
        layout=layout,
        report=running.report,
        as_json=running.as_json,
    )
    if order.output is not None:
        check_output_rules(order.layout, order.output, order.selection, len(order.recipes))
    if running.ray:
        refuse_undividable(order, settings)
    if running.dry_run:
        return show_plan(order)
    return _divide(order, running, settings, book) if running.ray else carry_out(order, settings, book)


def _divide(order: Order, running: RunOptions, settings: RunSettings, book: PromptBook) -> ExitCode:
    make_ready(running.ray)
    from adapter.cli.divided_folder import caption_divided_folder

    return caption_divided_folder(order, running, settings, book)


def show_plan(order: Order) -> ExitCode:
    """Prints what would be done, without an engine and without writing anything."""
    with open_datasets(order.selection, dry=True) as datasets:
        found = preview(order.planned(datasets, order.planner(None)))
    counts = {
        "to caption": found.to_caption,
        "skipped": found.skipped,
        "edited": found.edited,
        "failed": found.failed,
    }
    examples = [
        {
            "image": example.image,
            "output": str(order.output) if isinstance(order.texts, TextsInLedger) else example.place,
            "prompt": example.prompt,
        }
        for example in found.examples
    ]
    if order.as_json:
        print_result(orjson.dumps({"counts": counts, "examples": examples}).decode())
        return ExitCode.DONE
    print_result(", ".join(f"{number} {what}" for what, number in counts.items()))
    for example in examples:
        print_result(f"{example['image']}\n  -> {example['output']}\n  asked: {example['prompt']}")
    return ExitCode.DONE


def are_shards(names: Sequence[str]) -> bool:
    """Tells whether the names are those of shards. Raises InvalidRequestError where only some are."""
    found = [name for name in names if "://" in name or _is_shard(name)]
    if found and len(found) < len(names):
        raise InvalidRequestError("Shards can't be captioned together with folders or image files")
    return bool(found)


def require_pyarrow() -> None:
    """Raises InvalidRequestError where shards can't be read."""
    if find_spec("pyarrow") is None:
        raise InvalidRequestError("Shards need pyarrow: install it with `.venv/bin/pip install pyarrow`")


def _is_shard(path: str) -> bool:
    return path.endswith(SHARD_ENDINGS) and not os.path.isdir(path)


def _caption_shards(
    names: Sequence[str],
    *,
    images: ImageOptions,
    asked: PromptOptions,
    sampled: SamplingOptions,
    written: TextOptions,
    running: RunOptions,
    settings: RunSettings,
    book: PromptBook,
) -> ExitCode:
    require_pyarrow()
    from adapter.cli.shard_captioning import caption_shards

    return caption_shards(
        names,
        _recipes(asked, sampled, written, settings, book),
        images=images,
        written=written,
        running=running,
        settings=settings,
        book=book,
    )


def _recipes(
    asked: PromptOptions,
    sampled: SamplingOptions,
    written: TextOptions,
    settings: RunSettings,
    book: PromptBook,
) -> tuple[Recipe, ...]:
    """Gives a recipe for each text of an image. Raises InvalidRequestError, naming the flags."""
    chosen = {
        "--prompt": asked.prompt,
        "--prompts": asked.prompts,
        "--style": asked.style,
        "--styles": asked.styles,
        "--caption-type": asked.caption_type,
    }
    given = [flag for flag, value in chosen.items() if value]
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} can't be used together")
    styles = [style.strip() for style in asked.styles.split(",") if style.strip()]
    if len(set(styles)) < len(styles):
        raise InvalidRequestError("--styles names one of them twice")
    choice = PromptChoice(
        prompt=asked.prompt,
        caption_type=asked.caption_type,
        length=asked.length.strip().lower() or DEFAULT_LENGTH,
        style=asked.style or DEFAULT_STYLE,
        options=tuple(asked.option),
        name=asked.name,
    )
    values = sampled.model_dump(exclude={"seed"})
    like = recipe_like(
        book,
        values,
        seed=sampled.seed,
        prefix=written.prefix,
        suffix=written.suffix,
        trigger=written.trigger,
        exact_pixels=settings.exact_pixels,
    )
    prompts = load_prompts(asked.prompts) if asked.prompts is not None else ()
    with fields_named(FLAGS):
        return recipes_for(book, choice, like, sampled=values, styles=styles, prompts=prompts)
