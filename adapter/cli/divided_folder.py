"""Captions a folder on the machines of a Ray cluster: what `joycaption caption FOLDER --ray` does."""

import asyncio
import contextlib

from adapter.caption.prompts import PromptBook
from adapter.cli.caption_options import RunOptions
from adapter.cli.captioning import tell_result, write_output
from adapter.cli.display import Display
from adapter.cli.ray_captioning import Division, caption_on_cluster
from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.folder_work import FolderWork, Slice, slices_for
from adapter.dataset.cluster.worker_ledgers import take_over
from adapter.dataset.counting import counting
from adapter.dataset.inputs.share import Share
from adapter.dataset.metadata_file import check_output
from adapter.dataset.order import Order
from adapter.dataset.selection import Dataset, open_datasets
from adapter.dataset.tally import Tally
from adapter.errors import CaptionError
from adapter.policy import ExitCode
from adapter.settings import RunSettings


def caption_divided_folder(
    order: Order, running: RunOptions, settings: RunSettings, book: PromptBook
) -> ExitCode:
    """Captions the order's folder, shows how it goes, and gives the exit code.

    The dataset's own ledger is held until the end, so that no other run begins meanwhile. Raises
    InvalidRequestError and LedgerUnavailableError before anything is begun.
    """
    display = Display(Tally())
    with open_datasets(order.selection) as (dataset,):
        dataset.ledger.history.max_bytes = order.history_bytes
        if order.output is not None:
            check_output(order.output, dataset.ledger, order.layout)
        take_over(dataset.ledger)  # of a run that was killed
        dataset.ledger.history.run = None
        code = caption_on_cluster(
            _division(order, dataset, display.tally), running, settings, book=book, display=display
        )
        try:
            if left := take_over(dataset.ledger):
                display.notice(
                    f"{left} ledgers of lost workers are still locked: the next run takes them over"
                )
            write_output(order, [dataset], display)
        except CaptionError as error:
            display.notice(f"error: {error}")
            code = code or ExitCode.SOME_FAILED
    tell_result(display, code, order.report, as_json=order.as_json)
    return code


def _division(order: Order, dataset: Dataset, tally: Tally) -> Division:
    root = dataset.input.root
    work = FolderWork(order, root, dataset.base or root, dataset.ledger.marker)

    async def fill(backlog: Backlog, workers: int) -> None:
        try:
            images = await _counted(order, dataset)
            tally.total = images * len(order.recipes)
            count = slices_for(images, workers)  # one where nothing can be found: its worker tells why
            for index in range(count):
                backlog.add(Slice(root, Share(index + 1, count)))
        finally:
            backlog.complete()

    return Division(work, "slices", work.output_of, fill)


async def _counted(order: Order, dataset: Dataset) -> int:
    """Counts the images in a thread that the program's end doesn't wait for."""
    loop = asyncio.get_running_loop()
    counted: asyncio.Future[int] = loop.create_future()

    def settle(images: int) -> None:
        if not counted.done():
            counted.set_result(images)

    def done(images: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run has ended
            loop.call_soon_threadsafe(settle, images)

    with counting(lambda: order.items(dataset), done):
        return await counted
