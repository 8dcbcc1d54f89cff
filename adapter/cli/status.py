"""`joycaption status`: what the ledgers of a dataset know."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
from cyclopts import Parameter

from adapter.cli.results import print_result
from adapter.dataset.overview import overview
from adapter.dataset.records import FOUND, WRITTEN
from adapter.policy import ExitCode


def status(
    dataset: Annotated[str, Parameter(help="The dataset's folder, or a ledger.")],
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> ExitCode:
    """Show what was captioned in a dataset, and what failed and why."""
    found = overview(dataset)
    counts, failed = found.counts, found.failures.failed
    failures = found.failures.as_dict()["failures"]
    if as_json:
        replaced = [{"run": past.number, "at": past.at, "texts": past.replaced} for past in found.replaced]
        told = {"failed": failed, "failures": failures, "replaced": replaced, "flaws": found.flaws}
        print_result(orjson.dumps({**counts, **told}).decode())
        return ExitCode.DONE
    print_result(
        f"{counts[WRITTEN]} captioned, {counts[FOUND]} had a text already, {failed} failed\n"
        f"{counts['completion_tokens']} tokens written, {counts['cut']} texts cut at their limit"
    )
    if found.flaws:
        kinds = ", ".join(f"{kind} {count}" for kind, count in found.flaws.most_common())
        print_result(f"flaws of texts that were written: {kinds}")
    for past in found.replaced:
        when = datetime.fromtimestamp(past.at, UTC).isoformat(" ", "minutes")
        print_result(
            f"run {past.number}, {when}, replaced {past.replaced} texts: joycaption undo puts them back"
        )
    for reason, told in failures.items():
        print_result("\n".join([f"failed, {reason}: {told['count']}", *(f"  {e}" for e in told["examples"])]))
    return ExitCode.DONE
