"""Carries out what was ordered: the engine, signals, what people see of it, and the outputs at the end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import orjson
import uvloop

from adapter.caption.prompts import PromptBook
from adapter.captioner.answering import Captioner
from adapter.captioner.opened import opened_captioner
from adapter.cli.display import Display, dropped_line, summary
from adapter.cli.results import print_result
from adapter.dataset.claims import Claims
from adapter.dataset.events import Event
from adapter.dataset.metadata_file import check_output, export
from adapter.dataset.order import Order
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.records import Failure
from adapter.dataset.report import open_report, write_report
from adapter.dataset.run import Run
from adapter.dataset.selection import Dataset, open_datasets
from adapter.dataset.tally import Tally
from adapter.dataset.writer import Writer
from adapter.engine.discovery import find_engines
from adapter.engine.leases import held
from adapter.errors import CaptionError
from adapter.policy import ExitCode, Fault
from adapter.settings import RunSettings


def carry_out(order: Order, settings: RunSettings, book: PromptBook) -> ExitCode:
    """Captions, shows how it goes, and gives the exit code.

    Raises InvalidRequestError and LedgerUnavailableError before anything is begun.
    """
    with open_datasets(order.selection) as datasets:
        for dataset in datasets:
            dataset.ledger.history.max_bytes = order.history_bytes
        if order.output is not None:
            check_output(order.output, datasets[0].ledger, order.layout)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_carry_out(order, settings, book, datasets))


async def _carry_out(
    order: Order, settings: RunSettings, book: PromptBook, datasets: list[Dataset]
) -> ExitCode:
    tally = Tally()
    display = Display(tally)
    claims = Claims()

    def take(event: Event) -> None:
        tally.take(event)
        display.take(event)

    with contextlib.closing(Writer(order.texts)) as writer:
        run = Run(
            lambda model: order.planned(datasets, order.planner(model, claims)),
            Outbox(writer, claims, take),
            Pace(settings.max_in_flight, order.concurrency),
            captioner=captioner_for(settings, book, display),
            conditions=order.conditions,
            emit=take,
        )
        with interrupting(run.interrupt), order.counting(datasets, tally):
            async with display.shown():
                code = await outcome(run, tally, display)
    return _finish(order, datasets, display, code)


class Interruptible(Protocol):
    """A run, on this machine or on many."""

    @property
    def interrupted(self) -> bool:
        """Whether it was told to end early."""

    async def complete(self) -> None:
        """Works through all that there is."""


async def outcome(run: Interruptible, tally: Tally, display: Display) -> ExitCode:
    """Completes the run, and gives the exit code. Raises InvalidRequestError and the like: wrong usage."""
    try:
        await run.complete()
    except CaptionError as error:
        if error.fault is Fault.REQUEST:
            raise
        display.notice(f"error: {error}")
        return error.exit_code
    return final(ExitCode.DONE, run, tally)


def final(code: ExitCode, run: Interruptible, tally: Tally) -> ExitCode:
    """Gives the exit code of a run that has ended, with `code` where something ended it."""
    if run.interrupted and code in (ExitCode.DONE, ExitCode.SOME_FAILED):
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_FAILED if code is ExitCode.DONE and tally.failed else code


def _finish(order: Order, datasets: list[Dataset], display: Display, code: ExitCode) -> ExitCode:
    """Writes the outputs of a run, however it ended, and shows what came of it."""
    try:
        write_output(order, datasets, display)
        ledgers = {id(dataset.ledger): dataset.ledger for dataset in datasets}.values()
        if order.report is not None:
            failures = (
                failure for ledger in ledgers for failure in ledger.failures(recent=True, refused=True)
            )
            write_report(order.report, failures)
    except CaptionError as error:
        display.notice(f"error: {error}")
        code = code or ExitCode.SOME_FAILED
    tell_result(display, code, order.report, as_json=order.as_json)
    return code


def write_output(order: Order, datasets: list[Dataset], display: Display) -> None:
    """Writes the file of --output, if there is to be one, and tells of that and of what was dropped.

    Raises WriteError, LedgerError and InvalidRequestError.
    """
    if order.output is not None:
        styles = [recipe.style for recipe in order.recipes]
        count = export(order.output, datasets, styles, order.texts, order.layout)
        display.notice(f"{order.output}: {count} images")
    ledgers = {id(dataset.ledger): dataset.ledger for dataset in datasets}.values()
    if dropped := sum(ledger.history.dropped for ledger in ledgers):
        display.notice(dropped_line(dropped))


def tell_result(
    display: Display, code: ExitCode, report: Path | None, *, as_json: bool, kept: str = "joycaption status"
) -> None:
    """Tells what came of a run. Without a `report`, failures are `kept` elsewhere."""
    if as_json:
        print_result(orjson.dumps(display.tally.as_dict() | {"exit_code": code}).decode())
    else:
        display.notice(summary(display.tally, report, kept))


@contextlib.asynccontextmanager
async def captioner_for(
    settings: RunSettings, book: PromptBook, display: Display
) -> AsyncIterator[Captioner]:
    """Gives a captioner on the engines that are named, on a running service's, or on the run's own."""
    urls = await find_engines(settings)
    async with contextlib.AsyncExitStack() as stack:
        if not urls:
            display.notice("Starting an engine for this run")
        elif not settings.engine_url:
            display.notice("Using the running service's engine")
            # While it is held the service keeps its engines awake, or wakes them.
            stack.enter_context(held(settings.run_dir, "a dataset run"))
        chosen = settings.model_copy(update={"engine_url": ",".join(urls) or None})
        yield await stack.enter_async_context(opened_captioner(chosen, book.system_prompt))


@contextlib.contextmanager
def interrupting(interrupt: Callable[[], None]) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end a run in order, by `interrupt`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def reporting(path: Path | None) -> Iterator[Callable[[Failure], None]]:
    """Gives what writes a failure into the report at `path`, if there is to be one. Raises WriteError."""
    if path is None:
        yield lambda _: None
        return
    with open_report(path) as write:
        yield write
