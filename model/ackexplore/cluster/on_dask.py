"""A crew of workers of a Dask cluster: the parts live in the workers' memory, envelopes go from worker to worker.

Every worker must have this version of ackcheck, with the extra `cluster`, and the same Python. A part is never moved:
its tasks are bound to its worker. The scheduler knows which workers live; where one that has a part is gone, what was
asked is given up, and all parts are placed anew. What a task is sent and returns is pickled by Dask, as all it does: a
cluster is only for those who may run programs on it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import define, evolve, field
from distributed import Client, Future

from ackexplore.cluster import ClusterFailed, WorkerLost
from ackexplore.cluster.joining import client_of, fetched
from ackexplore.cluster.levels import explore_in_parts
from ackexplore.cluster.part import Part
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Result, Unfinished
from ackexplore.system import System
from ackexplore.table.engine import memory_here
from ackexplore.table.found import Found
from ackexplore.table.kernels import Bits
from ackmodel import Config

SECONDS_FOR_A_WORKER = 60.0
PARTS: dict[tuple[str, int], Part] = {}
"""The parts in this process, if it is a worker: by search and number."""


# --- on a worker ----------------------------------------------------------------------------------------------------


def place(search: str, asked: Config | System, options: Options, number: int, parts: int) -> None:
    """Make a part that has not begun; those of other searches that were given up are dropped."""
    PARTS[search, number] = Part(asked, options, number=number, parts=parts)


def drop(search: str) -> None:
    """Drop the parts of a search."""
    for key in [key for key in PARTS if key[0] == search]:
        PARTS.pop(key).close()


def do(search: str, number: int, method: str, *arguments: Any) -> Any:
    """Have a part do something."""
    try:
        return getattr(PARTS[search, number], method)(*arguments)
    except Unfinished as error:
        raise ClusterFailed(f"part {number}: {error}") from None


def item(both: Any, first: int, second: int | None = None) -> Any:
    """Return an item of what a task returned, which stays where it is."""
    return both[first] if second is None else both[first][second]


# --- where the search is led ----------------------------------------------------------------------------------------


@define
class DaskCrew:
    """The workers of a cluster, with a part each."""

    client: Client
    asked: Config | System
    options: Options
    parts: int = field(init=False)
    search: str = field(init=False, default="")
    workers: list[str] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
        self.parts = len(self._living())
        self.renew()

    def _living(self) -> dict[str, int]:
        living: dict[str, int] = self.client.nthreads()
        return living

    def renew(self) -> None:
        """Place all parts on the workers that live, and drop those of before."""
        self.client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
        self.close()
        living = self._living()
        names = sorted(living)
        self.search, self.workers = uuid4().hex, [names[number % len(names)] for number in range(self.parts)]
        memory = (memory_here() if self.options.memory is None else self.options.memory) // self.parts
        own = evolve(self.options, watcher=None, memory=memory, checkpoint=None)
        self._results(
            [
                self._submit(
                    number, place, self.search, self.asked, evolve(own, threads=living[worker]), number, self.parts
                )
                for number, worker in enumerate(self.workers)
            ]
        )

    def close(self) -> None:
        """Drop the parts wherever they are."""
        if self.search:
            self.client.run(drop, self.search, on_error="ignore")

    def _submit(self, part: int, function: Any, *arguments: Any) -> Future:
        return self.client.submit(function, *arguments, workers=[self.workers[part]], pure=False, retries=0)

    def _look(self) -> None:
        gone = set(self.workers) - set(self._living())
        if gone:
            raise WorkerLost(", ".join(sorted(gone)))

    def _results(self, futures: list[Future]) -> list[Any]:
        """Return the results as they come; raise `WorkerLost` as soon as a worker that has a part is gone."""
        try:
            return [fetched(self.client, future, self._look) for future in futures]
        except (ClusterFailed, WorkerLost):
            raise
        except Exception:  # of many kinds, by when the worker went
            self._look()
            raise

    def each(self, method: str, *arguments: Any) -> list[Any]:
        """Have every part do the same, all at once."""
        return self._results(
            [self._submit(part, do, self.search, part, method, *arguments) for part in range(self.parts)]
        )

    def one(self, part: int, method: str, *arguments: Any) -> Any:
        """Have one part do something."""
        return self._results([self._submit(part, do, self.search, part, method, *arguments)])[0]

    def step(self) -> tuple[list[Found], list[tuple[int, Bits]]]:
        """Have every part expand, and take the envelopes for it from the workers that filled them."""
        every = range(self.parts)
        expanded = [self._submit(part, do, self.search, part, "expand") for part in every]
        taken = []
        for part in every:
            envelopes = [self._submit(other, item, expanded[other], 0, part) for other in every]
            taken.append(self._submit(part, do, self.search, part, "take", envelopes))
        founds = [self._submit(part, item, expanded[part], 1) for part in every]
        return self._results(founds), self._results(taken)


def explore_on_cluster(
    asked: Config | System, options: Options = DEFAULTS, *, address: str | None = None, local: int | None = None
) -> Result:
    """Explore on the Dask cluster at an address, or on `local` workers that are started on this machine.

    `Options.checkpoint` is a folder that every worker reaches, where levels are saved; on this machine one is made.
    """
    with tempfile.TemporaryDirectory(prefix="ackcheck-cluster-") as here, client_of(address, local) as client:
        folder = options.checkpoint if address is not None or options.checkpoint else Path(here)
        crew = DaskCrew(client, asked, options)
        try:
            return explore_in_parts(crew, options, folder)
        finally:
            crew.close()
