"""What the store's outside hands on and says, step by step: figures, clocks, times to wait, log lines and writes.

With a whole store around it, one of these that is wrong is often made good by another.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import evolve

from ackstore import Config, Reply, Stats, Store, StoreClosed, StoreStalled
from ackstore.core.effects import DONE, Answer, Create, Sync
from ackstore.fastpath import calls, clock
from ackstore.runtime import files, memory, refusals, sight, snapshots
from ackstore.runtime.driver import Driver
from ackstore.runtime.files import RealDisk
from ackstore.runtime.lock import STALLED, StoreLock
from ackstore.runtime.logs import stall_notice
from ackstore.runtime.sight import Beside, Sight
from ackstore.runtime.waiting import Waiting
from ackstore.words.requests import AckMany, Flush

# What is seen of it


class Core:
    """Knows figures, and notes how it was asked for them."""

    def __init__(self, stats: Stats) -> None:
        self.now = 0.0
        self.found = stats
        self.asked: list[tuple[bool, float]] = []

    def stats(self, *, count: bool) -> Stats:
        self.asked.append((count, self.now))
        return self.found


class Lock:
    """Lets nobody in; this thread may have it, and the one that has it may hang for a time."""

    def __init__(self, stalled: float, owned: bool) -> None:
        self.found, self.mine = stalled, owned
        self.waited: list[float] = []

    def run(self, timeout: float, *_given: Any, **_named: Any) -> bool:
        self.waited.append(timeout)
        return False

    def owned(self) -> bool:
        return self.mine

    def stalled(self) -> float:
        return self.found


def sight_of(core: Core, beside: Beside, lock: Any = None) -> Sight:
    return Sight(cast(Any, core), lock or StoreLock(lambda _event, _seconds: None), lambda: 7.0, lambda: beside)


@pytest.fixture
def stats(tmp_path: Path) -> Stats:
    with Store(tmp_path / "store") as store:
        return store.stats()


@pytest.mark.parametrize("count", [True, False])
@pytest.mark.parametrize("healthy", [True, False])
def test_figures_are_the_cores_and_what_is_beside_it(
    monkeypatch: pytest.MonkeyPatch, stats: Stats, count: bool, healthy: bool
) -> None:
    monkeypatch.setattr(sight, "resident_bytes", lambda: 4711)
    stats = evolve(stats, replies={**stats.replies, Reply.BUSY: 2})
    core = Core(stats)
    found = sight_of(core, Beside(healthy=healthy, callbacks=5, refused=3)).stats(count=count)
    assert (found.healthy, found.resident_bytes, found.callbacks) == (healthy, 4711, 5)
    assert found.replies == {**stats.replies, Reply.BUSY: 5}
    assert (found.age, found.stalled) == (0.0, 0.0)
    assert core.asked == [(count, 7.0 if healthy else 0.0)]  # a broken store's time stands still


@pytest.mark.parametrize(("stalled", "owned", "shown"), [(2.5, False, 2.5), (0.0, False, STALLED), (2.5, True, 0.0)])
def test_where_nobody_is_let_in_it_is_what_was_seen_last(
    monkeypatch: pytest.MonkeyPatch, stats: Stats, stalled: float, owned: bool, shown: float
) -> None:
    memories, times = iter([1, 2]), iter([100.0, 103.5])
    monkeypatch.setattr(sight, "resident_bytes", lambda: next(memories))
    monkeypatch.setattr(sight, "time", SimpleNamespace(monotonic=lambda: next(times)))  # for nobody else
    core, lock = Core(stats), Lock(stalled, owned)
    seeing = sight_of(core, Beside(healthy=False, callbacks=5, refused=3), lock)
    assert seeing.look().resident_bytes == 1
    found = seeing.stats(count=False)
    monkeypatch.undo()
    assert (found.age, found.stalled, found.resident_bytes, found.healthy) == (3.5, shown, 2, False)
    assert found.callbacks == 5
    assert lock.waited == [STALLED]
    assert core.asked == [(True, 0.0)]


def test_memory_is_the_second_figure_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "statm").write_text("1000 70 30 1 0 5 0\n")
    monkeypatch.setattr(memory, "_STATM", tmp_path / "statm")
    assert memory.resident_bytes() == 70 * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "statm").unlink()
    assert memory.resident_bytes() == 0


def test_the_clock_goes_on_while_the_machine_sleeps_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "Clock", lambda ahead, source: (ahead, source))
    system = SimpleNamespace(
        time=lambda: 0.5, clock_gettime=lambda source: 100.0 + source, CLOCK_BOOTTIME=7, CLOCK_MONOTONIC=1
    )
    monkeypatch.setattr(clock, "time", system)
    assert cast(Any, clock.wall_clock()) == (0.5 - 107.0, 7)
    assert cast(Any, clock.wall_clock(9.0)) == (9.0 - 107.0, 7)
    del system.CLOCK_BOOTTIME
    assert cast(Any, clock.wall_clock()) == (0.5 - 101.0, 1)


# The driver


class Noted(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    noted = Noted()
    log = logging.getLogger("ackstore")
    monkeypatch.setattr(log, "handlers", [noted])
    before = log.level
    log.setLevel(logging.INFO)
    yield noted.lines
    log.setLevel(before)


def test_a_directory_that_stays_locked_is_told_and_that_it_is_free_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[logging.LogRecord]
) -> None:
    store = Store(tmp_path)
    driver, stop = store._driver, Driver._stop
    stops = iter([["a write"], ["a write"], []])

    def stopping() -> Any:
        return next(stops) or stop(driver)

    monkeypatch.setattr(driver, "_stop", stopping)
    assert store.close() is Reply.OK
    for thread in threading.enumerate():
        if thread.name == "ackstore-leaving":
            assert thread.daemon
            thread.join()
    found = [line for line in lines if getattr(line, "event", "") in ("locked", "unlocked")]
    assert [(line.levelname, line.getMessage()) for line in found] == [
        ("ERROR", f"{tmp_path} stays locked: ['a write'] is still going on"),
        ("INFO", f"{tmp_path} is free"),
    ]
    assert [vars(line)["store"] for line in found] == [str(tmp_path)] * 2
    assert next(stops, None) is None


def test_what_broke_a_store_is_told_once(tmp_path: Path, lines: list[logging.LogRecord]) -> None:
    store = Store(tmp_path)
    error = KeyError("nobody foresaw")
    store._driver.break_off(error)
    store._driver.break_off(ValueError("what came of it"))
    store.close()
    [found] = [line for line in lines if getattr(line, "event", "") == "broken"]
    assert (found.levelname, found.getMessage()) == ("CRITICAL", f"the store at {tmp_path} is broken")
    assert found.exc_info is not None
    assert found.exc_info[1] is error


def test_a_callback_is_kept_for_as_long_as_its_ack_may_become_durable(tmp_path: Path) -> None:
    """And most answers have none."""
    with Store(tmp_path) as store:
        driver = store._driver

        def answers() -> list[int]:
            driver._callbacks.update(dict.fromkeys((10**6, 10**6 + 1), lambda: None))
            for op, reply in ((10**6, Reply.BUSY), (10**6 + 1, Reply.OK), (10**6 + 2, Reply.BUSY)):
                driver._deliver(Answer(op, reply))
            left = [*driver._callbacks]
            driver._callbacks.clear()
            return left

        assert driver.lock.run(60.0, answers) == [10**6 + 1]


def test_a_write_that_hangs_is_told_with_the_stores_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        told: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(store._driver._pools, "tell", told.append)
            store._driver._stalls("stalled", 1.25)
        assert [tell.__self__ for tell in told] == [stall_notice(str(tmp_path), "stalled", 1.25)]


def test_an_open_that_fails_closes_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = list[str]()
    monkeypatch.setattr(RealDisk, "close", lambda _self: closed.append("closed"))
    monkeypatch.setattr(Driver, "_make_ready", lambda _self: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        Store(tmp_path)
    assert closed == ["closed"]


def test_a_child_names_the_process_that_has_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    driver = store._driver
    driver.leave_behind()
    assert str(driver.broken) == str(refusals.left_behind(tmp_path, os.getpid()))
    assert driver.paths == ()
    assert store.close() is Reply.UNKNOWN
    driver.let_go()


def test_it_says_for_how_long_nobody_was_let_in(tmp_path: Path) -> None:
    with Store(tmp_path, Config(op_timeout=7.25)) as store:
        found = store._driver.stalled()
        assert type(found) is StoreStalled
        assert str(found) == str(refusals.stalled(tmp_path, 7.25))


def test_a_refused_batch_counts_each_receipt(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        driver = store._driver
        answer = driver._busy(AckMany(["a", "b", "c"]))
        assert (answer.op, answer.reply, answer.value) == (0, Reply.BUSY, (Reply.BUSY,) * 3)
        assert driver._beside() == Beside(healthy=True, callbacks=0, refused=3)
        assert store.stats().replies[Reply.BUSY] == 3


@pytest.mark.parametrize(
    ("due", "wait"), [(None, None), (90.0, 0.0005), (100.0, 0.0005), (100.25, 0.25), (100.5, 0.5), (200.0, 0.5)]
)
def test_the_timer_waits_for_what_is_due_and_no_longer_than_a_flush_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, due: float | None, wait: float | None
) -> None:
    with Store(tmp_path, Config(flush_interval=0.5), clock=lambda: 100.0) as store:
        driver = store._driver

        def ticks() -> tuple[Any, bool, float]:
            with monkeypatch.context() as patch:
                patch.setattr(driver, "_due", lambda: due)
                return driver._tick(), driver.asleep, driver._looks_at

        found = driver.lock.run(60.0, ticks)
        driver.wake.notify()
        assert found
        ticked, asleep, looks_at = found
        assert ticked == (False, wait)
        assert asleep is (due is None)
        assert looks_at == (float("inf") if wait is None else 100.0 + wait)


def test_the_next_thing_due_is_the_nearest_of_core_and_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Due:
        def __init__(self, due: float | None) -> None:
            self.due = due

    with Store(tmp_path) as store:
        driver = store._driver

        def dues(core: float | None, *watches: float | None) -> float | None:
            with monkeypatch.context() as patch:
                patch.setattr(type(driver.core), "next_tick", lambda _core: core)
                patch.setattr(driver, "_watches", [Due(each) for each in watches])
                return driver._due()

        found = driver.lock.run(60.0, lambda: [dues(3.0, None, 2.0), dues(1.0, 2.0), dues(None, 4.0), dues(None, None)])
        assert found == [2.0, 1.0, 4.0, None]


def test_a_batch_whose_store_breaks_meanwhile_is_unknown_receipt_by_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(tmp_path, Config())  # without threads, which would end
    driver.broken, driver._waiting = None, Waiting()

    def breaks(*_given: Any) -> tuple[int, None]:
        driver.broken = OSError("no more")
        return 99, None

    monkeypatch.setattr(driver, "_submit", breaks)
    answer = driver._submit_in_time(AckMany(["a", "b"]), time.monotonic() + 60.0, None)
    assert isinstance(answer, Answer)
    assert (answer.reply, answer.value) == (Reply.UNKNOWN, (Reply.UNKNOWN,) * 2)
    assert not driver._waiting.by_op


def test_whoever_is_not_let_in_to_give_up_takes_itself_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        driver = store._driver
        waiter = driver._waiting.add(99, Flush())
        monkeypatch.setattr(driver, "_give_up", lambda _op: False)
        assert driver._wait(99, waiter, time.monotonic() - 1.0).reply is Reply.UNKNOWN
        assert 99 not in driver._waiting.by_op
        monkeypatch.undo()


# The store


def test_a_close_that_nobody_hears_is_logged_with_its_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[logging.LogRecord]
) -> None:
    with Store(tmp_path) as store:
        close = store.close
        monkeypatch.setattr(store, "close", lambda: Reply.UNKNOWN)
    assert close() is Reply.OK
    (line,) = (each for each in lines if each.levelname == "WARNING")
    assert line.getMessage() == (
        f"{tmp_path}: closing was answered UNKNOWN: what was not FLUSHED by then survives a crash of the process only"
    )
    noted = vars(line)
    assert (noted["event"], noted["store"], noted["reply"]) == ("unclean", str(tmp_path), "UNKNOWN")


def test_receipts_are_handed_on_as_the_list_that_they_are_or_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def acks(_driver: Driver, receipts: list[str]) -> list[Reply]:
        given.append(receipts)
        return [Reply.OK]

    with Store(tmp_path) as store:
        monkeypatch.setattr(calls, "ack_many", acks)
        mine = ["a", "b"]
        assert store.ack_many(mine) == [Reply.OK]
        assert store.ack_many(iter(mine)) == [Reply.OK]
        monkeypatch.undo()
    assert given[0] is mine
    assert given[1] == mine


def test_no_copy_is_made_where_the_flush_is_not_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    def flushes(timeout: float | None) -> Reply:
        waited.append(timeout)
        return Reply.BUSY

    with Store(tmp_path / "store") as store:
        monkeypatch.setattr(store, "flush", flushes)
        assert store.snapshot(tmp_path / "copy", 3.5) is Reply.BUSY
        assert store.snapshot(tmp_path / "copy") is Reply.BUSY
    assert waited == [3.5, None]
    assert os.listdir(tmp_path) == ["store"]
    with pytest.raises(StoreClosed, match=r"^the store is closed: open it again$"):
        store._open_all([])


def test_the_files_for_a_copy_are_those_of_the_store(tmp_path: Path) -> None:
    found: list[snapshots.Opened] = []
    with Store(tmp_path) as store:
        store.publish("q", 1)
        store.pop("q")
        store.flush()
        store._driver.lock.run(60.0, store._open_all, found)
        assert "log-00000001.seg" in {each.name for each in found}
        snapshots.close(found)


# Files


def test_a_copys_file_is_new_and_goes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "there").write_bytes(b"mine")
    for name in ("link", "there"):
        with pytest.raises(FileExistsError):
            snapshots._create(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()
    snapshots._create(tmp_path / "new").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_only_short_writes_near_the_beginning_go_the_quick_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none while a sync runs, which may make them wait."""
    quick: Counter[tuple[int, int]] = Counter()

    def writes(_fd: int, _data: bytes, size: int, at: int) -> int:
        quick[size, at] += 1
        return size

    slow: list[tuple[bytes, int]] = []

    def writes_slowly(_fd: int, data: bytes, at: int) -> int:
        slow.append((data, at))
        return len(data)

    monkeypatch.setattr(files, "SHORT", 4)
    monkeypatch.setattr(files, "LOW", 100)
    monkeypatch.setattr(files, "short_pwrite", writes)
    disk = RealDisk(tmp_path)
    disk.perform(Create("a"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", writes_slowly)
        for data, at in ((b"1234", 99), (b"1234", 100), (b"12345", 0), (b"1", 0)):
            assert disk.write("a", at, data) is DONE
        disk.syncing = 1
        assert disk.write("a", 50, b"1") is DONE
        assert disk.files["a"].dirty
    assert quick == {(4, 99): 1, (1, 0): 1}
    assert slow == [(b"1234", 100), (b"12345", 0), (b"1", 50)]
    disk.syncing = 0
    disk.close()


def test_what_it_has_not_written_is_named_where_it_is_to_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = RealDisk(tmp_path)
    with pytest.raises(OSError, match="not written") as found:
        disk.sync("other")
    assert (found.value.errno, found.value.strerror, found.value.filename) == (
        errno.EBADF, "not written by this store", "other",
    )  # fmt: skip
    seen: list[int] = []
    disk.perform(Create("a"))
    monkeypatch.setattr(disk, "fsync", lambda _fd: seen.append(disk.syncing))
    assert disk.perform(Sync("a")) is DONE
    assert (seen, disk.syncing) == ([1], 0)
    disk.close()
