"""What the store tells its log, and a formatter that writes it as JSON Lines.

The logger is `ackstore`. Every line is an event, with its figures as fields of the record (`extra`), so that whoever
reads the log need not take texts apart:

| event | level | fields |
|---|---|---|
| `mode` | warning; info when it is back | `mode`, `before`, and why: `failures` (in a row), `unflushed_records`, \
`unflushed_bytes`, `stuck` (no file to write to), `forced` (`Store.degrade`) |
| `sync-failed` | warning | `failures` (in a row), `sync_failures`, `sync_timeouts` (in all) |
| `write-failed` | warning | `write_failures` |
| `offset-failed` | warning | `offset_failures` |
| `short` | warning; info when it is over | `short`, `reserve_bytes`, `segment_bytes`: room on the disk is short, and \
no new message is handed out |
| `recovered` | info; warning when records were cut | `records`, `rewritten`, `cut_records`, `cut_bytes` |
| `stalled` | warning | `seconds`: a write to the page cache has not returned for so long, and nobody is let in |
| `resumed` | info | `seconds`: it has returned, after so long |
| `unclean` | warning | `reply`: the close at the end of a `with` was not answered OK |
| `broken` | critical | the exception |
| `locked` | error | |
| `unlocked` | info | the directory, which a write had kept locked after the close, is free |
| `callback-failed` | error | the exception |

All have `event` and, but for `callback-failed`, `store` (the directory). Those before `stalled` concern one log, and
have its number, `log`, where the store has several.

>>> record = logging.LogRecord("ackstore", logging.WARNING, "", 0, "now in mode %s", ("sync",), None)
>>> record.event, record.mode, record.created = "mode", "sync", 0.0
>>> JsonFormatter().format(record)
'{"time": "1970-01-01T00:00:00.000Z", "level": "WARNING", "logger": "ackstore", "message": "now in mode sync", \
"event": "mode", "mode": "sync"}'
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from attrs import field, frozen

from ackstore.core.engine import OneLog
from ackstore.words.stats import MODES, Mode

log = logging.getLogger("ackstore")

LASTING = 1.0
"""Seconds that a mode which takes more has to last before it is told."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A line of JSON a record: `time` (UTC), `level`, `logger`, `message`, every field of `extra`, and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.created % 1 * 1000):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@frozen
class Notice:
    """A line that is due."""

    level: int
    message: str
    fields: dict[str, Any] = field(factory=dict)

    def emit(self) -> None:
        """Write it. Not under the store's lock: a handler may be slow."""
        log.log(self.level, self.message, extra=self.fields)


class Watch:
    """Tells what has changed in a core since it last looked.

    A mode that takes less is told at once. One that takes more has to last for a while, or until the store is closed:
    near its limits a busy store goes to and fro with every sync.
    """

    def __init__(self, core: OneLog, store: str) -> None:
        self.core = core
        self.store = store
        self.mode: Mode = core.config.mode
        """The mode that was told last, or needs no telling."""
        self.better_since: float | None = None
        """From when on the mode takes more than that; None when it does not."""
        self.sync_failures = self.write_failures = self.offset_failures = 0
        self.short = False
        self.roomy_since: float | None = None
        """From when on room is not short any more, though that was told last; None when it is."""

    @property
    def due(self) -> float | None:
        """When to look again, if nothing happens meanwhile; None for never."""
        since = [since for since in (self.better_since, self.roomy_since) if since is not None]
        return min(since) + LASTING if since else None

    def changed(self, *, closing: bool = False) -> bool:
        """Tell whether `look` has anything to tell: cheap, for it is asked after every sync and tick."""
        core = self.core
        return (
            self._mode_changed(closing)
            or core.flusher.sync_failures != self.sync_failures
            or core.log.write_failures != self.write_failures
            or core.offsets.failures != self.offset_failures
            or self._room_changed(closing)
        )

    def _mode_changed(self, closing: bool) -> bool:
        """Tell whether another mode is to be told; keeps `better_since`."""
        now, more = self.core.now, MODES.index(self.mode) - MODES.index(self.core.flusher.shown)
        if more <= 0:
            self.better_since = None
        elif self.better_since is None:
            self.better_since = now
        return more < 0 or (more > 0 and (closing or self._lasts(now)))

    def _room_changed(self, closing: bool) -> bool:
        """Return whether it is to be told that room is short, or is not any more; keep `roomy_since`."""
        now, short = self.core.now, self.core.flusher.short
        if short or not self.short:
            self.roomy_since = None
        elif self.roomy_since is None:
            self.roomy_since = now
        over = self.roomy_since is not None and (closing or now >= self.roomy_since + LASTING)
        return over or (short and not self.short)

    def _lasts(self, now: float) -> bool:
        return self.better_since is not None and now >= self.better_since + LASTING

    def look(self, *, closing: bool = False) -> list[Notice]:
        """Return the lines that are due, one an event."""
        flusher, found = self.core.flusher, []
        if flusher.sync_failures != self.sync_failures:
            self.sync_failures = flusher.sync_failures
            found.append(
                self._line(
                    logging.WARNING,
                    "sync-failed",
                    "a sync failed: what it covered is written again, elsewhere",
                    failures=flusher.failures,
                    sync_failures=flusher.sync_failures,
                    sync_timeouts=flusher.sync_timeouts,
                )
            )
        for event, count in (
            ("write-failed", self.core.log.write_failures),
            ("offset-failed", self.core.offsets.failures),
        ):
            name = event.replace("-failed", "_failures")
            if count != getattr(self, name):
                setattr(self, name, count)
                what = "a write" if event == "write-failed" else "replacing the offset file"
                found.append(self._line(logging.WARNING, event, f"{what} failed", **{name: count}))
        if self._room_changed(closing):
            self.short, self.roomy_since = flusher.short, None
            found.append(self._short_line())
        if self._mode_changed(closing):
            found.append(self._mode_line())
        return found

    def _short_line(self) -> Notice:
        space = self.core.space
        text = (
            "room on the disk is short: no new message is handed out until acks have made some, or somebody has"
            if self.short
            else "there is room on the disk again"
        )
        level = logging.WARNING if self.short else logging.INFO
        return self._line(
            level, "short", text, short=self.short, reserve_bytes=space.reserved, segment_bytes=space.size
        )

    def _mode_line(self) -> Notice:
        flusher, log = self.core.flusher, self.core.log
        before, self.mode, self.better_since = self.mode, flusher.shown, None
        return self._line(
            logging.INFO if self.mode == self.core.config.mode else logging.WARNING,
            "mode",
            f"it now answers in mode {self.mode}, not {before}",
            mode=self.mode,
            before=before,
            failures=flusher.failures,
            unflushed_records=log.unflushed,
            unflushed_bytes=log.unflushed_bytes,
            stuck=bool(log.stuck),
            forced=flusher.forced,
        )

    def recovered(self) -> Notice:
        """Return the line about what opening the store found."""
        found = self.core.recovery
        level = logging.WARNING if found.cut_records else logging.INFO
        return self._line(
            level,
            "recovered",
            f"read {found.records} records back, and cut off {found.cut_bytes} bytes that power loss had left",
            records=found.records,
            rewritten=found.rewritten,
            cut_records=found.cut_records,
            cut_bytes=found.cut_bytes,
        )

    def _line(self, level: int, event: str, message: str, **fields: object) -> Notice:
        names = self.core.log.names
        if names.logs > 1:
            message = f"log {names.log} of {names.logs}: {message}"
            fields["log"] = names.log
        return Notice(level, f"{self.store}: {message}", {"event": event, "store": self.store, **fields})


def stall_notice(store: str, event: str, seconds: float) -> Notice:
    """Return the line about a write that has kept the lock for `seconds`, and still does (`stalled`) or no longer
    (`resumed`)."""
    if event == "stalled":
        level, text = logging.WARNING, f"a write has hung for {seconds:.1f} s: until it returns, calls are BUSY"
    else:
        level, text = logging.INFO, f"the write has returned, after {seconds:.1f} s"
    return Notice(level, f"{store}: {text}", {"event": event, "store": store, "seconds": seconds})
