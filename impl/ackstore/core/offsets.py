"""The offset file: consumer offsets on disk, replaced as a whole and atomically.

A new file is written beside the old one, synced, renamed over it, and the directory is synced; each
step waits for the one before it, so a crash at any point leaves the old offsets or the new ones.
Only offsets that follow from FLUSHED records are written (clause `derived-never-ahead`). Moves
within `offset_interval` share one replacement. A step that fails, or a sync that is overdue, means
beginning again with the first step after a pause: the new file's pages may be lost.

What recovery read from the file counts as CACHED only: the rename may not have been synced. So
`persisted` starts empty, and the offsets are written once more.

>>> Offsets.STEPS
('create', 'write', 'sync', 'rename', 'directory')
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import ClassVar

from ackstore.core.directory import Directory
from ackstore.core.effects import Create, Failed, Rename, Result, Sync, Write
from ackstore.core.flusher import pause
from ackstore.core.log import Host, Log
from ackstore.core.queues import Queue
from ackstore.format.offsetfile import encode_offsets
from ackstore.words.config import Config


class Offsets:
    """Writes the consumer offsets of `queues` (by token) to the offset file."""

    STEPS: ClassVar = ("create", "write", "sync", "rename", "directory")

    def __init__(
        self,
        host: Host,
        config: Config,
        log: Log,
        directory: Directory,
        queues: dict[str, Queue],
        random: Random,
    ) -> None:
        self.host = host
        self.config = config
        self.log = log
        self.names = log.names
        self.directory = directory
        self.queues = queues
        self.random = random
        self.persisted: dict[str, int] = {}
        """What is on disk for certain, by token."""
        self.persisted_lsn = 0
        """The `flushed` mark of the file that is."""
        self.dirty_since: float | None = None
        """When the first offset moved that no replacement has begun to cover."""
        self.attempt = 0
        """Counts the replacements: a result of an earlier one is late."""
        self.step: str | None = None
        """The outstanding step; None between replacements."""
        self.taken: dict[str, int] = {}
        """The offsets being written."""
        self.taken_lsn = 0
        self.suspect = False
        """A sync of the directory failed while the rename was outstanding."""
        self.overdue_at: float | None = None
        self.hurry = False
        """Write as soon as possible: the store is closing."""
        self.urgent = False
        """Write as soon as possible, once: somebody waits for it."""
        self.failed_in_row = 0
        self.retry_at: float | None = None
        self.writes = 0
        self.failures = 0

    def moved(self, now: float) -> None:
        """Note that some queue's offset has moved."""
        if self.dirty_since is None:
            self.dirty_since = now

    def hasten(self, now: float) -> None:
        """Note that somebody waits for an offset file that derives from all that is FLUSHED now."""
        self.moved(now)
        self.urgent = True

    @property
    def dirty(self) -> bool:
        """Whether an offset is not on disk yet."""
        return self.dirty_since is not None or self.step is not None

    # When

    def due(self) -> float | None:
        """Return the earliest time at which `tick` has something to do; None for never."""
        if self.step is not None:
            return self.overdue_at
        if self.dirty_since is None:
            return None
        if self.retry_at is not None:
            return self.retry_at
        return self.dirty_since if self.hurry or self.urgent else self.dirty_since + self.config.offset_interval

    def tick(self, now: float) -> None:
        """Do what is due."""
        due = self.due()
        if due is None or now < due:
            return
        if self.step == "directory":
            self.directory.give_up(now)
        elif self.step == "sync":
            self.fail(now)
        elif self.directory.full:
            self.fail(now)  # in its last step it would hang
        else:
            self.begin(now)

    # The replacement, step by step

    def begin(self, now: float) -> None:
        """Take the offsets as they are, and begin to replace the file."""
        self.attempt += 1
        self.dirty_since = None
        self.retry_at = None
        self.urgent = False
        self.suspect = False
        self.taken_lsn = self.log.flushed
        self.taken = self.offsets_to_write()
        self.start(now)

    def offsets_to_write(self) -> dict[str, int]:
        """Return every queue's offset. It follows from FLUSHED records, as `Queue.advance` sees to."""
        return {token: queue.committed for token, queue in self.queues.items() if queue.committed}

    def start(self, now: float) -> None:
        """Take the first step; an override may write the file in another way."""
        self._do("create", now)

    def _do(self, step: str, now: float) -> None:
        self.step = step
        self.overdue_at = None
        then = partial(self._returned, self.attempt)
        if step in ("sync", "directory"):
            self.overdue_at = now + self.config.sync_timeout
        if step == "create":
            self.host.request(Create(self.names.offsets_tmp), then)
        elif step == "write":
            data = encode_offsets(self.taken, self.taken_lsn)
            self.host.request(Write(self.names.offsets_tmp, 0, data), then)
        elif step == "sync":
            self.host.request(Sync(self.names.offsets_tmp), then)
        elif step == "rename":
            self.host.request(Rename(self.names.offsets_tmp, self.names.offsets), then)
        else:
            self.directory.sync(then)

    def _returned(self, of_attempt: int, result: Result, now: float) -> None:
        if of_attempt != self.attempt or self.step is None:
            return  # a sync that was given up
        if isinstance(result, Failed) or self.suspect:
            self.fail(now)
            if isinstance(result, Failed):
                self.host.ran_out(result.errno, now)
        elif self.step == self.STEPS[-1]:
            self.succeed()
        else:
            self._do(self.STEPS[self.STEPS.index(self.step) + 1], now)

    def succeed(self) -> None:
        """Note that the new file is on disk, under its name."""
        self._end()
        self.failed_in_row = 0
        self.writes += 1
        self.persisted = self.taken
        self.persisted_lsn = self.taken_lsn
        self.host.persisted(self.persisted_lsn)

    def fail(self, now: float) -> None:
        """Begin again later."""
        self._end()
        self.failures += 1
        self.failed_in_row += 1
        self.retry_at = now + pause(self.failed_in_row, self.config, self.random)
        self.moved(now)

    def rename_suspect(self) -> None:
        """Distrust a rename that is outstanding: a sync of the directory failed."""
        self.suspect = self.step == "rename"

    def _end(self) -> None:
        self.step = None
        self.overdue_at = None
