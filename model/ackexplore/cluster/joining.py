"""Joining a Dask cluster, or starting one on this machine; what the workers do is not looked at here.

with client_of(None, 2) as client:          # two processes, which end with this block
    client.submit(len, "abc").result()
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

from ackexplore.cluster import ClusterFailed

SECONDS_FOR_A_SCHEDULER = 10.0


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
