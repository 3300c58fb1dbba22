"""What is logged: an event each, with its figures, and never under the store's lock."""

from __future__ import annotations

import errno
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store
from ackstore.core.effects import Effect, Failed, Result, Sync, Write
from ackstore.runtime.files import RealDisk
from ackstore.runtime.logs import JsonFormatter

QUICK = Config(flush_interval=0.01, offset_interval=0.02, retry_first=0.01, retry_limit=0.02, degrade_after=2)


class FailingDisk(RealDisk):
    """Fails what `fails` says."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.fails: Callable[[Effect], bool] = lambda _effect: False

    def perform(self, effect: Effect) -> Result:
        return Failed(errno.EIO) if self.fails(effect) else super().perform(effect)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["event"] for record in caplog.records if record.name == "ackstore"]


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def test_a_failing_disk_and_its_recovery_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ackstore")
    disk = FailingDisk(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        store.publish("q", 3)
        receipts = [delivery.receipt for delivery in store.pop("q", 3)]
        store.flush()
        disk.fails = lambda effect: isinstance(effect, Sync) and effect.file.startswith("log-")
        assert store.ack(receipts[0]) is Reply.OK
        wait_for(lambda: "mode" in events(caplog))
        disk.fails = lambda effect: isinstance(effect, Sync) and effect.file.startswith("offsets")
        wait_for(lambda: store.stats().mode == "async" and "offset-failed" in events(caplog))
        disk.fails = lambda effect: isinstance(effect, Write)
        assert store.ack(receipts[1]) is Reply.FAILED
        wait_for(lambda: "write-failed" in events(caplog))
        disk.fails = lambda _effect: False
    by_event = {vars(record)["event"]: record for record in caplog.records}
    modes = [vars(record) for record in caplog.records if vars(record)["event"] == "mode"]
    assert (modes[0]["mode"], modes[0]["before"], modes[0]["levelname"]) == ("sync", "async", "WARNING")
    assert (modes[-1]["mode"], modes[-1]["levelname"]) == ("async", "INFO")
    assert vars(by_event["sync-failed"])["sync_failures"] >= 2
    assert vars(by_event["offset-failed"])["offset_failures"] >= 1
    assert vars(by_event["write-failed"])["write_failures"] == 1
    assert {vars(record)["store"] for record in caplog.records} == {str(tmp_path)}
    assert events(caplog)[0] == "recovered"


def test_a_slow_handler_holds_nobody_up(tmp_path: Path) -> None:
    go_on, at_it = threading.Event(), threading.Event()

    class Slow(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            at_it.set()
            go_on.wait(20.0)

    logger = logging.getLogger("ackstore")
    disk = FailingDisk(tmp_path)
    with Store(tmp_path, QUICK, disk=disk) as store:
        store.publish("q", 1)
        [only] = store.pop("q", 1)
        store.flush()
        handler = Slow()
        logger.addHandler(handler)
        try:
            failures = iter([True])
            disk.fails = lambda effect: isinstance(effect, Sync) and next(failures, False)
            store.ack(only.receipt)
            assert at_it.wait(10.0)
            assert store.flush() is Reply.OK
        finally:
            go_on.set()
            logger.removeHandler(handler)


def test_recovery_tells_what_it_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store(tmp_path) as store:
        store.publish("q", 1)
        store.pop("q", 1)
    last = max(tmp_path.glob("log-*.seg"))
    last.write_bytes(last.read_bytes() + b"torn")
    caplog.set_level(logging.INFO, "ackstore")
    with Store(tmp_path):
        pass
    found = vars(caplog.records[0])
    assert (found["event"], found["cut_bytes"], found["records"], found["levelname"]) == ("recovered", 4, 1, "INFO")


def test_json_lines_hold_the_fields_and_the_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def bad() -> None:
        raise RuntimeError("from the client")

    with Store(tmp_path) as store:
        store.publish("q", 1)
        [only] = store.pop("q", 1)
        store.ack(only.receipt, on_durable=bad)
    [record] = [each for each in caplog.records if vars(each)["event"] == "callback-failed"]
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["logger"], line["event"]) == ("ERROR", "ackstore", "callback-failed")
    assert "from the client" in line["error"]
    assert line["time"].endswith("Z")
