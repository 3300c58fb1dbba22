"""The metrics: that each is what the store says of itself, and that nothing listens unless it is asked to."""

from __future__ import annotations

import importlib
import itertools
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import evolve, fields
from prometheus_client import CollectorRegistry

import ackstore
from ackstore import Config, Store, metrics
from ackstore.metrics import StoreCollector
from ackstore.runtime import memory
from ackstore.words.histogram import BATCH_RECORDS, Histogram, HistogramStats
from ackstore.words.stats import QueueStats, Recovery
from disks import HangingDisk
from locked import locked_elsewhere

SLOW = Config(flush_interval=1000.0, offset_interval=1000.0)


HELP = """\
healthy: 1 while every thread that the store needs is alive
resident_bytes: Resident memory of the whole process
epoch: Which open of the store this is
written_lsn: Log sequence number of the last CACHED record
flushed_lsn: Log sequence number of the last FLUSHED record
stalled_seconds: For how long a write has not returned; 0 when none hangs
stats_age_seconds: Age of all these figures; 0 unless a write hangs
callbacks: Durable callbacks that have not run to their end
operations: Operations without an answer
effects: Writes, syncs and other effects without a result
pending_records: Records that are not CACHED yet
unflushed_records: Records that are not FLUSHED yet
unflushed_bytes: Their bytes, which are kept in memory
dirty_bytes: What the page cache may hold of the log for the disk
oldest_unflushed_seconds: Age of the oldest CACHED record not FLUSHED
offsets_dirty: 1 while a consumer offset is ahead of the offset file
short: 1 while room on the disk is short, and no new message is handed out
reserve_bytes: Room that is kept on the disk
merging: Messages only in the merge buffer, or their ack
sync_failures_in_a_row: Failed syncs in a row, up to now
segments: Segments there are
segment_bytes: Their bytes
recovered_records: Records that opening the store read back
recovery_rewritten_records: Of those, written again
cut_records: Whole records behind a hole in the unproved tail
cut_bytes: Bytes that recovery cut off
syncs: Flush cycles that succeeded
sync_failures: Flush cycles that failed, timeouts included
sync_timeouts: Flush cycles that timed out
retries: Flush cycles that began after a failure
write_failures: Writes and segment creations that failed
rewritten_records: Records written again
offset_writes: Times the offset file was replaced
offset_failures: Attempts to replace it that failed
merged: Acks that met their checkpoint in the merge buffer
compactions: Rounds of compaction completed
removed_segments: Segments removed by them
mode: 1 for how the store answers now
flush_seconds: Time from the begin of a flush cycle to its success
flush_failed_seconds: Time until it failed or was given up
flush_records: Records that a flush cycle made FLUSHED
replies: Answers, by kind; a batch, by item
queue_depth: Messages published that the consumer offset has not passed
queue_messages: Messages of a queue, by state
queue_offset: The consumer offset in memory and on disk, and others
"""


def registry_of(store: Store, prefix: str = "ackstore", **settings: Any) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(StoreCollector(store, prefix=prefix, **settings))
    return registry


def test_they_are_what_the_store_says(tmp_path: Path) -> None:
    now = [1000.0]
    with Store(tmp_path, SLOW, clock=lambda: now[0]) as store:
        value = registry_of(store, count_messages=True).get_sample_value
        store.publish("orders/billing/3", 10)
        first, second, third = store.pop("orders/billing/3", 3)
        store.ack(first.receipt)
        store.flush()
        store.ack_many([second.receipt, "nonsense"])
        now[0] += 7.0
        stats = store.stats()
        queue = {"queue": "orders/billing/3"}
        assert value("ackstore_queue_depth", queue) == 9.0
        for state, count in (("delivered", 1), ("acking", 1), ("settled", 0), ("free", 0)):
            assert value("ackstore_queue_messages", {**queue, "state": state}) == count, state
        assert value("ackstore_queue_offset", {**queue, "where": "memory"}) == 1.0
        assert value("ackstore_queue_offset", {**queue, "where": "disk"}) == 0.0
        assert value("ackstore_oldest_unflushed_seconds") == 7.0
        assert value("ackstore_unflushed_records") == 1.0
        assert value("ackstore_dirty_bytes") == value("ackstore_unflushed_bytes") == stats.unflushed_bytes > 0
        assert value("ackstore_replies_total", {"reply": "INVALID"}) == 1.0
        assert value("ackstore_replies_total", {"reply": "OK"}) == stats.replies[ackstore.Reply.OK]
        assert (value("ackstore_mode", {"mode": "async"}), value("ackstore_mode", {"mode": "sync"})) == (1.0, 0.0)
        assert value("ackstore_healthy") == 1.0
        assert value("ackstore_syncs_total") == stats.syncs == value("ackstore_flush_seconds_count")
        assert store.ack(third.receipt) is ackstore.Reply.OK
    assert value("ackstore_dirty_bytes") == 0.0
    with Store(tmp_path) as store:
        value = registry_of(store, "other").get_sample_value
        assert value("other_recovered_records") == store.stats().recovery.records > 0
        assert value("other_cut_records") == 0.0


def test_what_each_says_of_itself(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        found = StoreCollector(store, prefix="of").collect()
        assert "".join(f"{each.name.removeprefix('of_')}: {each.documentation}\n" for each in found) == HELP


def test_of_several_logs_they_are_the_sum(tmp_path: Path) -> None:
    with Store(tmp_path, evolve(SLOW, logs=2)) as store:
        value = registry_of(store, count_messages=True).get_sample_value
        for queue in ("orders/billing/2", "orders/billing/3"):
            store.publish(queue, 10)
            (delivery,) = store.pop(queue)
            store.flush()
            assert store.ack(delivery.receipt) is ackstore.Reply.OK
            assert value("ackstore_queue_messages", {"queue": queue, "state": "acking"}) == 1.0
        one, other = store.stats().logs
        assert value("ackstore_syncs_total") == one.syncs + other.syncs == value("ackstore_flush_records_count")
        assert value("ackstore_dirty_bytes") == one.dirty_bytes + other.dirty_bytes > 0
        assert value("ackstore_replies_total", {"reply": "OK"}) == 2 + 2 + 2 + 2  # a flush counts once
        assert value("ackstore_mode", {"mode": "async"}) == 1.0
        assert value("ackstore_log_dirty_bytes", {"log": "1"}) == one.dirty_bytes > 0
        assert value("ackstore_log_flush_seconds_count", {"log": "2"}) == other.syncs
        assert value("ackstore_log_mode", {"log": "2", "mode": "async"}) == 1.0


def numbered(like: Any, numbers: Iterator[int]) -> Any:
    """The same, with another number in every field that holds one."""
    changes: dict[str, Any] = {}
    for each in fields(type(like)):
        value = getattr(like, each.name)
        if each.name == "mode" or isinstance(value, bool):
            continue
        if isinstance(value, int | float) or value is None:
            changes[each.name] = next(numbers)
        elif isinstance(value, HistogramStats):
            changes[each.name] = evolve(value, sum=next(numbers))
        elif isinstance(value, Recovery):
            changes[each.name] = numbered(value, numbers)
        elif isinstance(value, tuple):
            changes[each.name] = tuple(numbered(log, numbers) for log in value)
        else:
            changes[each.name] = {
                key: numbered(one, numbers) if isinstance(one, QueueStats) else next(numbers)
                for key, one in value.items()
            }
    return evolve(like, **changes)


def test_all_that_stats_shows_is_there(tmp_path: Path) -> None:
    """Also of each log, but for what a log shares: health, memory, replies and queues."""
    with Store(tmp_path, evolve(SLOW, logs=2)) as store:
        store.publish("orders", 3)
        stats = numbered(store.stats(count=False), numbers := itertools.count(1000))
    told = SimpleNamespace(stats=lambda **_: stats)
    found = {sample.value for metric in registry_of(cast("Store", told)).collect() for sample in metric.samples}
    shared = set()
    for log in stats.logs:
        shared |= {log.resident_bytes, *log.replies.values()}
        shared |= {getattr(queue, each.name) for queue in log.queues.values() for each in fields(QueueStats)}
    assert len(found & {*range(1000, next(numbers))}) > 100
    assert {*range(1000, next(numbers) - 1)} - found - shared == set()


def test_a_scrape_counts_no_messages_unless_it_is_told_to(tmp_path: Path) -> None:
    with Store(tmp_path, SLOW) as store:
        store.publish("q", 5)
        store.pop("q", 3)
        where = {"queue": "q/default/0"}
        value, counted = (registry_of(store, count_messages=counts).get_sample_value for counts in (False, True))
        for state, messages in (("kept", 3.0), ("free", 0.0), ("dead", 0.0)):
            both = {**where, "state": state}
            assert value("ackstore_queue_messages", both) == counted("ackstore_queue_messages", both) == messages
        assert value("ackstore_queue_messages", {**where, "state": "delivered"}) is None
        assert counted("ackstore_queue_messages", {**where, "state": "delivered"}) == 3.0
        queue = next(iter(store.stats(count=False).queues.values()))
        assert (queue.kept, queue.delivered, queue.acking, queue.settled) == (3, None, None, None)


def test_memory_is_that_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        value = registry_of(store).get_sample_value
        before = store.stats().resident_bytes
        more = bytearray(os.urandom(32 << 20))
        assert store.stats().resident_bytes > before + (16 << 20)
        assert (value("ackstore_resident_bytes") or 0.0) > before + (16 << 20)
        del more
        monkeypatch.setattr(memory, "_STATM", tmp_path / "nowhere")
        assert (store.stats().resident_bytes, value("ackstore_resident_bytes")) == (0, 0.0)


def test_cycles_that_fail_are_measured_and_so_are_retries(tmp_path: Path) -> None:
    disk = HangingDisk(tmp_path / "store")
    quick = Config(flush_interval=0.01, sync_timeout=0.2, retry_first=0.01, retry_limit=0.01)
    with Store(tmp_path / "store", quick, disk=disk) as store:
        value = registry_of(store).get_sample_value
        store.publish("q", 1)
        store.pop("q")
        assert (value("ackstore_retries_total"), value("ackstore_flush_failed_seconds_count")) == (0.0, 0.0)
        store.flush()  # else a sync may be under way, which still succeeds
        before = store.stats().syncs
        disk.go_on.clear()
        store.publish("other", 1)
        store.pop("other")
        until = time.monotonic() + 30.0
        while store.stats().sync_failures < 2 and time.monotonic() < until:
            time.sleep(0.01)
        stats = store.stats()
        assert stats.syncs == before == value("ackstore_flush_seconds_count")
        disk.go_on.set()
        store.flush()
        count = value("ackstore_flush_failed_seconds_count")
        assert count == store.stats().sync_failures >= 2
        assert value("ackstore_flush_failed_seconds_sum") >= 0.2 * count  # type: ignore[operator]
        assert value("ackstore_retries_total") >= 2  # type: ignore[operator]


def test_the_histograms_tell_how_long_and_how_much(tmp_path: Path) -> None:
    now = [1000.0]
    with Store(tmp_path, SLOW, clock=lambda: now[0]) as store:
        store.publish("q", 5)
        receipts = [delivery.receipt for delivery in store.pop("q", 5)]
        store.flush()
        before = store.stats().flush_records
        for receipt in receipts:
            store.ack(receipt)
        store.flush()
        after = store.stats().flush_records
        assert (after.count - before.count, after.sum - before.sum) == (1, 5.0)
        value = registry_of(store).get_sample_value
        assert value("ackstore_flush_records_bucket", {"le": "10.0"}) == after.count
        assert value("ackstore_flush_records_bucket", {"le": "+Inf"}) == after.count
        assert value("ackstore_flush_records_sum") == after.sum


def test_bounds_are_inclusive() -> None:
    histogram = Histogram(BATCH_RECORDS)
    for bound in (*BATCH_RECORDS, 10**9):
        histogram.observe(bound)
    assert histogram.snapshot().counts == (1,) * (len(BATCH_RECORDS) + 1)


def test_registering_takes_no_lock(tmp_path: Path) -> None:
    with Store(tmp_path) as store, locked_elsewhere(store):
        registry_of(store)


def test_serving_is_on_loopback_only_and_stops(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        port, stop = metrics.serve(store)
        with socket.socket() as elsewhere:  # the same port of another address is free: nobody listens on them all
            elsewhere.bind(("127.0.0.2", port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as answer:
            assert b"ackstore_healthy 1.0" in answer.read()
        with pytest.raises(OSError, match="in use"):
            metrics.serve(store, port)
        stop()
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0)


def test_without_the_library_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "ackstore.metrics")
    with pytest.raises(ackstore.MetricsMissing, match=r"ackcheck\[metrics\]"):
        importlib.import_module("ackstore.metrics")
