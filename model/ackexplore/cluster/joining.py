"""Joining a Dask cluster, or starting one on this machine, and waiting for what its workers return.

with client_of(None, 2) as client:          # two processes, which end with this block
    fetched(client, client.submit(len, "abc"), client.nthreads)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import Any

from distributed import Client, Future, LocalCluster

from ackexplore.cluster import ClusterFailed

SECONDS_FOR_A_SCHEDULER = 10.0
SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def client_of(address: str | None, local: int | None) -> Iterator[Client]:
    """Yield a client of the cluster at an address, or of one with so many workers, started here and ended with it."""
    if address is not None:
        try:
            client = Client(address, timeout=SECONDS_FOR_A_SCHEDULER)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterFailed(f"no Dask scheduler answers at {address}: start one (dask scheduler)") from error
        with client:
            yield client
        return
    cluster = LocalCluster(
        n_workers=local or 1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=logging.ERROR,
    )
    with cluster, Client(cluster) as client:
        yield client


def fetched(client: Client, future: Future, look: Callable[[], object]) -> Any:
    """Return what a task returned, or raise what it raised; `look` is called each second until then, and may raise.

    What was asked for is asked for once. `Future.result(timeout=1)` in a loop would ask again each second, and end the
    request before: where that had not been sent yet, the client keeps it as the one to join, and every later call dies
    of it with an UnboundLocalError (dask/distributed, issue 8514). It happens on a busy machine.
    """
    asked = asyncio.run_coroutine_threadsafe(client.gather(future, asynchronous=True), client.loop.asyncio_loop)
    try:
        while not wait([asked], timeout=SECONDS_BETWEEN_LOOKS).done:
            look()
    except BaseException:
        client.cancel([future])  # which ends the request too: it would have the task kept, and run, for nobody
        raise
    return asked.result()
