"""A Ray cluster for tests: several machines that are all this one."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes import below, descendants

START_S = 60.0  # for the cluster's first processes, beside other tests
# The least that Ray takes.
NODE = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20}
# A machine without a sign of life for ten seconds is lost: beside other tests it may be slow.
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 10,
}


class Machines:
    """A cluster with a head, on which commands run, and other machines that may be killed."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def have(self, count: int) -> None:
        """Adds machines until there are so many, the head included."""
        while len(self._cluster.worker_nodes) + 1 < count:
            self._cluster.add_node(**NODE)

    def kill_one(self) -> None:
        """Kills a machine with all that runs on it."""
        machine = next(iter(self._cluster.worker_nodes))
        raylet = machine.all_processes["raylet"][0].process.pid
        # First its workers, which would go on for a while after it.
        for process in list(below(raylet)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._cluster.remove_node(machine, allow_graceful=False)

    def workers(self) -> list[int]:
        """Gives the processes of actors."""
        return [pid for pid, command in descendants().items() if command.startswith(b"ray::ClusterWorker")]


@contextlib.contextmanager
def cluster() -> Iterator[Machines]:
    """Starts a cluster of one machine, and ends all of it."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", folder)  # it notes the address there, whatever the head is told
            os.mkdir(f"{folder}/ray")
            head = NODE | {"temp_dir": f"{folder}/ray", "_system_config": HEALTH}
            started = Cluster(initialize_head=True, head_node_args=head)
            try:
                yield Machines(started)
            finally:
                started.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
