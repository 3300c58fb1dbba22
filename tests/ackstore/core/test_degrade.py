"""Degrading by force: every answer waits for the disk until the store is restored, though nothing fails."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store
from ackstore.core.effects import Create, Failed, Sync, Write
from ackstore.words.requests import Degrade, Pop
from disks import HangingDisk
from merging import merging, ready
from three_logs import A, B, C, pop


def degrade(store: Any, *, forced: bool = True) -> None:
    assert store.reply(store.submit(Degrade(forced))) is Reply.OK


def test_answers_wait_for_the_disk_until_it_is_restored(popped: Any) -> None:
    store, (first, second, third) = popped(3)
    degrade(store)
    assert (store.stats.mode, store.stats.forced) == ("sync", True)
    op = store.ack(first)
    store.finish(Write)
    assert store.reply(op) is None
    store.rest(0.2)
    assert store.reply(op) is Reply.OK
    op = store.ack(second)  # a success of the disk does not end it
    store.finish(Write)
    assert store.reply(op) is None
    degrade(store, forced=False)
    assert (store.stats.mode, store.stats.forced) == ("async", False)
    later = store.ack(third)
    store.finish(Write)
    assert (store.reply(op), store.reply(later)) == (None, Reply.OK)
    store.rest(0.2)
    assert store.reply(op) is Reply.OK


def test_failures_still_count_and_come_back_to_it(popped: Any) -> None:
    store, receipts = popped(6, degrade_after=1, max_sync_failures=2)
    degrade(store)
    store.ack(receipts[0])
    store.finish(Write)
    modes = []
    for _ in range(2):
        store.wait(0.1)
        store.finish(Sync, Failed(5))
        store.finish(Create)
        store.finish(Write)
        modes.append(store.stats.mode)
        store.wait(store.core.next_tick() - store.now)
    assert modes == ["sync", "refuse"]
    degrade(store, forced=False)
    assert store.stats.mode == "refuse"  # nor does restoring it mend the disk
    degrade(store)
    store.rest(1.0)
    assert store.stats.mode == "sync"


def test_to_degrade_a_sync_store_changes_nothing(popped: Any) -> None:
    store, _ = popped(1, mode="sync")
    for forced in (True, False):
        degrade(store, forced=forced)
        assert (store.stats.mode, store.stats.forced) == ("sync", forced)


def test_the_merge_buffer_takes_nothing_meanwhile(drive: Any) -> None:
    store = merging(drive)
    first, *_ = ready(store)
    degrade(store)
    pop_, ack = store.submit(Pop("q", 1)), store.ack(first)
    assert (store.reply(pop_), store.reply(ack)) == (None, None)
    store.rest()
    assert (store.reply(pop_), store.reply(ack)) == (Reply.OK, Reply.OK)


def test_all_logs_are_degraded(three: Any) -> None:
    store = three()
    receipts = {queue: pop(store, queue, 1).pop() for queue in (A, B, C)}
    store.rest()
    degrade(store)
    assert [log.forced for log in store.stats.logs] == [True] * 3
    assert (store.stats.mode, store.stats.forced) == ("sync", True)
    ops = [store.ack(receipt) for receipt in receipts.values()]
    for _ in ops:
        store.finish(Write)
    assert [store.reply(op) for op in ops] == [None] * 3
    store.rest()
    degrade(store, forced=False)
    assert (store.stats.mode, store.stats.forced) == ("async", False)


def test_on_real_files_and_not_beyond_the_close(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ackstore")
    config = Config(flush_interval=0.01, op_timeout=0.3, sync_timeout=60.0)
    disk = HangingDisk(tmp_path / "store")
    with Store(tmp_path / "store", config, disk=disk) as store:
        store.publish("q", 5)
        receipts = [delivery.receipt for delivery in store.pop("q", 5)]
        store.flush()
        disk.go_on.clear()
        assert store.ack(receipts.pop()) is Reply.OK
        assert store.degrade() is Reply.OK
        assert store.ack(receipts.pop()) is Reply.UNKNOWN
        assert store.ack_many([receipts.pop()]) == [Reply.UNKNOWN]
        assert store.restore() is Reply.OK
        assert store.ack(receipts.pop()) is Reply.OK
        assert store.degrade() is Reply.OK
        disk.go_on.set()
        assert store.ack(receipts.pop()) is Reply.OK
        assert store.stats().forced
    told = [vars(record) for record in caplog.records if vars(record)["event"] == "mode"]
    assert (told[0]["mode"], told[0]["forced"], told[0]["levelname"]) == ("sync", True, "WARNING")
    with Store(tmp_path / "store", config) as store:
        assert (store.stats().mode, store.stats().forced) == ("async", False)
