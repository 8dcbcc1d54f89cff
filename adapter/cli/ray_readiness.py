"""What `--ray` needs before Ray is imported, and what it refuses."""

import os
from importlib.util import find_spec

from adapter.config import guard_own_ray, quiet_ray
from adapter.dataset.order import Order
from adapter.errors import InvalidRequestError
from adapter.settings import RunSettings


def make_ready(address: str) -> None:
    """Makes this process ready to join the cluster at `address`, or to start one for `local`.

    Raises InvalidRequestError where Ray isn't installed.
    """
    if find_spec("ray") is None:
        raise InvalidRequestError("--ray needs ray: install it with `.venv/bin/pip install ray`")
    quiet_ray()  # Ray reads some of it when it is imported
    if address == "local":
        guard_own_ray()


def refuse_undividable(order: Order, settings: RunSettings) -> None:
    """Raises InvalidRequestError for what a cluster can't divide, and options that mean nothing for it."""
    selection = order.selection
    given = {
        "--from-file": selection.from_file,
        "--shard": selection.share,
        "--limit": order.conditions.limit,
        "--ledger": selection.ledger,
        f"--engines {settings.engines}": settings.engine_count,
    }
    if unused := [flag for flag, is_given in given.items() if is_given]:
        raise InvalidRequestError(f"{unused[0]} is not for folders on a cluster")
    if len(selection.paths) != 1 or not os.path.isdir(selection.paths[0]):
        raise InvalidRequestError("--ray divides shards, or one folder: caption several one after the other")
