"""The store with its threads, on real files; disks that fail are wrappers around a real one."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, Reply, Store
from ackstore.core.effects import Answer, Create, Effect, Failed, Rename, Result, Sync, SyncDir, Write
from ackstore.runtime.files import RealDisk
from ackstore.runtime.threads import Workers
from ackstore.runtime.waiting import Waiter
from ackstore.words.requests import Flush

QUICK = Config(flush_interval=0.01, offset_interval=0.02, retry_first=0.01, retry_limit=0.05)


class Faulty:
    """A real disk with a filter: `before` may raise, return a result instead, or do nothing."""

    def __init__(self, path: Path, before: Callable[[Effect], Result | None]) -> None:
        path.mkdir(exist_ok=True)
        self.disk = RealDisk(path)
        self.before = before
        self.seen: list[Effect] = []

    def perform(self, effect: Effect) -> Result:
        self.seen.append(effect)
        return self.before(effect) or self.disk.perform(effect)

    def close(self) -> None:
        self.disk.close()


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def popped(store: Store, count: int = 1, queue: str = "q") -> list[str]:
    store.publish(queue, 1000)
    return [delivery.receipt for delivery in store.pop(queue, count, 60.0)]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_is_acked_stays_acked(tmp_path: Path, mode: Any) -> None:
    with ackstore.open(tmp_path, config=Config(mode=mode)) as store:
        receipts = popped(store, 5)
        assert store.ack(receipts[0]) is Reply.OK
        assert store.ack_many([*receipts[1:3], "nonsense"]) == [Reply.OK, Reply.OK, Reply.INVALID]
        assert store.flush() is Reply.OK
    with ackstore.open(tmp_path) as store:
        assert store.ack(receipts[1]) is Reply.SETTLED
        assert store.ack(receipts[3]) is Reply.OK
        assert [delivery.offset for delivery in store.pop("q", 9)] == []
        store.publish("q", 6)
        assert [delivery.offset for delivery in store.pop("q", 9)] == [5]


def test_the_timer_flushes_and_persists_without_being_asked(tmp_path: Path) -> None:
    with Store(tmp_path, QUICK) as store:
        (receipt,) = popped(store)
        done = threading.Event()
        assert store.ack(receipt, on_durable=done.set) is Reply.OK
        assert done.wait(5.0)
        wait_for(lambda: not store.stats().offsets_dirty)
        (queue,) = store.stats().queues.values()
        assert (queue.committed, queue.persisted) == (1, 1)
        assert (tmp_path / "offsets").exists()


def test_deadlines_run_by_the_clock(tmp_path: Path) -> None:
    now = [1000.0]
    with Store(tmp_path, QUICK, clock=lambda: now[0]) as store:
        (receipt,) = popped(store)
        now[0] += 60.0
        assert store.ack(receipt) is Reply.EXPIRED
        (again,) = store.pop("q", 1, 5.0)
        assert (again.offset, again.attempt, again.deadline) == (0, 2, 1065.0)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_many_threads(tmp_path: Path, mode: Any) -> None:
    """B13: every operation ends, none by timeout, and every message is settled exactly once."""
    count, threads = 1200, 4
    with Store(tmp_path, Config(mode=mode, flush_interval=0.005, segment_bytes=20_000)) as store:
        store.publish("q", count)
        replies: list[Reply] = []

        def work() -> None:
            mine = []
            while deliveries := store.pop("q", 7, 60.0):
                for delivery in deliveries[:3]:
                    mine.append(store.ack(delivery.receipt))
                mine += store.ack_many([delivery.receipt for delivery in deliveries[3:]])
            replies.extend(mine)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30.0)
        assert replies == [Reply.OK] * count
        assert store.flush() is Reply.OK
        (queue,) = store.stats().queues.values()
        assert (queue.committed, queue.delivered) == (count, 0)
    with Store(tmp_path) as store:
        (queue,) = store.stats().queues.values()
        assert queue.committed == count


def test_callbacks_that_throw_harm_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def bad() -> None:
        raise RuntimeError("from the client")

    with Store(tmp_path, QUICK) as store:
        first, second, third = popped(store, 3)
        done = threading.Event()
        store.ack(first, on_durable=bad)
        store.ack(second, on_durable=done.set)
        assert done.wait(5.0)
        assert store.ack(third) is Reply.OK
        assert store.stats().healthy
    assert "from the client" in caplog.text


def test_callbacks_come_once_and_only_when_durable(tmp_path: Path) -> None:
    calls: list[str] = []
    with Store(tmp_path, Config(flush_interval=60.0)) as store:
        first, second = popped(store, 2)
        store.ack(first, on_durable=lambda: calls.append("first"))
        store.ack("nonsense", on_durable=lambda: calls.append("nonsense"))
        time.sleep(0.05)
        assert calls == []
        store.flush()
        wait_for(lambda: calls == ["first"])
        store.ack(second, on_durable=lambda: calls.append("second"))
    assert calls == ["first", "second"]  # closing makes it durable


def test_closing_from_a_callback(tmp_path: Path) -> None:
    store = Store(tmp_path, QUICK)
    (receipt,) = popped(store)
    replies: list[Reply] = []
    store.ack(receipt, on_durable=lambda: replies.append(store.close()))
    wait_for(lambda: replies)
    assert replies == [Reply.OK] == [store.close()]


class TestFailures:
    def test_a_failed_sync(self, tmp_path: Path) -> None:
        results: list[Result] = []

        def before(effect: Effect) -> Result | None:
            of_log = isinstance(effect, Sync) and effect.file.startswith("log-")
            return results.pop() if of_log and results else None

        disk = Faulty(tmp_path, before)
        with Store(tmp_path, Config(mode="sync", retry_first=0.01), disk=disk) as store:
            (receipt,) = popped(store)
            results += [Failed(errno.EIO)] * 2
            assert store.ack(receipt) is Reply.OK
            assert store.stats().sync_failures == 2
        created = [effect.file for effect in disk.seen if isinstance(effect, Create)]
        assert created[:3] == [f"log-{number:08d}.seg" for number in (1, 2, 3)]

    def test_an_exception_instead_of_a_result(self, tmp_path: Path) -> None:
        """Failure comes as a result or as an `OSError`: both are failures."""
        errors: list[OSError] = []

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Write) and errors:
                raise errors.pop()
            return None

        with Store(tmp_path, QUICK, disk=Faulty(tmp_path, before)) as store:
            (receipt,) = popped(store)
            errors.append(OSError(errno.ENOSPC, "full"))
            assert store.ack(receipt) is Reply.FAILED
            errors.append(OSError("without a number"))
            assert store.ack(receipt) is Reply.FAILED
            assert store.ack(receipt) is Reply.OK

    def test_no_space(self, tmp_path: Path) -> None:
        full = threading.Event()

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Write) and full.is_set():
                return Failed(errno.ENOSPC)
            return None

        with Store(tmp_path, QUICK, disk=Faulty(tmp_path, before)) as store:
            first, second = popped(store, 2)
            full.set()
            assert store.ack(first) is Reply.FAILED
            assert store.ack_many([first, second]) == [Reply.FAILED] * 2
            answer = store.try_pop("q", 1)
            assert (answer.reply, answer.value) == (Reply.FAILED, ())
            assert store.pop("q", 1) == []
            full.clear()
            assert store.ack_many([first, second]) == [Reply.OK] * 2

    def test_a_sync_that_hangs(self, tmp_path: Path) -> None:
        hang, hanging = threading.Event(), threading.Event()

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Sync) and hanging.is_set():
                hanging.clear()
                hang.wait(20.0)
            return None

        config = Config(mode="sync", sync_timeout=0.5, retry_first=0.01)
        with Store(tmp_path, config, disk=Faulty(tmp_path, before)) as store:
            first, second = popped(store, 2)
            hanging.set()
            assert store.ack(first) is Reply.OK  # by way of another thread and another file
            assert store.stats().sync_timeouts >= 1
            hang.set()
            assert store.ack(second) is Reply.OK

    def test_time_runs_out(self, tmp_path: Path) -> None:
        hang = threading.Event()

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Sync):
                hang.wait(20.0)
            return None

        config = Config(mode="sync")
        store = Store(tmp_path, config, disk=Faulty(tmp_path, before))
        store.publish("q", 5)
        started = time.monotonic()
        assert store.try_pop("q", 1, timeout=0.05).reply is Reply.UNKNOWN
        assert store.flush(timeout=0.05) is Reply.UNKNOWN
        waiting: list[Reply] = []
        thread = threading.Thread(target=lambda: waiting.append(store.flush(timeout=30.0)))
        thread.start()
        wait_for(lambda: store.stats().operations == 1)
        assert store.close(timeout=0.1) is Reply.UNKNOWN
        thread.join(5.0)
        assert waiting == [Reply.UNKNOWN]
        assert time.monotonic() - started < 5.0
        with Store(tmp_path) as again:  # only a sync hangs: the directory is free
            assert again.stats().healthy
        hang.set()

    def test_closing_while_a_rename_hangs_keeps_the_directory(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        hang, renaming = threading.Event(), threading.Event()

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Rename):
                renaming.set()
                hang.wait(20.0)
            return None

        store = Store(tmp_path, QUICK, disk=Faulty(tmp_path, before))
        (receipt,) = popped(store)
        store.ack(receipt)
        assert renaming.wait(5.0)
        assert store.close(timeout=0.05) is Reply.UNKNOWN
        with pytest.raises(ackstore.DirectoryInUse):
            Store(tmp_path)
        assert "stays locked" in caplog.text
        hang.set()

    @pytest.mark.parametrize("where", [Sync, SyncDir, Write])
    def test_a_thread_that_dies_is_noticed(
        self, tmp_path: Path, where: type[Effect], caplog: pytest.LogCaptureFixture
    ) -> None:
        """B16: the process lives, and nobody syncs any more."""
        armed = threading.Event()

        def before(effect: Effect) -> Result | None:
            if armed.is_set() and isinstance(effect, where):
                raise RuntimeError("unforeseen")
            return None

        store = Store(tmp_path, Config(mode="sync", segment_bytes=1), disk=Faulty(tmp_path, before))
        first, second = popped(store, 2)
        armed.set()
        if where is Write:
            with pytest.raises(ackstore.StoreBroken):
                store.ack(first)
        else:
            assert store.ack(first) is Reply.UNKNOWN
        assert not store.stats().healthy
        with pytest.raises(ackstore.StoreBroken, match="open it again") as caught:
            store.ack(second)
        assert "unforeseen" in repr(caught.value.__cause__)
        assert store.close() is Reply.UNKNOWN
        assert "broken" in caplog.text
        with Store(tmp_path) as again:
            assert again.ack(second) is Reply.OK

    def test_a_timer_that_dies_is_noticed(self, tmp_path: Path) -> None:
        class Bad(ackstore.Core):
            dead = False

            def tick(self, now: float) -> None:
                if Bad.dead:
                    raise RuntimeError("unforeseen")
                super().tick(now)

        store = Store(tmp_path, Config(mode="sync", flush_interval=0.01), core_class=Bad)
        (receipt,) = popped(store)
        Bad.dead = True
        store.ack(receipt)
        wait_for(lambda: not store.stats().healthy)
        assert store.close() is Reply.UNKNOWN

    def test_a_waiting_thread_that_meets_the_unforeseen(self, tmp_path: Path) -> None:
        class Bad(ackstore.Core):
            dead = False

            def tick(self, now: float) -> None:
                if not Bad.dead:  # so that it is the waiting thread that ends the operation
                    super().tick(now)

            def give_up(self, op: int) -> None:
                raise RuntimeError("unforeseen")

        hang = threading.Event()

        def before(effect: Effect) -> Result | None:
            if isinstance(effect, Sync):
                hang.wait(20.0)
            return None

        store = Store(tmp_path, Config(mode="sync"), disk=Faulty(tmp_path, before), core_class=Bad)
        store.publish("q", 1)
        Bad.dead = True
        assert store.try_pop("q", 1, timeout=0.05).reply is Reply.UNKNOWN
        assert not store.stats().healthy
        hang.set()
        store.close()

    def test_broken_while_it_waited_for_the_lock(self, tmp_path: Path) -> None:
        """What broke it first is what is told; who waits is told UNKNOWN, and asks the core for nothing more."""
        store = Store(tmp_path)
        store._driver.break_off(RuntimeError("first"))
        store._driver.break_off(RuntimeError("second"))
        assert store._driver._wait(7, Waiter(Flush()), time.monotonic()).reply is Reply.UNKNOWN
        with pytest.raises(ackstore.StoreBroken) as caught:
            store.flush()
        assert "first" in repr(caught.value.__cause__)
        store.close()

    def test_a_core_that_cannot_start_leaves_the_directory_free(self, tmp_path: Path) -> None:
        class Bad(ackstore.Core):
            def __init__(self, *args: Any) -> None:
                raise RuntimeError("unforeseen")

        with pytest.raises(RuntimeError):
            Store(tmp_path, core_class=Bad)
        Store(tmp_path).close()


def test_an_answer_that_a_core_forgets_is_unknown_in_time(tmp_path: Path) -> None:
    """No client depends on the core for its answer: a core that is wrong hangs nobody, and nothing is kept."""

    class Silent(ackstore.Core):
        def take(self) -> None:
            """Forget every answer."""
            self.effects[:] = [(io, effect) for io, effect in self.effects if not isinstance(effect, Answer)]

        def submit(self, *arguments: Any) -> None:
            super().submit(*arguments)
            self.take()

        def give_up(self, op: int) -> None:
            super().give_up(op)
            self.take()

    with Store(tmp_path, Config(op_timeout=0.05), core_class=Silent) as store:
        store.publish("q", 1)
        assert store.ack_many(["one", "other"]) == [Reply.UNKNOWN] * 2
        assert store._driver._waiting.by_op == {}
        store.close(timeout=0.05)  # its answer is forgotten too


def test_workers_start_a_thread_only_when_all_are_at_work() -> None:
    go_on = threading.Event()

    def work(_job: int) -> None:
        go_on.wait(5.0)

    workers = Workers(work, limit=2, died=print)
    for job in range(3):
        workers.put(job)
    assert len(workers.stop(0.05)) == 2
    go_on.set()


def test_closing_with_a_full_merge_buffer_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """Handing over is linear in what is held: quadratic, these messages took half a minute, under the store's lock."""
    config = Config(merge=True, merge_stay=600.0, max_batch=20_000)
    store = Store(tmp_path, config)
    popped_many(store, 1)
    store.flush()  # something has been synced: from here on the buffer holds
    assert len(popped_many(store, 20_000)) == 20_000
    assert store.stats().merging == 20_000
    assert store.close(timeout=10.0) is Reply.OK
    assert store.stats().merging == 0


def popped_many(store: Store, count: int) -> list[str]:
    store.publish("q", 20_001)
    return [delivery.receipt for delivery in store.pop("q", count, 600.0)]


def test_an_unclean_end_of_a_with_block_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody hears what `close` answers there."""
    with Store(tmp_path) as store:
        popped(store)
    assert "unclean" not in [vars(record).get("event") for record in caplog.records]

    def before(effect: Effect) -> Result | None:
        return Failed(errno.EIO) if isinstance(effect, Sync) else None

    with Store(tmp_path, disk=Faulty(tmp_path, before)) as store:
        store.close(timeout=0.05)
    [record] = [record for record in caplog.records if vars(record).get("event") == "unclean"]
    assert (vars(record)["reply"], vars(record)["store"]) == ("UNKNOWN", str(tmp_path))
