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
from ackstore.effects import Effect, Failed, Result, Sync, SyncDir, Write
from ackstore.files import RealDisk
from ackstore.flusher import pause

How = Literal["result", "exception", "never"]
WAYS: tuple[How, ...] = ("result", "exception", "never")


class SickDisk(RealDisk):
    """Fails effects of the log of one kind, in one way, while it is `sick`."""

    def __init__(self, path: Path, how: How, kinds: tuple[type[Effect], ...]) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.how = how
        self.kinds = kinds
        self.sick = False
        self.heal = threading.Event()
        self.failed = 0

    def perform(self, effect: Effect) -> Result:
        if self.sick and isinstance(effect, self.kinds):
            self.failed += 1
            if self.how == "result":
                return Failed(errno.EIO)
            if self.how == "exception":
                raise OSError(errno.EIO, "from below")
            self.heal.wait(20.0)
        return super().perform(effect)

    def get_well(self) -> None:
        self.sick = False
        self.heal.set()


def config(mode: Literal["async", "sync"]) -> Config:
    return Config(mode=mode, op_timeout=0.4, sync_timeout=30.0, retry_first=0.01, retry_limit=0.02)


OPERATIONS: dict[str, Callable[[Store, list[str]], Reply | list[Reply]]] = {
    "pop": lambda store, _receipts: store.try_pop("q", 1).reply,
    "ack": lambda store, receipts: store.ack(receipts[0]),
    "ack_many": lambda store, receipts: store.ack_many(receipts),
    "renew": lambda store, receipts: store.renew(receipts[0]),
    "flush": lambda store, _receipts: store.flush(),
}


def well(store: Store, receipts: list[str]) -> None:
    """Whatever failed, the store is as it has to be: nothing is lost or left over."""
    assert store.flush(timeout=30.0) is Reply.OK
    assert set(store.ack_many(receipts, timeout=30.0)) <= {Reply.OK, Reply.SETTLED}
    assert store.flush(timeout=30.0) is Reply.OK
    stats = store.stats()
    assert stats.healthy
    assert (stats.operations, stats.pending_records, stats.unflushed_records, stats.unflushed_bytes) == (0, 0, 0, 0)


@pytest.fixture
def receipts_of() -> Callable[[Store], list[str]]:
    def get(store: Store) -> list[str]:
        store.publish("q", 9)
        popped = cast("list[ackstore.Delivery]", store.try_pop("q", 3, 600.0, timeout=30.0).value)
        receipts = [delivery.receipt for delivery in popped]
        assert store.flush(timeout=30.0) is Reply.OK
        return receipts

    return get


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_with_syncs_that_fail_it_ends_as_unknown(
    tmp_path: Path, operation: str, how: How, receipts_of: Callable[[Store], list[str]]
) -> None:
    """The record is in the page cache, and may yet be FLUSHED: that is neither OK nor FAILED."""
    disk = SickDisk(tmp_path, how, (Sync, SyncDir))
    with Store(tmp_path, config("sync"), disk=disk) as store:
        receipts = receipts_of(store)
        disk.sick = True
        if operation == "flush":
            store.try_pop("q", 1, timeout=0.01)  # something to flush
        reply = OPERATIONS[operation](store, receipts)
        assert reply in (Reply.UNKNOWN, [Reply.UNKNOWN] * 3)
        assert disk.failed
        assert store.stats().operations == 0
        disk.get_well()
        well(store, receipts)


@pytest.mark.parametrize("how", ["result", "exception"])
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "flush"])
def test_with_writes_that_fail_it_ends_as_failed(
    tmp_path: Path, operation: str, how: How, receipts_of: Callable[[Store], list[str]]
) -> None:
    """The record is certainly not stored, and the client is told so."""
    disk = SickDisk(tmp_path, how, (Write,))
    with Store(tmp_path, config("async"), disk=disk) as store:
        receipts = receipts_of(store)
        disk.sick = True
        assert OPERATIONS[operation](store, receipts) in (Reply.FAILED, [Reply.FAILED] * 3)
        disk.get_well()
        well(store, receipts)


@pytest.mark.parametrize("operation", ["pop", "ack", "ack_many"])
def test_a_write_that_never_returns_holds_up_and_then_goes_on(
    tmp_path: Path, operation: str, receipts_of: Callable[[Store], list[str]]
) -> None:
    """The thread that writes is in the kernel: it cannot be called back. What it wrote counts once it returns."""
    disk = SickDisk(tmp_path, "never", (Write,))
    with Store(tmp_path, config("async"), disk=disk) as store:
        receipts = receipts_of(store)
        disk.sick = True
        replies: list[Reply | list[Reply]] = []
        thread = threading.Thread(target=lambda: replies.append(OPERATIONS[operation](store, receipts)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        disk.get_well()
        thread.join(10.0)
        assert replies in ([Reply.OK], [[Reply.OK] * 3])
        well(store, receipts)


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


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kinds", [(Sync,), (Sync, SyncDir)])
def test_closing_on_a_disk_that_fails_takes_no_longer_than_it_may(
    tmp_path: Path, how: How, kinds: tuple[type[Effect], ...]
) -> None:
    disk = SickDisk(tmp_path, how, kinds)
    store = Store(tmp_path, config("async"), disk=disk)
    store.publish("q", 1)
    [only] = store.pop("q", 1)
    disk.sick = True
    store.ack(only.receipt)
    started = time.monotonic()
    assert store.close(timeout=0.2) is Reply.UNKNOWN
    assert time.monotonic() - started < 5.0
    assert store.stats().operations == 0
    with pytest.raises(ackstore.StoreClosed):
        store.ack(only.receipt)
    with Store(tmp_path) as again:  # what was CACHED is still there
        assert again.ack(only.receipt) is Reply.SETTLED
    disk.get_well()


def test_a_callback_that_ends_its_thread_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is no `Exception` is no client's mistake: nobody would call back any more."""

    def leave() -> None:
        raise SystemExit

    store = Store(tmp_path)
    store.publish("q", 2)
    first, second = store.pop("q", 2)
    store.ack(first.receipt, on_durable=leave)
    store.flush()
    until = time.monotonic() + 10.0
    while store.stats().healthy:
        assert time.monotonic() < until
        time.sleep(0.002)
    with pytest.raises(ackstore.StoreBroken):
        store.ack(second.receipt)
    assert store.close() is Reply.UNKNOWN
    assert "broken" in caplog.text


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
