"""`joycaption undo`: puts back the texts that a run replaced."""

import contextlib
import os
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import Parameter

from adapter.cli.results import print_result
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import dataset_ledgers, ledger_path
from adapter.dataset.nearby import covering_folder
from adapter.dataset.undo import undo as put_back
from adapter.errors import InvalidRequestError
from adapter.policy import ExitCode


def undo(
    dataset: Annotated[str, Parameter(help="The dataset's folder.")],
    /,
    *,
    run: Annotated[int | None, Parameter(help="The run's number, by default that of the last one.")] = None,
    force: Annotated[
        bool, Parameter(negative=(), help="Replace even texts that were changed since.")
    ] = False,
    ledger: Annotated[Path | None, Parameter(help="The run's ledger, where --ledger named one.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> ExitCode:
    """Put back the texts that a run replaced, but not over later changes."""
    base = covering_folder(os.path.abspath(dataset))
    path = ledger or _ledger_of(base, dataset)
    with contextlib.closing(Ledger.open(path)) as opened:
        undone = put_back(opened, None if ledger else base, run, force=force)
    if as_json:
        print_result(orjson.dumps(vars(undone)).decode())
    else:
        lines = [f"run {undone.run}: {undone.restored} texts are back as they were"]
        if undone.kept:
            lines.append(f"{undone.kept} were changed since and stay (--force replaces them too)")
        if undone.failed:
            lines.append(f"{undone.failed} can't be put back: {undone.first_problem}")
        print_result("\n".join(lines))
    return ExitCode.SOME_FAILED if undone.failed else ExitCode.DONE


def _ledger_of(base: str, dataset: str) -> Path:
    paths = dataset_ledgers(base)
    if not paths:
        raise InvalidRequestError(f"{dataset} has no ledger: nothing was captioned there")
    own = ledger_path(base)
    return own if own in paths else paths[0]
