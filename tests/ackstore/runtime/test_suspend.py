"""A machine that sleeps, and a process that is stopped: time goes on, and nothing else does."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ackstore import Config, Reply, Store
from children import end_saying
from disks import HangingDisk

HOUR = 3600.0
SHORT = Config(flush_interval=0.005, offset_interval=0.01, sync_timeout=0.1, retry_first=0.01, segment_bytes=3000)
"""A process is stopped for longer than a sync may take: those that run then are given up for hung."""


def work(path: Path, asked: int, said: int) -> str:
    """Settle messages, and say so, until the other side has nothing more to ask; then say how the store is."""
    stop = threading.Event()
    with Store(path, SHORT) as store, ThreadPoolExecutor(3) as threads:
        store.publish("held", 1)
        (held,) = store.pop("held", 1, 0.2)
        os.write(said, f"{held.receipt} {held.deadline}\n".encode())

        def settle(queue: str) -> None:
            store.publish(queue, 10**6)
            while not stop.wait(0.001):
                for delivery in store.pop(queue, 5, 600.0):
                    if store.ack(delivery.receipt) is Reply.OK:
                        os.write(said, f"{delivery.receipt}\n".encode())

        jobs = [threads.submit(settle, queue) for queue in "abc"]
        os.read(asked, 1)
        stop.set()
        for job in jobs:
            job.result()
        late = store.ack(held.receipt)
        again = [each.attempt for each in store.pop("held")]
        told = [late.name, again, store.flush(60.0).name, store.stats().healthy, store.close(60.0).name]
    return json.dumps(told)


def lines_of(child: int, said: int, asked: int, pick: random.Random) -> Iterator[str]:
    """What a child says that is stopped and goes on, at random moments; the first time until a deadline has passed."""
    with os.fdopen(said) as lines:
        _held, deadline = next(lines).split()
        for number in range(6):
            for _ in range(pick.randrange(20)):
                yield next(lines)
            os.kill(child, signal.SIGSTOP)
            time.sleep(pick.uniform(0.1, 0.3))
            while not number and time.time() < float(deadline) + 1.0:
                time.sleep(0.1)
            os.kill(child, signal.SIGCONT)
        os.close(asked)
        yield from lines


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_process_that_is_stopped_and_goes_on_loses_nothing(tmp_path: Path, seed: int) -> None:
    asked, asking = os.pipe()
    saying, said = os.pipe()
    child = os.fork()
    if not child:
        os.close(asking)
        os.close(saying)
        try:
            told = work(tmp_path, asked, said)
        except BaseException as error:
            told = json.dumps(repr(error))
        end_saying(told, said)
    os.close(asked)
    os.close(said)
    *settled, told = (line.rstrip("\n") for line in lines_of(child, saying, asking, random.Random(seed)))
    os.waitpid(child, 0)
    assert json.loads(told) == ["EXPIRED", [2], "OK", True, "OK"]
    assert settled
    with Store(tmp_path, SHORT) as again:
        assert set(again.ack_many(settled[-4000:])) == {Reply.SETTLED}


class Clock:
    """The store's own, which goes on while the machine sleeps; what threads wait by does not."""

    def __init__(self) -> None:
        self.slept = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self.slept


def test_after_the_machine_has_slept_messages_come_back_and_the_store_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    with Store(tmp_path, SHORT, clock=clock) as store:
        store.publish("q", 3)
        first, second = store.pop("q", 2)
        assert store.ack(first.receipt) is Reply.OK
        clock.slept += HOUR
        assert store.ack(second.receipt) is Reply.EXPIRED
        (again,) = store.pop("q")
        assert (again.offset, again.attempt) == (1, 2)
        assert store.ack(again.receipt) is Reply.OK
        assert store.flush(60.0) is Reply.OK
        assert (store.stats().healthy, store.stats().mode) == (True, "async")
        assert store.ack(first.receipt) is Reply.SETTLED


def test_who_waits_for_the_disk_while_the_machine_sleeps_is_told_unknown_and_the_disk_is_heard(tmp_path: Path) -> None:
    clock = Clock()
    disk = HangingDisk(tmp_path / "store")
    config = Config(mode="sync", op_timeout=600.0, sync_timeout=600.0)
    with Store(tmp_path / "store", config, disk=disk, clock=clock) as store, ThreadPoolExecutor(1) as threads:
        store.publish("q", 2)
        first, second = store.pop("q", 2, 10 * HOUR)
        disk.go_on.clear()
        job = threads.submit(store.ack, first.receipt)
        assert disk.hangs.wait(60.0)
        clock.slept += HOUR
        assert job.result(60.0) is Reply.UNKNOWN
        disk.go_on.set()
        assert store.flush(60.0) is Reply.OK
        assert store.ack(first.receipt) is Reply.SETTLED  # as it came to the disk after all
        assert store.ack(second.receipt) is Reply.OK
        assert store.stats().healthy
