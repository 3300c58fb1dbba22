"""The metrics: that each is what the store says of itself, and that nothing listens unless it is asked to."""

from __future__ import annotations

import importlib
import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from attrs import evolve
from prometheus_client import CollectorRegistry

import ackstore
from ackstore import Config, Store, metrics
from ackstore.histogram import BATCH_RECORDS, Histogram
from ackstore.metrics import StoreCollector

SLOW = Config(flush_interval=1000.0, offset_interval=1000.0)


def registry_of(store: Store, prefix: str = "ackstore") -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(StoreCollector(store, prefix=prefix))
    return registry


def test_they_are_what_the_store_says(tmp_path: Path) -> None:
    now = [1000.0]
    with Store(tmp_path, SLOW, clock=lambda: now[0]) as store:
        value = registry_of(store).get_sample_value
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


def test_of_several_logs_they_are_the_sum(tmp_path: Path) -> None:
    with Store(tmp_path, evolve(SLOW, logs=2)) as store:
        value = registry_of(store).get_sample_value
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
    with Store(tmp_path) as store, store._lock:
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
