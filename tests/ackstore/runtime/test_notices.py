"""What is told of a store and when, by a core that is only figures: every line with its level, text and fields."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore.runtime.logs import LASTING, JsonFormatter, Notice, Watch, stall_notice

INFO, WARNING = logging.INFO, logging.WARNING


def core(logs: int = 1) -> Any:
    """A core that is well, at time 100."""
    return SimpleNamespace(
        now=100.0,
        config=SimpleNamespace(mode="async"),
        flusher=SimpleNamespace(shown="async", failures=0, sync_failures=0, sync_timeouts=0, forced=False, short=False),
        log=SimpleNamespace(
            write_failures=0, unflushed=0, unflushed_bytes=0, stuck=False, names=SimpleNamespace(log=2, logs=logs)
        ),
        offsets=SimpleNamespace(failures=0),
        space=SimpleNamespace(reserved=0, size=0),
        recovery=SimpleNamespace(records=7, rewritten=3, cut_records=0, cut_bytes=5),
    )


def told(watch: Watch, *, closing: bool = False) -> list[Any]:
    """What a look tells, without what is the same in each; asked for first whether there is something."""
    changed = watch.changed(closing=True) if closing else watch.changed()
    found = watch.look(closing=True) if closing else watch.look()
    assert changed is bool(found)
    assert not watch.changed(closing=closing)  # it is told once
    assert watch.look(closing=closing) == []
    for notice in found:
        assert notice.message.startswith("dir: ")
        assert notice.fields["store"] == "dir"
    return [(each.level, each.message[5:], {**each.fields, "store": None}) for each in found]


def due(watch: Watch) -> float | None:
    return watch.due


def fields(event: str, **others: Any) -> dict[str, Any]:
    return {"event": event, "store": None, **others}


def test_of_a_store_that_is_well_nothing_is_told() -> None:
    watch = Watch(core(), "dir")
    assert due(watch) is None
    assert (told(watch), told(watch, closing=True), due(watch)) == ([], [], None)


def test_each_failure_is_told_with_its_figures() -> None:
    watch = Watch(found := core(), "dir")
    found.flusher.sync_failures, found.flusher.failures, found.flusher.sync_timeouts = 5, 2, 3
    text = "a sync failed: what it covered is written again, elsewhere"
    assert told(watch) == [
        (WARNING, text, fields("sync-failed", failures=2, sync_failures=5, sync_timeouts=3)),
    ]
    found.log.write_failures = 4
    assert told(watch) == [(WARNING, "a write failed", fields("write-failed", write_failures=4))]
    found.offsets.failures = 6
    assert told(watch) == [
        (WARNING, "replacing the offset file failed", fields("offset-failed", offset_failures=6)),
    ]
    found.flusher.sync_failures, found.log.write_failures, found.offsets.failures = 6, 5, 7
    assert [line[2]["event"] for line in told(watch)] == ["sync-failed", "write-failed", "offset-failed"]


def mode(now: str, before: str, **others: Any) -> dict[str, Any]:
    usual = {"failures": 0, "unflushed_records": 0, "unflushed_bytes": 0, "stuck": False, "forced": False}
    return fields("mode", **{**usual, "mode": now, "before": before, **others})


def test_a_mode_that_takes_less_is_told_at_once_and_one_that_takes_more_when_it_lasts() -> None:
    watch = Watch(found := core(), "dir")
    found.flusher.shown, found.flusher.failures, found.flusher.forced = "sync", 3, True
    found.log.unflushed, found.log.unflushed_bytes, found.log.stuck = 8, 900, [object()]
    assert told(watch) == [
        (
            WARNING,
            "it now answers in mode sync, not async",
            mode("sync", "async", failures=3, unflushed_records=8, unflushed_bytes=900, stuck=True, forced=True),
        )
    ]
    found.flusher.shown, found.flusher.failures, found.flusher.forced = "async", 0, False
    found.log.unflushed, found.log.unflushed_bytes, found.log.stuck = 0, 0, []
    assert (told(watch), due(watch)) == ([], 100.0 + LASTING)
    found.now += LASTING / 2
    found.flusher.shown = "sync"  # back again: it begins anew
    assert (told(watch), due(watch)) == ([], None)
    found.flusher.shown = "async"
    assert (told(watch), due(watch)) == ([], 100.0 + 1.5 * LASTING)
    found.now += LASTING * 0.99
    assert (told(watch), due(watch)) == ([], 100.0 + 1.5 * LASTING)
    found.now = 100.0 + 1.5 * LASTING
    assert told(watch) == [(INFO, "it now answers in mode async, not sync", mode("async", "sync"))]
    assert due(watch) is None


@pytest.mark.parametrize("lasts", [True, False])
def test_a_mode_that_takes_more_but_is_not_the_configured_one_is_a_warning(lasts: bool) -> None:
    """And closing does not wait for it to last."""
    watch = Watch(found := core(), "dir")
    found.flusher.shown = "refuse"
    assert told(watch) == [(WARNING, "it now answers in mode refuse, not async", mode("refuse", "async"))]
    found.flusher.shown = "sync"
    assert told(watch) == []
    found.now += LASTING * lasts
    assert told(watch, closing=not lasts) == [
        (WARNING, "it now answers in mode sync, not refuse", mode("sync", "refuse"))
    ]


def test_that_room_is_short_is_told_at_once_and_that_it_is_not_when_it_lasts() -> None:
    watch = Watch(found := core(), "dir")
    found.flusher.short, found.space.reserved, found.space.size = True, 4096, 9000
    text = "room on the disk is short: no new message is handed out until acks have made some, or somebody has"
    assert told(watch) == [(WARNING, text, fields("short", short=True, reserve_bytes=4096, segment_bytes=9000))]
    assert due(watch) is None
    found.flusher.short = False
    assert (told(watch), due(watch)) == ([], 100.0 + LASTING)
    found.now += LASTING / 2
    found.flusher.short = True
    assert (told(watch), due(watch)) == ([], None)
    found.flusher.short = False
    assert (told(watch), due(watch)) == ([], 100.0 + 1.5 * LASTING)
    found.now = 100.0 + 1.5 * LASTING
    short = fields("short", short=False, reserve_bytes=4096, segment_bytes=9000)
    assert told(watch) == [(INFO, "there is room on the disk again", short)]
    assert (told(watch), due(watch)) == ([], None)


def test_closing_does_not_wait_for_room_to_last() -> None:
    watch = Watch(found := core(), "dir")
    found.flusher.short = True
    assert len(told(watch)) == 1
    found.flusher.short = False
    assert told(watch) == []
    assert [line[1] for line in told(watch, closing=True)] == ["there is room on the disk again"]


def test_it_is_looked_at_again_for_what_is_due_first() -> None:
    watch = Watch(found := core(), "dir")
    found.flusher.shown, found.flusher.short = "sync", True
    assert [line[2]["event"] for line in told(watch)] == ["short", "mode"]
    found.flusher.short = False
    assert told(watch) == []
    found.now += LASTING / 4
    found.flusher.shown = "async"
    assert (told(watch), due(watch)) == ([], 100.0 + LASTING)


@pytest.mark.parametrize(("cut", "level"), [(0, INFO), (1, WARNING)])
def test_what_recovery_found(cut: int, level: int) -> None:
    found = core()
    found.recovery.cut_records = cut
    assert Watch(found, "dir").recovered() == Notice(
        level,
        "dir: read 7 records back, and cut off 5 bytes that power loss had left",
        {"event": "recovered", "store": "dir", "records": 7, "rewritten": 3, "cut_records": cut, "cut_bytes": 5},
    )


@pytest.mark.parametrize("logs", [2, 3])
def test_of_several_logs_each_line_says_which(logs: int) -> None:
    watch = Watch(found := core(logs), "dir")
    found.log.write_failures = 1
    assert watch.look() == [
        Notice(
            WARNING,
            f"dir: log 2 of {logs}: a write failed",
            {"event": "write-failed", "store": "dir", "write_failures": 1, "log": 2},
        )
    ]


def test_a_write_that_hangs_and_that_it_has_returned() -> None:
    assert stall_notice("dir", "stalled", 1.25) == Notice(
        WARNING,
        "dir: a write has hung for 1.2 s: until it returns, calls are BUSY",
        {"event": "stalled", "store": "dir", "seconds": 1.25},
    )
    assert stall_notice("dir", "resumed", 3.75) == Notice(
        INFO, "dir: the write has returned, after 3.8 s", {"event": "resumed", "store": "dir", "seconds": 3.75}
    )


def test_a_line_is_logged_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(INFO, "ackstore")
    Notice(WARNING, "100% of it", {"event": "mode"}).emit()
    ((name, level, text),) = caplog.record_tuples
    assert (name, level, text, vars(caplog.records[0])["event"]) == ("ackstore", WARNING, "100% of it", "mode")
    assert Notice(INFO, "x").fields == {}


def test_a_line_of_json() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("ackstore", WARNING, "", 0, "%s of %s", ("one", "two"), error)
    record.created, record.__dict__["store"] = 1_000_000_001.96875, {1}
    plain, _, rest = JsonFormatter().format(record).partition(', "error": "Traceback')
    assert plain == (
        '{"time": "2001-09-09T01:46:41.968Z", "level": "WARNING", "logger": "ackstore", "message": "one of two", '
        '"store": "{1}"'
    )
    assert rest.endswith('ValueError: why"}')
