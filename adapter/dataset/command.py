"""`joycaption caption` and `joycaption status`: what people say, and what is done about it."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from adapter.config import Settings
from adapter.dataset.display import Display, print_result, summary, write_report
from adapter.dataset.engine_choice import engine_for
from adapter.dataset.engine_wait import EngineGoneError
from adapter.dataset.export import check_output, export
from adapter.dataset.ledger import Ledger, LedgerError, dataset_ledgers
from adapter.dataset.outbox import NothingWritableError, Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.plan import Job, Planner, Policy, Settled, Verdict
from adapter.dataset.recipe import Recipe
from adapter.dataset.records import FOUND, WRITTEN
from adapter.dataset.run import Conditions, Run
from adapter.dataset.scan import FoundImage
from adapter.dataset.sources import Dataset, Selection, failed_images, open_datasets
from adapter.dataset.tally import Tally
from adapter.dataset.writer import Writer
from adapter.errors import CaptionError, InvalidRequestError
from adapter.prompts import PromptBook

ALL_DONE, SOME_FAILED, WRONG_USAGE, ENGINE_GONE, INTERRUPTED = 0, 1, 2, 3, 130
DRY_RUN_EXAMPLES = 3


@dataclass(frozen=True)
class Options:
    """Everything about a run but the engine's settings."""

    selection: Selection
    recipes: tuple[Recipe, ...]
    policy: Policy
    conditions: Conditions
    concurrency: int | None = None
    retry_failed: bool = False
    output: Path | None = None
    report: Path | None = None
    as_json: bool = False


def caption(options: Options, settings: Settings, book: PromptBook) -> int:
    """Captions, shows how it goes, and gives the exit code. Raises InvalidRequestError before it begins."""
    with open_datasets(options.selection) as datasets:
        if options.output is not None:
            check_output(options.output, datasets[0].ledger)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_caption(options, settings, book, datasets))


def dry_run(options: Options) -> int:
    """Shows what would be done, without an engine and without writing anything."""
    with open_datasets(options.selection, dry=True) as datasets:
        counts: dict[str, int] = {"to caption": 0, **{verdict.value: 0 for verdict in Verdict}}
        examples: list[dict[str, str]] = []
        for decided in _decisions(options, datasets, Planner(options.recipes, options.policy)):
            if isinstance(decided, Settled):
                counts[decided.verdict.value] += 1
                continue
            counts["to caption"] += len(decided.tasks)
            for task in decided.tasks:
                if len(examples) < DRY_RUN_EXAMPLES * len(options.recipes):
                    output = task.output if options.policy.sidecars else str(options.output)
                    prompt = task.recipe.prompt(decided.image.relative)
                    examples.append({"image": decided.image.path, "output": output, "prompt": prompt})
    if options.as_json:
        print_result(orjson.dumps({"counts": counts, "examples": examples}).decode())
        return ALL_DONE
    print_result(", ".join(f"{number} {what}" for what, number in counts.items()))
    for example in examples:
        print_result(f"{example['image']}\n  -> {example['output']}\n  asked: {example['prompt']}")
    return ALL_DONE


def status(folder: str, *, as_json: bool) -> int:
    """What the ledgers of a dataset know. Raises InvalidRequestError when there is none."""
    root = os.path.abspath(folder)
    paths = dataset_ledgers(root) if os.path.isdir(root) else [Path(root)]
    if not paths or not paths[0].is_file():
        raise InvalidRequestError(f"{folder} has no ledger: nothing was captioned there")
    counts: dict[str, int] = {}
    tally = Tally()
    for path in paths:
        ledger = Ledger(path, read_only=True)
        for name, number in ledger.count().items():
            counts[name] = counts.get(name, 0) + number
        for failure in ledger.failures():
            tally.fail(failure.image, failure.message, failure.code)
        ledger.close()
    failures = tally.as_dict()["failures"]
    if as_json:
        print_result(orjson.dumps({**counts, "failed": tally.failed, "failures": failures}).decode())
        return ALL_DONE
    print_result(
        f"{counts[WRITTEN]} captioned, {counts[FOUND]} had a text already, {tally.failed} failed\n"
        f"{counts['completion_tokens']} tokens written, {counts['cut']} texts cut at their limit"
    )
    for reason, told in failures.items():
        print_result("\n".join([f"failed, {reason}: {told['count']}", *(f"  {e}" for e in told["examples"])]))
    return ALL_DONE


async def _caption(options: Options, settings: Settings, book: PromptBook, datasets: list[Dataset]) -> int:
    tally = Tally()
    display = Display(tally)
    started = time.time()
    planner = Planner(options.recipes, options.policy)
    writer = Writer(options.policy, lambda: planner.model)
    run = Run(
        planner,
        Outbox(writer, planner.claims, tally),
        Pace(settings.max_in_flight, options.concurrency),
        start_engine=lambda: engine_for(settings, book, display.notice),
        conditions=options.conditions,
        tally=tally,
        notice=display.notice,
    )
    with _interrupting(run), _counting(options, datasets, tally):
        async with display.shown():
            outcome = await _outcome(run, _decisions(options, datasets, planner), tally, display)
    writer.close()
    return _finish(options, datasets, display, outcome=outcome, started=started)


async def _outcome(run: Run, decisions: Iterator[Job | Settled], tally: Tally, display: Display) -> int:
    try:
        await run.over(decisions)
    except EngineGoneError as error:
        display.notice(f"error: {error}")
        return ENGINE_GONE
    except (NothingWritableError, LedgerError) as error:
        display.notice(f"error: {error}")
        return SOME_FAILED
    if run.interrupted:
        return INTERRUPTED
    return SOME_FAILED if tally.failed else ALL_DONE


def _finish(
    options: Options, datasets: list[Dataset], display: Display, *, outcome: int, started: float
) -> int:
    """The outputs of a run, however it ended."""
    try:
        if options.output is not None:
            styles = [recipe.style for recipe in options.recipes]
            roots = [(dataset.ledger, dataset.root) for dataset in datasets]
            count = export(options.output, roots, styles, sidecars=options.policy.sidecars)
            display.notice(f"{options.output}: {count} images")
        if options.report is not None:
            ledgers = {id(dataset.ledger): dataset.ledger for dataset in datasets}.values()
            write_report(
                options.report, (failure for ledger in ledgers for failure in ledger.failures(started))
            )
    except CaptionError as error:
        display.notice(f"error: {error}")
        outcome = outcome or SOME_FAILED
    if options.as_json:
        print_result(orjson.dumps(display.tally.as_dict() | {"exit_code": outcome}).decode())
    else:
        display.notice(summary(display.tally, options.report))
    return outcome


def _decisions(options: Options, datasets: list[Dataset], planner: Planner) -> Iterator[Job | Settled]:
    for dataset in datasets:
        yield from planner.plan(_images(options, dataset), dataset.ledger, absolute=dataset.absolute)


def _images(options: Options, dataset: Dataset) -> Iterator[FoundImage]:
    return failed_images(dataset) if options.retry_failed else dataset.find()


@contextlib.contextmanager
def _interrupting(run: Run) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, run.interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _counting(options: Options, datasets: list[Dataset], tally: Tally) -> Iterator[None]:
    """Counts the texts in a thread of its own, for the estimate of the time that is left."""
    stop = threading.Event()

    def count() -> None:
        images = 0
        with contextlib.suppress(CaptionError):  # what can't be found is told by the run itself
            for dataset in datasets:
                for _ in _images(options, dataset):
                    images += 1
                    if stop.is_set():
                        return
            tally.total = images * len(options.recipes)

    if options.conditions.limit is None and all(dataset.countable for dataset in datasets):
        threading.Thread(target=count, name="count", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
