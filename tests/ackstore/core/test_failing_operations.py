"""Every operation, failing in every way: by a result, by an exception, by never completing; and what is left then."""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

import pytest

import ackstore
from ackstore import Config, Reply, Store
from ackstore.core.effects import Create, Effect, Failed, Rename, Result, Sync, SyncDir, Write
from ackstore.core.flusher import pause
from ackstore.runtime import pools
from ackstore.runtime.files import RealDisk

How = Literal["result", "exception", "never"]
LONG = 20.0
"""Seconds: longer than anything takes that does not hang."""
WAYS: tuple[How, ...] = ("result", "exception", "never")


class SickDisk(RealDisk):
    """Fails effects of some kinds, in one way, while it is `sick`."""

    def __init__(self, path: Path, how: How, kinds: tuple[type[Effect], ...]) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.how = how
        self.kinds = kinds
        self.sick = False
        self.heal = threading.Event()
        self.failed = threading.Event()
        """Some effect has failed, or hangs."""

    def perform(self, effect: Effect) -> Result:
        if self.sick and isinstance(effect, self.kinds):
            self.failed.set()
            if self.how == "result":
                return Failed(errno.EIO)
            if self.how == "exception":
                raise OSError(errno.EIO, "from below")
            self.heal.wait(LONG)
        return super().perform(effect)

    def get_well(self) -> None:
        self.sick = False
        self.heal.set()


def flush(store: Store, _receipts: list[str]) -> Reply:
    store.try_pop("q", 1, timeout=0.01)  # something to flush
    return store.flush()


OPERATIONS: dict[str, Callable[[Store, list[str]], Reply | list[Reply]]] = {
    "pop": lambda store, _receipts: store.try_pop("q", 1).reply,
    "ack": lambda store, receipts: store.ack(receipts[0]),
    "ack_many": lambda store, receipts: store.ack_many(receipts),
    "renew": lambda store, receipts: store.renew(receipts[0]),
    "release": lambda store, receipts: store.release(receipts[0]),
    "reset": lambda store, _receipts: store.reset("q", 0),
    "flush": flush,
}

KINDS: dict[str, type[Effect]] = {
    "write": Write,
    "create": Create,
    "sync": Sync,
    "directory": SyncDir,
    "rename": Rename,
}

IN_PLACE = ("write", "create")
"""These are done by the thread that asks: it is told how they went, and hangs where they do."""


def expected(operation: str, kind: str) -> Reply:
    """What is answered, in sync mode, where such an effect fails.

    - What was not written is certainly not stored: FAILED.
    - What was written, and not synced, is in the page cache, and may yet be FLUSHED: neither OK nor FAILED.
    - The offset file is waited for by a reset only.
    - A flush is here one with a merge buffer, so that it writes: what fails is tried again, until its time is up.
    """
    if kind == "rename":
        return Reply.UNKNOWN if operation == "reset" else Reply.OK
    return Reply.FAILED if kind in IN_PLACE and operation != "flush" else Reply.UNKNOWN


def config(operation: str, kind: str) -> Config:
    """Each record goes to a new segment, so that every kind of effect is there. Time is up soon where it has to be."""
    patient = expected(operation, kind) is not Reply.UNKNOWN
    merge = kind in IN_PLACE and operation in ("flush", "close")
    return Config(
        mode="async" if merge else "sync",
        merge=merge,
        merge_stay=600.0,
        segment_bytes=1,
        offset_interval=0.01,
        op_timeout=LONG if patient else 0.1,
        sync_timeout=600.0,
        retry_first=0.01,
        retry_limit=0.02,
        degrade_after=1000,
        max_sync_failures=1001,
    )


def well(store: Store, receipts: list[str]) -> None:
    """Whatever failed, the store is as it has to be: nothing is lost or left over."""
    assert store.flush(timeout=LONG) is Reply.OK
    until = time.monotonic() + LONG
    while Reply.BUSY in (replies := set(store.ack_many(receipts, timeout=LONG))):  # until it has tried again
        assert time.monotonic() < until
        time.sleep(0.005)
    assert replies <= {Reply.OK, Reply.SETTLED, Reply.EXPIRED}
    assert store.flush(timeout=LONG) is Reply.OK
    stats = store.stats()
    assert stats.healthy
    assert (stats.operations, stats.pending_records, stats.unflushed_records, stats.unflushed_bytes) == (0, 0, 0, 0)


def receipts_of(store: Store) -> list[str]:
    """Four deliveries, FLUSHED."""
    store.publish("q", 9)
    popped = cast("list[ackstore.Delivery]", store.try_pop("q", 4, 600.0, timeout=LONG).value)
    assert store.flush(timeout=LONG) is Reply.OK
    return [delivery.receipt for delivery in popped]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_however_an_effect_fails_the_operation_ends_once_and_as_it_must(
    tmp_path: Path, operation: str, kind: str, how: How
) -> None:
    disk = SickDisk(tmp_path, how, (KINDS[kind],))
    reply = expected(operation, kind)
    with Store(tmp_path, config(operation, kind), disk=disk) as store:
        mover, *receipts = receipts_of(store)
        disk.sick = True
        if kind == "rename":
            assert store.ack(mover, timeout=LONG) is Reply.OK  # the offset moves: there is something to rename
        found: list[Reply | list[Reply]] = []
        ask = threading.Thread(target=lambda: found.append(OPERATIONS[operation](store, receipts)))
        ask.start()
        if kind in IN_PLACE and how == "never":
            # The thread is in the kernel, and cannot be called back. What it wrote counts once that returns.
            assert disk.failed.wait(LONG)
            ask.join(0.05)
            assert ask.is_alive()
            disk.get_well()
            reply = Reply.OK
        ask.join(LONG)
        assert found in ([reply], [[reply] * 3])
        assert store.stats().operations == 0
        assert disk.failed.wait(LONG)
        disk.get_well()
        well(store, receipts)


def opened(path: Path) -> Store:
    """The store in a directory that stays locked while the last one is still written to."""
    until = time.monotonic() + LONG
    while True:
        try:
            return Store(path)
        except ackstore.DirectoryInUse:
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_closing_where_an_effect_fails_takes_no_longer_than_it_may(
    tmp_path: Path, kind: str, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "GRACE", 0.2)
    disk = SickDisk(tmp_path, how, (KINDS[kind],))
    store = Store(tmp_path, config("close", kind), disk=disk)
    receipts = receipts_of(store)
    if store.config.merge:
        store.try_pop("q", 1, 600.0)  # only in memory: closing writes it
    else:
        assert store.ack(receipts[0], timeout=LONG) is Reply.OK
    disk.sick = True
    if kind not in ("rename", *IN_PLACE):
        store.ack(receipts[1], timeout=0.01)
    started = time.monotonic()
    assert store.close(timeout=0.2) is Reply.UNKNOWN
    assert time.monotonic() - started < 10.0
    assert disk.failed.is_set()
    with pytest.raises(ackstore.StoreClosed):
        store.ack(receipts[0])
    disk.get_well()
    with opened(tmp_path) as again:
        settled = Reply.OK if store.config.merge else Reply.SETTLED
        assert again.ack(receipts[0]) is settled


def test_a_stalled_disk_is_felt_at_the_limit_and_not_before(tmp_path: Path) -> None:
    """Up to half the limit acks are answered at once; from there they wait for the disk; at the limit they are BUSY.
    None hangs, and the memory does not grow."""
    disk = SickDisk(tmp_path, "never", (Sync, SyncDir))
    limit = 40
    limits = Config(max_unflushed_records=limit, op_timeout=0.02, sync_timeout=600.0, flush_interval=0.01)
    with Store(tmp_path, limits, disk=disk) as store:
        store.publish("q", 100)
        popped = cast("list[ackstore.Delivery]", store.try_pop("q", 100, 600.0, timeout=30.0).value)
        receipts = [delivery.receipt for delivery in popped]
        assert store.flush(timeout=30.0) is Reply.OK
        disk.sick = True
        replies = [store.ack(receipt) for receipt in receipts]
        assert replies == [Reply.OK] * 19 + [Reply.UNKNOWN] * 21 + [Reply.BUSY] * 60
        assert store.stats().unflushed_records == limit
        assert store.ack_many(receipts[40:60]) == [Reply.BUSY] * 20
        assert store.try_pop("q", 1).reply in (Reply.BUSY, Reply.OK)  # there is nothing left to hand out
        disk.get_well()
        assert store.flush(timeout=30.0) is Reply.OK
        assert store.ack_many(receipts[40:], timeout=30.0) == [Reply.OK] * 60
        well(store, receipts)


def pauses(settings: Config, seed: int) -> Iterator[float]:
    source = random.Random(seed)
    return (pause(failures, settings, source) for failures in (*range(1, 40), 10**6))


@pytest.mark.parametrize("seed", range(5))
def test_pauses_grow_to_a_bound_and_not_in_step(seed: int) -> None:
    settings = Config(retry_first=0.05, retry_limit=5.0, retry_jitter=0.2)
    for failures, found in enumerate(pauses(settings, seed), start=1):
        least = min(0.05 * 2 ** (failures - 1), 5.0)
        assert least <= found <= least * 1.2
    assert list(pauses(settings, seed)) != list(pauses(settings, seed + 1))
