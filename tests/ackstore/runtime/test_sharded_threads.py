"""Several logs with their threads, on real files: they sync at once, and none holds another up."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, LogsDiffer, Reply, Store
from ackstore.core.effects import Create, Effect, Failed, Result, Sync, Write
from ackstore.runtime.files import RealDisk
from ackstore.words.identity import QueueId
from ackstore.words.placement import log_of

QUICK = Config(logs=4, flush_interval=0.01, offset_interval=0.02, retry_first=0.01, retry_limit=0.05)
QUEUES = [f"q/g/{number}" for number in range(4)]
"""One for each of four logs."""


class Disk:
    """A real disk; syncs for which `stalls` is true wait until `may` is set, and those for which `fails` is, fail."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.disk = RealDisk(path)
        self.stalls: Callable[[Sync], bool] = lambda _: False
        self.fails: Callable[[Effect], bool] = lambda _: False
        self.may = threading.Event()
        self.lock = threading.Lock()
        self.stalled: list[str] = []

    def perform(self, effect: Effect) -> Result:
        if isinstance(effect, Sync) and self.stalls(effect):
            with self.lock:
                self.stalled.append(effect.file)
            assert self.may.wait(60.0)
        return Failed(5) if self.fails(effect) else self.disk.perform(effect)

    def close(self) -> None:
        self.disk.close()


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def receipts_of(store: Store, count: int = 1) -> dict[str, list[str]]:
    """Deliveries of every queue, all flushed."""
    for queue in QUEUES:
        store.publish(queue, 1000)
    found = {queue: [each.receipt for each in store.pop(queue, count, 60.0)] for queue in QUEUES}
    assert store.flush() is Reply.OK
    return found


def is_segment(effect: Effect) -> bool:
    return isinstance(effect, Sync | Write) and effect.file.startswith("log-")


def of_log(queue: str) -> str:
    return f"log-{log_of(queue, 4) + 1}of4-"


def test_all_logs_sync_at_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        held = receipts_of(store)
        disk.stalls = is_segment
        for [receipt] in held.values():
            assert store.ack(receipt) is Reply.OK
        wait_for(lambda: len(disk.stalled) == 4)
        assert len({file[:10] for file in disk.stalled}) == 4
        disk.may.set()
        assert store.flush() is Reply.OK


def test_a_log_that_stalls_holds_no_other_up(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    slow, *others = QUEUES
    with Store(tmp_path, QUICK, disk=disk) as store:
        held = receipts_of(store, 3)
        disk.stalls = lambda sync: sync.file.startswith(of_log(slow))
        assert store.ack(held[slow][0]) is Reply.OK  # in async mode not even its own acks wait
        wait_for(lambda: disk.stalled)
        assert store.ack(held[slow][1]) is Reply.OK
        for queue in others:
            assert store.ack(held[queue][0]) is Reply.OK
            done = threading.Event()
            store.ack(held[queue][1], on_durable=done.set)
            assert done.wait(10.0)
        assert store.stats().queues[QueueId.parse(slow)].committed == 0
        assert store.flush(timeout=0.05) is Reply.UNKNOWN
        disk.may.set()
        assert store.flush() is Reply.OK


def test_in_sync_mode_an_ack_waits_for_its_own_log_only(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    slow, other = QUEUES[:2]
    with Store(tmp_path, Config(logs=4, mode="sync"), disk=disk) as store:
        held = receipts_of(store, 3)
        disk.stalls = lambda sync: sync.file.startswith(of_log(slow))
        waiting: list[Reply] = []
        thread = threading.Thread(target=lambda: waiting.append(store.ack(held[slow][0])))
        thread.start()
        wait_for(lambda: disk.stalled)
        assert store.ack(held[other][0]) is Reply.OK
        assert store.ack_many(held[other][1:]) == [Reply.OK] * 2
        assert waiting == []
        both: list[list[Reply]] = []
        second = threading.Thread(target=lambda: both.append(store.ack_many([held[slow][1], held[QUEUES[2]][0]])))
        second.start()
        wait_for(lambda: store.stats().operations == 2)
        disk.may.set()
        thread.join(10.0)
        second.join(10.0)
        assert (waiting, both) == ([Reply.OK], [[Reply.OK] * 2])


def test_closing_takes_no_longer_than_it_may_though_a_file_fails(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    bad = QUEUES[2]
    store = Store(tmp_path, QUICK, disk=disk)
    held = receipts_of(store)
    disk.fails = lambda effect: isinstance(effect, Sync) and effect.file.startswith(of_log(bad))
    for [receipt] in held.values():
        assert store.ack(receipt) is Reply.OK
    started = time.monotonic()
    assert store.close(timeout=0.3) is Reply.UNKNOWN
    assert time.monotonic() - started < 5.0
    with Store(tmp_path, QUICK) as again:
        committed = {str(queue): seen.floor for queue, seen in again.stats().queues.items() if str(queue) != bad}
        assert committed == dict.fromkeys(set(QUEUES) - {bad}, 1)


def test_many_threads_and_all_is_found_again(tmp_path: Path) -> None:
    config = Config(logs=4, flush_interval=0.005, offset_interval=0.01, segment_bytes=3000)
    with Store(tmp_path, config) as store:
        for queue in QUEUES:
            store.publish(queue, 200)

        def consume(number: int) -> None:
            mine, other = QUEUES[number], QUEUES[(number + 1) % 4]
            for _ in range(25):
                found = [each.receipt for queue in (mine, other) for each in store.pop(queue, 2, 60.0)]
                assert set(store.ack_many(found[1:])) <= {Reply.OK}
                assert all(store.ack(receipt) is Reply.OK for receipt in found[:1])

        threads = [threading.Thread(target=consume, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        popped = {queue: seen.next_new for queue, seen in store.stats().queues.items()}
        assert sum(popped.values()) == 400
        assert store.stats().write_failures == 0
    assert {name.partition("of")[0] for name in os.listdir(tmp_path) if name.startswith("log")} == {
        f"log-{log}" for log in (1, 2, 3, 4)
    }
    with Store(tmp_path, config) as again:
        assert {queue: seen.committed for queue, seen in again.stats().queues.items()} == popped
    with pytest.raises(LogsDiffer, match=r"Config\(logs=4\)"):
        Store(tmp_path)


def test_the_fast_path_leads_to_the_same_files(tmp_path: Path) -> None:
    """Acks by the fast path and by the long way write the same bytes, whichever log they are in."""
    config = Config(logs=2, flush_interval=30.0, offset_interval=30.0)
    left = []
    for long in (False, True):
        with Store(tmp_path / str(long), config, clock=lambda: 1000.0) as store:
            if long:
                store._driver.paths = ()
            store.publish("q/g/0", 9)
            store.publish("q/g/1", 9)
            found = [each.receipt for queue in ("q/g/0", "q/g/1") for each in store.pop(queue, 4, 60.0)]
            assert [store.ack(receipt) for receipt in (found[0], found[4], found[1])] == [Reply.OK] * 3
            assert store.ack_many(found[2:4]) == [Reply.OK] * 2
            assert store.ack_many([]) == []
            assert store.ack("no receipt") is Reply.INVALID
            assert store.stats().replies[Reply.OK] == 10
            files = {path.name: path.read_bytes() for path in (tmp_path / str(long)).glob("log*")}
            left.append({name: data[72:] for name, data in files.items()})
    assert left[0] == left[1]
    assert len(left[0]) == 2


def test_a_write_that_fails_on_the_fast_path(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        held = receipts_of(store, 3)
        disk.fails = lambda effect: isinstance(effect, Write | Create) and effect.file.startswith(of_log(QUEUES[1]))
        assert store.ack(held[QUEUES[1]][0]) is Reply.FAILED
        assert store.ack_many(held[QUEUES[1]]) == [Reply.FAILED] * 3
        assert store.ack(held[QUEUES[0]][0]) is Reply.OK
        disk.fails = lambda _: False
        assert store.ack(held[QUEUES[1]][0]) is Reply.OK


def test_only_older_segments_of_the_same_log_are_let_go(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    for name in ("log-1of2-00000001.seg", "log-2of2-00000001.seg", "offsets-1of2.tmp", "offsets-2of2.tmp"):
        disk.perform(Create(name))
        disk.perform(Write(name, 0, b"abc"))
        disk.perform(Sync(name))
    disk.perform(Create("log-1of2-00000002.seg"))
    left = {"log-1of2-00000002.seg", "log-2of2-00000001.seg", "offsets-1of2.tmp", "offsets-2of2.tmp"}
    assert set(disk.files) == left
    disk.close()


def test_events_name_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ackstore")
    disk = Disk(tmp_path)
    bad = QUEUES[3]
    with Store(tmp_path, QUICK, disk=disk) as store:
        held = receipts_of(store)
        disk.fails = lambda effect: isinstance(effect, Sync) and effect.file.startswith(of_log(bad))
        store.ack(held[bad][0])
        wait_for(lambda: any(getattr(record, "event", "") == "sync-failed" for record in caplog.records))
        disk.fails = lambda _: False
        assert store.flush() is Reply.OK
    told = [record for record in caplog.records if getattr(record, "event", "") == "sync-failed"]
    number = log_of(bad, 4) + 1
    assert {vars(record)["log"] for record in told} == {number}
    assert f"log {number} of 4: a sync failed" in told[0].getMessage()
    assert [vars(record)["log"] for record in caplog.records if vars(record).get("event") == "recovered"] == [
        1,
        2,
        3,
        4,
    ]
