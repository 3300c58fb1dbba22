"""A write that hangs keeps the thread that is in it, and nobody else: every other call comes back in time.

The writes here hang until they are let go, and everything that must not hang is given a small part of that time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen

import ackstore
from ackstore import Config, Reply, Stats, Store
from ackstore.core.effects import Answer, Create, Effect, Failed, Rename, Result, Sync, Unlink, Write
from ackstore.fastpath import COMPILED, calls
from ackstore.runtime import lock, pools
from ackstore.runtime.waiting import Waiter
from ackstore.words.requests import Flush
from disks import HangingDisk
from locked import locked_elsewhere

SOON = 10.0
"""Seconds: nothing that hangs has come back by then, and nothing else takes as long."""

OPERATIONS: dict[str, Callable[[Store, list[str]], Any]] = {
    "ack": lambda store, receipts: store.ack(receipts[1]),
    "ack of a callback": lambda store, receipts: store.ack(receipts[1], on_durable=print),
    "ack_many": lambda store, receipts: store.ack_many(receipts[1:]),
    "pop": lambda store, _receipts: store.try_pop("q").reply,
    "renew": lambda store, receipts: store.renew(receipts[1]),
    "release": lambda store, receipts: store.release(receipts[1]),
    "reset": lambda store, _receipts: store.reset("q", 0),
    "flush": lambda store, _receipts: store.flush(),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody need wait for a whole second to see what happens then."""
    monkeypatch.setattr(pools, "GRACE", 0.2)
    monkeypatch.setattr(lock, "STALLED", 0.2)


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


@frozen
class Hung:
    """A store with a thread in a write that hangs, and receipts the first of which that thread acks."""

    store: Store
    disk: HangingDisk
    receipts: list[str]
    thread: threading.Thread
    replies: list[Reply] = field(factory=list)

    def let_go(self) -> Reply:
        """What the thread is told in the end."""
        self.disk.go_on.set()
        self.thread.join(SOON)
        [reply] = self.replies
        return reply


def hung_in(path: Path, kind: type[Effect], **settings: Any) -> Hung:
    disk = HangingDisk(path, kind)
    store = Store(path, Config(segment_bytes=1, op_timeout=0.3, **settings), disk=disk)
    store.publish("q", 9)
    popped: Any = store.try_pop("q", 3, 600.0, timeout=30.0).value
    receipts = [each.receipt for each in popped]
    assert store.flush(timeout=30.0) is Reply.OK
    disk.go_on.clear()
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(store.ack(receipts[0], timeout=30.0)))
    thread.start()
    assert disk.hangs.wait(SOON)
    return Hung(store, disk, receipts, thread, replies)


@pytest.fixture(params=[Write, Create], ids=["write", "create"])
def hung(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hung]:
    found = hung_in(tmp_path, request.param)
    yield found
    found.let_go()
    found.store.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whoever_cannot_even_ask_is_told_that_it_is_busy(hung: Hung, operation: str) -> None:
    """BUSY is no lie: what was refused was not done, and can be done later."""
    store, receipts = hung.store, hung.receipts
    ask = OPERATIONS[operation]
    with in_time():
        found = ask(store, receipts)
    assert found in (Reply.BUSY, [Reply.BUSY] * 2)
    assert hung.let_go() is Reply.OK
    assert store.flush(timeout=30.0) is Reply.OK
    stats = store.stats()
    [queue] = stats.queues.values()
    assert (queue.next_new, queue.delivered, queue.floor) == (3, 2, 1), "it was done all the same"
    assert stats.replies[Reply.BUSY] == (2 if operation == "ack_many" else 1)
    assert (stats.operations, stats.effects, stats.callbacks, stats.stalled, stats.age) == (0, 0, 0, 0.0, 0.0)
    assert set(store.ack_many(receipts[1:], timeout=30.0)) == {Reply.OK}


def test_what_can_only_raise_says_so(hung: Hung) -> None:
    for call in (lambda: hung.store.publish("q", 20), lambda: hung.store.dead("q")):
        with in_time(), pytest.raises(ackstore.StoreStalled, match="see to the disk"):
            call()
    hung.let_go()
    assert [queue.end for queue in hung.store.stats().queues.values()] == [9]
    assert hung.store.dead("q") == []


def test_whoever_waits_is_told_when_time_is_up(tmp_path: Path) -> None:
    """Its record is written and not FLUSHED: that is UNKNOWN, of each item, and the store goes on with it."""
    disk = HangingDisk(tmp_path, Sync)
    with Store(tmp_path, Config(mode="sync", op_timeout=30.0, sync_timeout=600.0), disk=disk) as store:
        store.publish("q", 9)
        receipts = [each.receipt for each in store.pop("q", 4, 600.0)]
        store.flush()
        disk.go_on.clear()
        told: list[list[Reply]] = []
        first = threading.Thread(target=lambda: told.append(store.ack_many(receipts[:2], timeout=2.0)))
        first.start()
        assert disk.hangs.wait(SOON)
        disk.kinds = (Sync, Write)
        disk.hangs.clear()
        second = threading.Thread(target=store.ack, args=(receipts[2],))
        second.start()
        assert disk.hangs.wait(SOON)
        with in_time():
            first.join(SOON)
        assert told == [[Reply.UNKNOWN] * 2]
        disk.go_on.set()
        second.join(SOON)
        assert store.flush() is Reply.OK
        assert store.ack_many(receipts[:3]) == [Reply.SETTLED] * 3
        assert store.stats().operations == 0


@pytest.mark.parametrize("logs", [1, 2])
def test_whoever_gives_up_ends_the_operation(tmp_path: Path, logs: int) -> None:
    """No clock of the core's has to run for it."""
    disk = HangingDisk(tmp_path, Sync)
    disk.go_on.clear()
    with Store(tmp_path, Config(logs=logs, mode="sync"), disk=disk, clock=lambda: 1000.0) as store:
        store.publish("q", 2)
        assert store.try_pop("q", timeout=0.05).reply is Reply.UNKNOWN
        assert store.flush(timeout=0.05) is Reply.UNKNOWN
        assert store.stats().operations == 0
        disk.go_on.set()
        assert store.flush() is Reply.OK


def test_an_answer_that_is_just_being_told_is_waited_for(tmp_path: Path) -> None:
    """Time is up, a write holds the lock, and somebody has taken the waiter from the table, but not told it yet."""
    answer = Answer(7, Reply.OK)
    with Store(tmp_path) as store, locked_elsewhere(store):
        for late, found in ((0.0, answer), (60.0, Answer(0, Reply.UNKNOWN))):
            waiter = Waiter(Flush())
            teller = threading.Timer(late, waiter.tell, (answer,))
            teller.start()
            with in_time():
                assert store._driver._wait(7, waiter, time.monotonic()) == found
            teller.cancel()


class TestStats:
    def test_they_tell_that_the_store_hangs_and_since_when(self, hung: Hung, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "ackstore")
        with in_time():
            first = hung.store.stats()
            time.sleep(0.1)
            second = hung.store.stats()
        assert lock.STALLED <= first.stalled < second.stalled
        assert lock.STALLED <= first.age < second.age
        assert second.healthy

        def told(event: str) -> list[Any]:
            return [record for record in caplog.records if vars(record).get("event") == event]

        wait_for(lambda: len(told("stalled")) - len(told("resumed")) == 1)  # once, however often it is asked
        hung.let_go()
        after = hung.store.stats()
        assert (after.stalled, after.age) == (0.0, 0.0)
        hung.store.close()
        assert len(told("stalled")) == len(told("resumed"))
        assert max(vars(record)["seconds"] for record in told("resumed")) >= second.stalled

    def test_they_are_those_seen_last(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            store.publish("q", 9)
            seen = store.stats()
            store.publish("q", 10)
            with locked_elsewhere(store):  # as if in a write
                found = store.stats()
            assert evolve(found, stalled=0.0, age=0.0, resident_bytes=seen.resident_bytes) == seen
            assert [queue.end for queue in store.stats().queues.values()] == [10]

    def test_the_timer_tells_too(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Nobody asks the store anything, and still it is logged."""
        hung = hung_in(tmp_path, Write, flush_interval=0.01)
        hung.store._driver.wake.notify()
        wait_for(lambda: any(vars(record).get("event") == "stalled" for record in caplog.records))
        hung.let_go()
        hung.store.close()


class TestClosing:
    def test_it_comes_back_and_the_directory_stays_locked_until_the_write_does(
        self, hung: Hung, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "ackstore")
        store, path = hung.store, hung.store.path
        with in_time():
            assert store.close(timeout=0.2) is Reply.UNKNOWN
            assert store.close(timeout=0.2) is Reply.UNKNOWN
        with pytest.raises(ackstore.StoreClosed):
            store.ack(hung.receipts[1])
        with pytest.raises(ackstore.DirectoryInUse):
            Store(path)
        assert "stays locked: ['a write']" in caplog.text
        time.sleep(2 * pools.GRACE)  # it goes on looking
        with pytest.raises(ackstore.DirectoryInUse):
            Store(path)
        assert hung.let_go() in (Reply.OK, Reply.UNKNOWN)
        wait_for(lambda: any(vars(record).get("event") == "unlocked" for record in caplog.records))
        with Store(path) as again:
            wrote = hung.replies == [Reply.OK]
            assert again.ack(hung.receipts[0]) is (Reply.SETTLED if wrote else Reply.OK)
            assert again.ack(hung.receipts[1]) is Reply.OK

    def test_the_write_is_the_last(self, tmp_path: Path) -> None:
        """What hangs was the creation of a file: closed meanwhile, the store does not write to it."""
        hung = hung_in(tmp_path, Create)
        assert hung.store.close(timeout=0.1) is Reply.UNKNOWN
        assert hung.let_go() is Reply.UNKNOWN
        assert min(path.stat().st_size for path in tmp_path.glob("log-*")) == 0

    def test_those_who_wait_are_told(self, tmp_path: Path) -> None:
        disk = HangingDisk(tmp_path, Sync)
        store = Store(tmp_path, Config(mode="sync", sync_timeout=600.0), disk=disk)
        store.publish("q", 2)
        [receipt, other] = [each.receipt for each in store.pop("q", 2, 600.0)]
        disk.go_on.clear()
        told: list[Reply] = []
        waits = threading.Thread(target=lambda: told.append(store.ack(receipt, timeout=50.0)))
        waits.start()
        assert disk.hangs.wait(SOON)
        disk.kinds = (Sync, Write)
        disk.hangs.clear()
        writes = threading.Thread(target=lambda: told.append(store.ack(other, timeout=50.0)))
        writes.start()
        assert disk.hangs.wait(SOON)
        with in_time():
            assert store.close(timeout=0.1) is Reply.UNKNOWN
            waits.join(SOON)
            assert told == [Reply.UNKNOWN]
        disk.go_on.set()
        with in_time():
            writes.join(SOON)
        assert told == [Reply.UNKNOWN] * 2

    def test_whoever_closes_does_not_write(self, tmp_path: Path) -> None:
        """Closing hands over what is only in memory, and that write may hang: it is another thread's."""
        disk = HangingDisk(tmp_path, Write)
        store = Store(tmp_path, Config(merge=True, merge_stay=600.0), disk=disk)
        store.publish("q", 2)
        store.pop("q")
        store.flush()  # from here on the merge buffer holds
        store.pop("q")
        disk.go_on.clear()
        with in_time():
            assert store.close(timeout=0.2) is Reply.UNKNOWN
        assert disk.hangs.is_set()
        disk.go_on.set()

    def test_two_who_close_wait_each_for_as_long_as_they_said(self, tmp_path: Path) -> None:
        disk = HangingDisk(tmp_path, Sync)
        store = Store(tmp_path, Config(mode="sync"), disk=disk)
        disk.go_on.clear()
        store.publish("q", 1)
        store.try_pop("q", timeout=0.01)
        patient = threading.Thread(target=store.close, args=(50.0,))
        patient.start()
        assert disk.hangs.wait(SOON)
        wait_for(lambda: store._driver.core.closing is not None)
        with in_time():
            assert store.close(timeout=0.1) is Reply.UNKNOWN
        assert patient.is_alive()
        disk.go_on.set()
        patient.join(SOON)
        assert store.close() is Reply.OK


@pytest.mark.skipif(not COMPILED, reason="the fast path is not compiled: it needs a C compiler")
def test_the_compiled_path_waits_no_longer(tmp_path: Path) -> None:
    with Store(tmp_path, Config(op_timeout=0.2)) as store:
        store.publish("q", 2)
        receipts = [each.receipt for each in store.pop("q", 2)]
        with locked_elsewhere(store), in_time():  # as if in a write
            assert calls.ack(store._driver, receipts[0]) is None
            assert calls.ack_many(store._driver, receipts) is None
            assert store.ack(receipts[0]) is Reply.BUSY
            assert store.ack_many(receipts) == [Reply.BUSY] * 2
        assert store.ack_many(receipts) == [Reply.OK] * 2


def test_an_error_is_noted_though_a_write_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever breaks the store needs no lock for it."""
    hung = hung_in(tmp_path, Write)

    def unforeseen(*_: object) -> None:
        raise ArithmeticError("unforeseen")

    monkeypatch.setattr(calls, "ack", unforeseen)
    monkeypatch.setattr(calls, "ack_many", unforeseen)
    with in_time(), pytest.raises(ackstore.StoreBroken):
        hung.store.ack(hung.receipts[1])
    with in_time(), pytest.raises(ackstore.StoreBroken):
        hung.store.ack_many(hung.receipts)
    assert hung.let_go() in (Reply.OK, Reply.UNKNOWN)
    assert hung.store.close() is Reply.UNKNOWN


class TestRemovals:
    """Files are removed by a thread that nobody waits for."""

    def rewritten(self, path: Path, how: Any) -> tuple[Store, Removing, list[str]]:
        disk = Removing(path, how)
        store = Store(path, Config(retry_first=0.01, segment_bytes=1, flush_threads=1), disk=disk)
        store.publish("q", 9)
        assert store.flush() is Reply.OK
        disk.fail_syncs = 1  # what its segment holds is written again, and it goes
        receipts = [each.receipt for each in store.pop("q", 3, 600.0)]
        assert store.flush() is Reply.OK
        assert disk.asked.wait(SOON)
        return store, disk, receipts

    @pytest.mark.parametrize("how", ["result", "exception"])
    def test_that_fails_only_takes_space(self, tmp_path: Path, how: str) -> None:
        store, _disk, receipts = self.rewritten(tmp_path, how)
        assert store.ack_many(receipts) == [Reply.OK] * 3
        assert store.flush() is Reply.OK
        assert store.close() is Reply.OK
        with Store(tmp_path) as again:
            assert again.ack_many(receipts) == [Reply.SETTLED] * 3

    def test_that_hangs_is_felt_by_nobody(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        store, disk, receipts = self.rewritten(tmp_path, "never")
        with in_time():
            assert store.ack(receipts[0]) is Reply.OK
            assert store.ack_many(receipts[1:]) == [Reply.OK] * 2
            assert store.renew(store.pop("q")[0].receipt) is Reply.OK
            assert store.release(store.pop("q")[0].receipt) is Reply.OK
            assert store.flush() is Reply.OK
            assert store.reset("q", 1) is Reply.OK
            assert store.stats().stalled == 0.0
            assert store.close() is Reply.OK
        with pytest.raises(ackstore.DirectoryInUse):  # a file may yet go
            Store(tmp_path)
        assert "Unlink" in caplog.text
        disk.go_on.set()
        assert disk.gone.wait(SOON)


class Removing(HangingDisk):
    """Some syncs fail, and files are removed in some way, or not."""

    def __init__(self, path: Path, how: str) -> None:
        super().__init__(path, Unlink)
        self.how = how
        self.fail_syncs = 0
        self.asked, self.gone = threading.Event(), threading.Event()
        if how == "never":
            self.go_on.clear()

    def perform(self, effect: Effect) -> Result:
        if isinstance(effect, Sync) and self.fail_syncs:
            self.fail_syncs -= 1
            return Failed(5)
        if not isinstance(effect, Unlink):
            return super().perform(effect)
        self.asked.set()
        if self.how == "result":
            return Failed(5)
        if self.how == "exception":
            raise OSError(5, "from below")
        result = super().perform(effect)
        self.gone.set()
        return result


def test_a_rename_that_hangs_is_felt_by_a_reset_only(tmp_path: Path) -> None:
    disk = HangingDisk(tmp_path, Rename)
    store = Store(tmp_path, Config(offset_interval=0.01), disk=disk)
    store.publish("q", 9)
    receipts = [each.receipt for each in store.pop("q", 3, 600.0)]
    disk.go_on.clear()
    with in_time():
        assert store.ack_many(receipts) == [Reply.OK] * 3
        assert disk.hangs.wait(SOON)
        assert store.flush() is Reply.OK
        assert store.reset("q", 1, timeout=0.1) is Reply.UNKNOWN
        assert isinstance(store.stats(), Stats)
        assert store.close(timeout=0.1) is Reply.UNKNOWN
    disk.go_on.set()
