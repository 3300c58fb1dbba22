"""What a task of a Dask cluster returns is waited for, however long it takes to come, and given up where it cannot."""

import time
from collections.abc import Iterator

import pytest

pytest.importorskip("distributed", reason="no Dask is installed: the extra `cluster`")
from distributed import Client, LocalCluster

from ackexplore.cluster import WorkerLost
from ackexplore.cluster.joining import fetched


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def looked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.cluster.joining.SECONDS_BETWEEN_LOOKS", 0.01)


def test_what_cannot_be_asked_for_yet_is_waited_for(client: Client) -> None:
    """As on a busy machine, where a second is over before the request is sent: here others hold all its places."""
    places = client._gather_semaphore
    held, looks = [], []

    async def hold() -> None:
        while not places.locked():
            await places.acquire()
            held.append(places)

    def look() -> None:
        looks.append(len(held))
        while len(looks) > 2 and held:
            client.loop.add_callback(held.pop().release)

    done = client.submit(len, "abc", pure=False)
    done.result()
    client.sync(hold)
    assert fetched(client, done, look) == 3
    assert len(looks) > 2
    assert fetched(client, client.submit(len, "abcd"), look) == 4


def test_what_is_given_up_is_run_for_nobody(client: Client) -> None:
    def lost() -> None:
        raise WorkerLost("tcp://a:1")

    key = "one that waits for a worker"
    with pytest.raises(WorkerLost, match="tcp://a:1"):
        fetched(client, client.submit(len, "abc", workers=["tcp://127.0.0.1:1"], key=key), lost)
    until = time.monotonic() + 60
    while key in client.cluster.scheduler.tasks and time.monotonic() < until:
        time.sleep(0.01)
    assert key not in client.cluster.scheduler.tasks


def test_what_a_task_raises_is_raised_here(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        fetched(client, client.submit(divmod, 1, 0), client.nthreads)
