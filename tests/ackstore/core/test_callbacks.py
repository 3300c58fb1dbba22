"""Durable callbacks that hang: how many may wait, and what goes on meanwhile."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ackstore import Config, Reply, Store
from ackstore.core.effects import Effect, Failed, Result, Sync, Write
from ackstore.metrics import StoreCollector
from ackstore.runtime.files import RealDisk

LIMIT = 5
QUICK = Config(flush_interval=0.01, offset_interval=0.02, retry_first=0.01, max_callbacks=LIMIT)


class Failing(RealDisk):
    """A disk of which this many syncs of the log fail, or that is full."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left = 0
        self.full = False

    def perform(self, effect: Effect) -> Result:
        if isinstance(effect, Sync) and self.left and effect.file.startswith("log-"):
            self.left -= 1
            return Failed(errno.EIO)
        if isinstance(effect, Write) and self.full:
            return Failed(errno.ENOSPC)
        return super().perform(effect)


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def test_so_many_may_wait_and_nothing_else_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    go_on, called = threading.Event(), []

    def hang() -> None:
        go_on.wait(60.0)
        called.append(threading.current_thread())

    disk = Failing(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        registry = CollectorRegistry()
        registry.register(StoreCollector(store))
        store.publish("q", 40)
        receipts = [each.receipt for each in store.pop("q", 40, 600.0)]
        with_callback = [store.ack(receipt, on_durable=hang) for receipt in receipts[:20]]
        assert with_callback == [Reply.OK] * LIMIT + [Reply.BUSY] * 15
        assert store.flush() is Reply.OK
        assert store.ack(receipts[5], on_durable=hang) is Reply.BUSY  # FLUSHED or not: it is the running that counts
        assert (store.stats().callbacks, store.stats().replies[Reply.BUSY]) == (LIMIT, 16)
        assert registry.get_sample_value("ackstore_callbacks") == LIMIT
        assert [store.ack(receipt) for receipt in receipts[5:20]] == [Reply.OK] * 15  # none of them was stored
        assert store.ack_many(receipts[20:30]) == [Reply.OK] * 10
        disk.left = 1
        assert store.ack(receipts[30]) is Reply.OK
        wait_for(lambda: any(vars(record).get("event") == "sync-failed" for record in caplog.records))
        assert called == []
        go_on.set()
        wait_for(lambda: store.stats().callbacks == 0)
        assert len(called) == LIMIT
        done = threading.Event()
        assert store.ack(receipts[31], on_durable=done.set) is Reply.OK
        assert done.wait(20.0)
        wait_for(lambda: store.stats().callbacks == 0)


@pytest.mark.parametrize("receipt", ["no receipt", "settled", "failed"])
def test_one_that_will_not_come_is_not_counted(tmp_path: Path, receipt: str) -> None:
    disk = Failing(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        store.publish("q", 2)
        settled, failed = (each.receipt for each in store.pop("q", 2, 600.0))
        store.ack(settled)
        store.flush()
        disk.full = receipt == "failed"
        asked = {"settled": settled, "failed": failed}.get(receipt, receipt)
        expected = {"settled": Reply.SETTLED, "failed": Reply.FAILED}.get(receipt, Reply.INVALID)
        for _ in range(3 * LIMIT):
            assert store.ack(asked, on_durable=lambda: None) is expected
            wait_for(lambda: store.stats().callbacks == 0)
        disk.full = False


def test_a_handler_that_hangs_gathers_no_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while it hangs is told in one line, later."""
    monkeypatch.setattr("ackstore.runtime.driver.LINES", 1)
    go_on, lines = threading.Event(), []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if vars(record).get("event") == "sync-failed":
                lines.append(vars(record)["sync_failures"])
                go_on.wait(60.0)

    handler = Slow()
    logging.getLogger("ackstore").addHandler(handler)
    disk = Failing(tmp_path)
    try:
        with Store(tmp_path, QUICK, disk=disk) as store:
            store.publish("q", 9)
            receipts = [each.receipt for each in store.pop("q", 9, 600.0)]
            store.flush()
            for receipt in receipts:
                disk.left = 1
                assert store.ack(receipt) is Reply.OK
                assert store.flush() is Reply.OK
            wait_for(lambda: lines == [1])
            assert store._driver._pools.lines == 1
            go_on.set()
            wait_for(lambda: lines == [1, 9])
    finally:
        logging.getLogger("ackstore").removeHandler(handler)
