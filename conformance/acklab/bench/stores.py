"""The reference store in each of its modes, and what no store can beat: a bare loop of writes.

>>> import tempfile
>>> from pathlib import Path
>>> sample = StoreContender("async", Config()).measure(Path(tempfile.mkdtemp()), threads=2, seconds=0.05)
>>> sample.operations > 0, sample.syncs_per_second is not None
(True, True)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import evolve, frozen

from acklab.bench.measure import Sample, quantile, timed
from ackstore import Config, Reply, Store
from ackstore.format.payloads import encode_ack, queue_prefix
from ackstore.format.records import ACK, encode_record
from ackstore.runtime.files import RealDisk
from ackstore.words.identity import receipt_text

QUEUE = "orders/billing/3"
BATCH = 64
IN_FLIGHT = 64
MOST_MESSAGES = 1_500_000
"""What is made ready at most, in memory: a contender that is through with it before its time is up stops then."""
STALL = 0.5
"""Seconds that each sync of a stalled disk takes."""

RECORD = encode_record(ACK, encode_ack(queue_prefix(QUEUE), [(1, 1, 1)]), 1, 0)
"""What the bare loop writes: the record of one ack, as the store would."""


class AckRefused(Exception):
    """The store did not answer OK: its figures would be those of refusals."""


def shares(items: Sequence[str], threads: int) -> list[Iterator[str]]:
    """Deal the items out to that many threads."""
    return [iter(items[first::threads]) for first in range(threads)]


def receipts_of(store: Store, count: int) -> list[str]:
    """Publish and pop `count` messages, make that durable where it is meant to be, and return the receipts."""
    store.publish(QUEUE, count)
    receipts: list[str] = []
    while len(receipts) < count:
        if len(receipts) <= 1:
            store.flush()  # a merge buffer holds what is popped once something has been synced
        popped = store.pop(QUEUE, min(4096 if receipts else 1, count - len(receipts)), 86_400.0)
        if not popped:
            raise AckRefused(f"the store handed out {len(receipts)} of {count} messages: is its disk full?")
        receipts += [delivery.receipt for delivery in popped]
    if not store.config.merge:
        store.flush()
    return receipts


class StalledDisk(RealDisk):
    """A disk whose syncs take `STALL` seconds each, once `stalled`."""

    stalled = False

    def sync(self, name: str) -> None:
        if self.stalled:
            time.sleep(STALL)
        super().sync(name)


@frozen
class StoreContender:
    """The store with `config`, one `ack` a message; with `batch`, `ack_many` of that many."""

    name: str
    config: Config
    batch: int = 1
    most: int = 1_000_000
    """Acks a second that no machine exceeds: that many messages are made ready, but no more than `MOST_MESSAGES`."""
    stalled: bool = False
    """On a disk whose syncs take `STALL` seconds."""

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory."""
        count = max(min(int(self.most * seconds), MOST_MESSAGES), threads * self.batch)
        config = evolve(self.config, max_outstanding=count + 1, merge_messages=count + 1)
        disk = StalledDisk(directory) if self.stalled else None
        with Store(directory, config, disk=disk) as store:
            receipts = receipts_of(store, count)
            if disk is not None:
                disk.stalled = True
            before = store.stats()
            sample = self._acks(store, receipts, threads, seconds)
            syncs = store.stats().syncs - before.syncs
            if disk is not None:
                disk.stalled = False
        return evolve(sample, syncs_per_second=syncs / sample.seconds)

    def _acks(self, store: Store, receipts: list[str], threads: int, seconds: float) -> Sample:
        if self.batch == 1:
            return timed(shares(receipts, threads), one_by(store), seconds=seconds)
        batches = [receipts[at : at + self.batch] for at in range(0, len(receipts), self.batch)]
        whole = [batch for batch in batches if len(batch) == self.batch]
        work = [iter(whole[first::threads]) for first in range(threads)]
        return timed(work, many_by(store), seconds=seconds).of_batches(self.batch)


def one_by(store: Store) -> Callable[[str], None]:
    """Ack once; it has to succeed."""

    def ack(receipt: str, _ack: Callable[[str], Reply] = store.ack, _ok: Reply = Reply.OK) -> None:
        if _ack(receipt) is not _ok:
            raise AckRefused(f"an ack was not answered OK; the store counts {store.stats().replies}")

    return ack


def many_by(store: Store) -> Callable[[list[str]], None]:
    """Ack a batch; every ack has to succeed."""

    def ack_many(receipts: list[str]) -> None:
        if store.ack_many(receipts).count(Reply.OK) != len(receipts):
            raise AckRefused(f"an ack of a batch was not answered OK; the store counts {store.stats().replies}")

    return ack_many


@frozen
class ToldContender:
    """The store with `config`, and `IN_FLIGHT` acks on their way to the disk at any moment: an ack counts once its
    durable callback has come, and its time is the time until then."""

    name: str
    config: Config
    most: int = 100_000

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory."""
        count = max(min(int(self.most * seconds), MOST_MESSAGES), IN_FLIGHT)
        with Store(directory, evolve(self.config, max_outstanding=count + 1)) as store:
            receipts = receipts_of(store, count)
            slots, times = threading.Semaphore(IN_FLIGHT), list[float]()
            clock = time.perf_counter

            def ack(receipt: str) -> None:
                slots.acquire()
                began = clock()

                def told() -> None:
                    times.append(clock() - began)
                    slots.release()

                if store.ack(receipt, on_durable=told) is not Reply.OK:
                    raise AckRefused(f"an ack was not answered OK; the store counts {store.stats().replies}")

            before = store.stats().syncs
            sample = timed(shares(receipts, threads), ack, seconds=seconds)
            syncs, durable = store.stats().syncs - before, sorted(times)
        p50, p99, p999 = (quantile(durable, share) for share in (0.5, 0.99, 0.999))
        return Sample(
            operations=len(durable),
            seconds=sample.seconds,
            p50=p50,
            p99=p99,
            p999=p999,
            syncs_per_second=syncs / sample.seconds,
        )


@frozen
class WriteLoop:
    """`os.write` of one record after the other to one file: no store, and no answer to lose."""

    name: str = "os.write loop"

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, without a clock in the loop. One thread writes: `ValueError` for more."""
        if threads != 1:
            raise ValueError(f"one thread writes, not {threads}")
        data, write = RECORD, os.write
        fd = os.open(directory / "records", os.O_RDWR | os.O_CREAT, 0o644)
        count = 0
        try:
            start = time.perf_counter()
            until = start + seconds
            while (now := time.perf_counter()) < until:
                for _ in range(5000):
                    write(fd, data)
                count += 5000
        finally:
            os.close(fd)
        mean = (now - start) / count
        return Sample(operations=count, seconds=now - start, p50=mean, p99=mean, p999=mean, syncs_per_second=0.0)


def unflushed(config: Config) -> Config:
    """Return the same without limits on what is not FLUSHED yet: the disk may be as late as it likes."""
    return evolve(config, max_unflushed_records=10**8, max_unflushed_bytes=10**10)


def made_up(count: int) -> list[str]:
    """Receipts that no store gave out, for peers that only keep them."""
    return [receipt_text(QUEUE, offset, 1, 1) for offset in range(count)]
