"""The mode that a store shows is how it answers, whatever the reason: in `stats`, in the metrics, in what is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ackstore import Config, Reply, Store
from ackstore.core.core import Core
from ackstore.core.effects import Create, Failed, Sync, Write
from ackstore.metrics import StoreCollector
from ackstore.runtime.logs import LASTING, Watch
from disks import HangingDisk

LIMITS = [{"max_unflushed_records": 8}, {"max_unflushed_bytes": 600}]


def answer(store: Any, receipt: str) -> str:
    """How the store answers one more ack on a disk that takes writes and returns from no sync."""
    op = store.ack(receipt)
    if store.waiting(Write):
        store.finish(Write)
    return {Reply.OK: "async", None: "sync", Reply.BUSY: "refuse"}[store.reply(op)]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_near_a_limit_and_at_it(popped: Any, limits: Any, mode: Any) -> None:
    store, receipts = popped(20, mode=mode, flush_interval=1000.0, **limits)
    shown = [store.stats.mode]
    for receipt in receipts:
        before = answer(store, receipt)
        assert before == shown[-1] or (before, shown[-1]) == (
            "sync",
            "async",
        )  # the record that comes to the half waits
        shown.append(store.stats.mode)
    order = sorted(set(shown), key=["async", "sync", "refuse"].index)
    assert order == (["async", "sync", "refuse"] if mode == "async" else ["sync", "refuse"])
    assert shown == sorted(shown, key=order.index)
    store.rest(2.0)
    assert store.stats.mode == mode


def test_without_a_file_to_write_to(popped: Any) -> None:
    store, receipts = popped(5)
    store.ack(receipts[0])
    store.finish(Write)
    store.wait(0.1)
    store.finish(Sync, Failed(5))
    store.finish(Create, Failed(28))
    assert store.core.flusher.mode == "async"
    assert (store.stats.mode, store.reply(store.ack(receipts[1]))) == ("refuse", Reply.BUSY)
    store.rest(1.0)
    assert store.stats.mode == "async"


def test_several_logs_show_the_mode_that_takes_least(three: Any) -> None:
    store = three(max_unflushed_records=24, flush_interval=1000.0)
    core = store.core.cores[1]
    core.log.unflushed = 4
    assert store.stats.mode == "sync"
    core.log.unflushed = 8
    assert [log.mode for log in store.stats.logs] == ["async", "refuse", "async"]
    assert store.stats.mode == "refuse"


def test_metrics_and_events_show_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ackstore")
    disk = HangingDisk(tmp_path / "store")
    config = Config(flush_interval=0.01, op_timeout=0.2, sync_timeout=60.0, max_unflushed_records=8)
    registry = CollectorRegistry()
    with Store(tmp_path / "store", config, disk=disk) as store:
        registry.register(StoreCollector(store))

        def shown() -> set[str]:
            modes = ("async", "sync", "refuse")
            return {mode for mode in modes if registry.get_sample_value("ackstore_mode", {"mode": mode})}

        store.publish("q", 100)
        receipts = [delivery.receipt for delivery in store.pop("q", 20)]
        store.flush()
        assert shown() == {"async"}
        disk.go_on.clear()
        while (reply := store.ack(receipts.pop())) is Reply.OK:
            pass
        assert (reply, shown()) == (Reply.UNKNOWN, {"sync"})
        while store.ack(receipts.pop()) is not Reply.BUSY:
            pass
        assert shown() == {"refuse"}
        disk.go_on.set()
        assert store.flush() is Reply.OK
        assert shown() == {"async"}
    told = [vars(record) for record in caplog.records if vars(record)["event"] == "mode"]
    assert [(each["before"], each["mode"]) for each in told] == [
        ("async", "sync"),
        ("sync", "refuse"),
        ("refuse", "async"),
    ]
    assert [each["levelname"] for each in told] == ["WARNING", "WARNING", "INFO"]
    assert (told[1]["unflushed_records"], told[1]["failures"], told[1]["stuck"]) == (8, 0, False)


class TestWatch:
    @pytest.fixture
    def watched(self, drive: Any) -> tuple[Core, Watch, Callable[[float, int], list[str]]]:
        core = drive(max_unflushed_records=8).core
        watch = Watch(core, "here")

        def look(now: float, unflushed: int) -> list[str]:
            core.now, core.log.unflushed = now, unflushed
            return [notice.fields["mode"] for notice in watch.look()] if watch.changed() else []

        return core, watch, look

    def test_what_takes_less_is_told_at_once_and_what_takes_more_when_it_lasts(self, watched: Any) -> None:
        _, watch, look = watched
        assert look(0.0, 3) == []
        assert look(0.1, 4) == ["sync"]
        assert look(0.2, 8) == ["refuse"]
        assert (look(0.3, 5), watch.due) == ([], 0.3 + LASTING)
        assert look(0.4, 0) == []  # better still, since then
        assert look(0.3 + LASTING, 0) == ["async"]
        assert watch.due is None

    def test_to_and_fro_is_told_once(self, watched: Any) -> None:
        _, watch, look = watched
        told = [look(at / 10, 4 if at % 3 else 0) for at in range(100)]
        assert [line for lines in told for line in lines] == ["sync"]
        look(10.0, 0)
        assert watch.changed(closing=True)
        assert [notice.fields["mode"] for notice in watch.look(closing=True)] == ["async"]

    def test_a_store_that_opens_in_a_lesser_mode_says_so(self, drive: Any) -> None:
        core = drive(max_unflushed_records=8).core
        core.log.unflushed = 8
        watch = Watch(core, "here")
        assert watch.changed()
        assert [notice.fields["before"] for notice in watch.look()] == ["async"]
