"""Captions shards: what was ordered, the run, and what people see of it. Imports pyarrow."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import orjson
import uvloop

from adapter.caption.prompts import PromptBook
from adapter.cli.caption_options import ImageOptions, RunOptions, TextOptions
from adapter.cli.captioning import captioner_for, final, interrupting, outcome, reporting, tell_result
from adapter.cli.display import Display
from adapter.cli.ray_readiness import make_ready
from adapter.cli.results import print_result
from adapter.dataset.decide import Existing
from adapter.dataset.events import Event, TextFailed
from adapter.dataset.inputs.share import Share
from adapter.dataset.recipe import Recipe
from adapter.dataset.run import Conditions
from adapter.dataset.shards.examination import ShardOrder, examine
from adapter.dataset.shards.new_tars import NewTars, check_apart
from adapter.dataset.shards.parquet_samples import Columns
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_counting import counting_shards
from adapter.dataset.shards.shard_decision import Leave, Refuse
from adapter.dataset.shards.shard_list import find_shards
from adapter.dataset.shards.shard_run import ShardTerms, shard_run
from adapter.dataset.shards.store import place_of
from adapter.dataset.tally import Tally
from adapter.errors import InvalidRequestError, StoreError
from adapter.policy import ExitCode
from adapter.settings import RunSettings

KEPT = "the column error of the outputs"  # failures


def caption_shards(
    names: Sequence[str],
    recipes: Sequence[Recipe],
    *,
    images: ImageOptions,
    written: TextOptions,
    running: RunOptions,
    settings: RunSettings,
    book: PromptBook,
) -> ExitCode:
    """Captions the shards of those names, shows how it goes, and gives the exit code.

    Raises InvalidRequestError and StoreError before anything is begun.
    """
    _refuse_unused(images, written, running, settings)
    order = ShardOrder(
        find_shards(names, Share.parse(images.shard) if images.shard else None),
        place_of(written.output),
        Layout(recipes),
        Columns(images.image_column, images.key_column),
        written.existing,
        images.retry_failed,
        place_of(written.write_shards) if written.write_shards else None,
    )
    if order.tars is not None:
        check_apart(order, order.tars)
    if running.dry_run:
        return _show_plan(order, as_json=running.as_json)
    conditions = Conditions(
        running.engine_patience, images.limit, engine_first=written.existing is not Existing.SKIP
    )
    terms = ShardTerms(conditions, running.concurrency, running.save_every)
    if running.ray:
        return _divide(order, terms, running, settings, book)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_carry_out(order, terms, running, settings, book))


def _refuse_unused(
    images: ImageOptions, written: TextOptions, running: RunOptions, settings: RunSettings
) -> None:
    """Raises InvalidRequestError for options that mean nothing for shards, rather than ignore them."""
    if not written.output:
        raise InvalidRequestError(
            "Shards are never rewritten: add --output FOLDER, or a URI, for one Parquet file per shard"
        )
    given = {
        "--from-file": images.from_file,
        "--follow-links": images.follow_links,
        "--extension": written.extension != ".txt",
        "--full-name": written.full_name,
        "--overwrite-edited": written.overwrite_edited,
        "--format": written.format,
        "--text-column": written.text_column,
        "--ledger": running.ledger,
        f"--existing {written.existing}": written.existing in (Existing.APPEND, Existing.PREPEND),
    }
    if running.ray:
        given |= {
            "--limit": images.limit,
            "--write-shards": written.write_shards,
            f"--engines {settings.engines}": settings.engine_count,
        }
    elif running.ray_actors:
        raise InvalidRequestError("--ray-actors needs --ray")
    if unused := [flag for flag, is_given in given.items() if is_given]:
        raise InvalidRequestError(f"{unused[0]} is not for shards{' on a cluster' if running.ray else ''}")


def _divide(
    order: ShardOrder, terms: ShardTerms, running: RunOptions, settings: RunSettings, book: PromptBook
) -> ExitCode:
    make_ready(running.ray)
    from adapter.cli.ray_captioning import Division, caption_on_cluster
    from adapter.dataset.cluster.done_shards import sort_out
    from adapter.dataset.cluster.shard_work import ShardWork

    display = Display(Tally())
    work = ShardWork(replace(order, shards=()), terms)
    division = Division(
        work,
        "shards",
        work.output_of,
        lambda backlog, _: sort_out(order, order.shards, backlog, display.take),
    )
    code = caption_on_cluster(division, running, settings, book=book, display=display)
    tell_result(display, code, running.report, as_json=running.as_json, kept=KEPT)
    return code


def _show_plan(order: ShardOrder, *, as_json: bool) -> ExitCode:
    """Prints what would be done with each shard, without an engine and without writing anything."""
    counts = Counter({"to caption": 0, "done": 0, "left": 0, "failed": 0})
    for shard in order.shards:
        try:
            decision = examine(order, shard).decision
        except StoreError:
            decision = Refuse("")
        match decision:
            case Leave(why):
                counts["left" if why else "done"] += 1
            case Refuse():
                counts["failed"] += 1
            case _:
                counts["to caption"] += 1
    shown = dict(counts)
    print_result(
        orjson.dumps({"shards": shown}).decode()
        if as_json
        else f"{counts.total()} shards: " + ", ".join(f"{n} {what}" for what, n in shown.items())
    )
    return ExitCode.DONE


async def _carry_out(
    order: ShardOrder, terms: ShardTerms, running: RunOptions, settings: RunSettings, book: PromptBook
) -> ExitCode:
    tally = Tally()
    display = Display(tally)
    with reporting(running.report) as report:

        def take(event: Event) -> None:
            tally.take(event)
            display.take(event)
            if isinstance(event, TextFailed):
                report(event.failure)
            if new_tars is not None:
                new_tars.take(event)

        new_tars = None
        run = shard_run(order, terms, settings, captioner_for(settings, book, display), take)
        if order.tars is not None:
            new_tars = NewTars(
                order, order.tars, settings.max_file_bytes, emit=take, should_stop=lambda: run.interrupted
            )
        counting = contextlib.nullcontext() if terms.conditions.limit else counting_shards(order, tally)
        with interrupting(run.interrupt), counting:
            async with display.shown():
                async with contextlib.nullcontext() if new_tars is None else new_tars.being_made():
                    code = await outcome(run, tally, display)
                code = final(code, run, tally)
    tell_result(display, code, running.report, as_json=running.as_json, kept=KEPT)
    return code
