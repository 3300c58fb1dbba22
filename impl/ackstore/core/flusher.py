"""When to sync, what to make of a sync that fails or hangs, and how the store answers meanwhile.

A *flush cycle* syncs every segment that was written since it was last synced, and the directory if
a segment was created. It covers what was CACHED when it began, and only when all of its syncs have
succeeded does the flushed watermark move (clause `flush-is-real`). One cycle runs at a time. It
begins when the oldest uncovered record is `flush_interval` old, at once when somebody waits for the
disk or the limit on unflushed records is half reached (clause `flush-when-idle`).

Where answers wait for the disk, and a cycle has answered several clients, most of them come again at once. The next
cycle waits for as many records as it answered, so that one sync serves all of them (*group commit*: `Gathering`).

A failed or overdue sync ends the cycle: what it leaves behind is ignored, the log condemns its
files, and the next cycle, on new files, waits for a pause that doubles (clause `flush-rewrites`).
While as many syncs hang as there are threads for them, no cycle begins: nobody could perform it, and
each would leave another copy of all that is unflushed. It counts as one more failure.
After `degrade_after` failures in a row answers wait for the disk; after `max_sync_failures` nothing
new is accepted; a success ends both (clause `flush-degrades`). Whoever wants answers to wait for the
disk while it is well forces that (`degrade`).

>>> from random import Random
>>> [round(pause(n, Config(retry_jitter=0.0), Random(0)), 2) for n in (1, 2, 3, 20)]
[0.05, 0.1, 0.2, 5.0]
"""

from __future__ import annotations

from functools import partial
from random import Random

from ackstore.core.directory import Directory
from ackstore.core.effects import Failed, Result, Sync
from ackstore.core.gathering import Gathering
from ackstore.core.log import Host, Log
from ackstore.core.segment import Segment
from ackstore.fields.classes import FlusherFields
from ackstore.words.config import Config
from ackstore.words.histogram import BATCH_RECORDS, SYNC_SECONDS, Histogram
from ackstore.words.stats import Mode


def pause(failures: int, config: Config, random: Random) -> float:
    """Return the seconds to wait after that many failures in a row: doubling, bounded, with jitter."""
    doubled = config.retry_first * 2.0 ** min(failures - 1, 64)
    return min(doubled, config.retry_limit) * (1 + config.retry_jitter * random.random())


class Flusher(FlusherFields):
    """The flush cycles of one log."""

    short = False
    """There is not enough room on the disk: no new message is handed out (see `ackstore.core.space`)."""

    def __init__(self, host: Host, config: Config, log: Log, directory: Directory, random: Random) -> None:
        self.host, self.config, self.log = host, config, log
        self.directory = directory
        self.random = random
        self.wanted = 0
        """Somebody waits for this LSN to be FLUSHED."""
        self.opened = False
        """Some cycle has succeeded, so this open's epoch can never be given again."""
        self.hurry = True
        """Sync as soon as possible: nothing was synced yet, or a sync failed, or `draining`."""
        self.draining = False
        """The store is closing."""
        self.cycle = 0
        """Counts the cycles: a result of an earlier one is late."""
        self.left = 0
        """Results that the running cycle waits for; 0 when none is running."""
        self.segments: list[Segment] = []
        """What the running cycle syncs."""
        self.syncing: set[str] = set()
        """The files of those whose sync has not returned."""
        self.covers = 0
        """The running cycle's LSN."""
        self.covered_since: float | None = None
        """When the oldest record was written that a cycle has begun to cover, and that is not FLUSHED."""
        self.overdue_at: float | None = None
        """When the running cycle is given up."""
        self.gathering = Gathering()
        """Who is waited for before the next."""
        self.failures = 0
        self.forced = False
        """Answers wait for the disk though it does not fail: somebody has said so."""
        self.mode: Mode = config.mode
        """As configured, or degraded by failures or by force; `shown` is how the store really answers."""
        self.retry_at: float | None = None
        self.began = 0.0
        """When the running cycle did."""
        self.seconds = Histogram(SYNC_SECONDS)
        """How long the cycles took that succeeded."""
        self.records = Histogram(BATCH_RECORDS)
        """How many records each of them made FLUSHED."""
        self.failed_seconds = Histogram(SYNC_SECONDS)
        """How long those took that failed, until they did or were given up."""
        self.retries = 0
        """Cycles that began after a failure."""
        self.syncs = self.sync_failures = self.sync_timeouts = 0

    # How the store answers

    def refuses(self) -> bool:
        """Tell whether a new record would be BUSY (clause `memory-is-bounded`)."""
        log = self.log
        full = log.unflushed >= log.most_records or log.unflushed_bytes >= log.most_bytes
        return full or log.stuck or self.mode == "refuse"

    def answers_when_cached(self) -> bool:
        """Tell whether a record that becomes CACHED now may be answered; if not, when it is FLUSHED. Not when half of
        the limit on unflushed records or bytes is reached: that holds clients up before any is refused."""
        return self.would_answer(0, 0)

    def would_answer(self, records: int, size: int) -> bool:
        """Tell the same, as if there were this many more `records` in the log, of `size` bytes together."""
        log = self.log
        if (log.unflushed + records) * 2 >= log.most_records or (log.unflushed_bytes + size) * 2 >= log.most_bytes:
            return False
        return self.mode == "async"

    @property
    def shown(self) -> Mode:
        """How the store answers now, whatever the reason: what `refuses` and `answers_when_cached` say."""
        if self.refuses():
            return "refuse"
        return "async" if self.answers_when_cached() else "sync"

    def degrade(self, *, forced: bool) -> None:
        """Let answers wait for the disk from now on, or no longer than it fails."""
        self.forced = forced
        self._count(self.failures)

    def want(self, lsn: int) -> None:
        """Note that somebody waits for this record to be FLUSHED: do not wait for the interval."""
        self.wanted = max(self.wanted, lsn)

    def oldest(self) -> float | None:
        """Return when the oldest record that is CACHED and not FLUSHED was written."""
        return self.log.dirty_since if self.covered_since is None else self.covered_since

    # When

    def due(self) -> float | None:
        """Return the earliest time at which `tick` has something to do; None for never."""
        log = self.log
        if self.left:
            return self.overdue_at
        if log.stuck:
            return self.retry_at
        since = log.dirty_since
        if since is None or log.to_rewrite:
            return None
        if self.retry_at is not None:
            return self.retry_at
        if self.hurry:
            return since
        if self.wanted > log.flushed:
            return self.gathering.due(since, log.last)
        return since + self.config.flush_interval

    def tick(self, now: float) -> None:
        """Do what is due."""
        due = self.due()
        if due is None or now < due:
            return
        if self.left:
            self.sync_timed_out(now)
            return
        self.retry_at = None
        log = self.log
        if log.stuck:
            log.unstick()
            if log.dirty_since is not None and not log.to_rewrite and not self.blocked:
                self.begin(now)  # what is CACHED need not wait for there to be room again
        elif self.blocked:
            self._pause(now)
        else:
            self.begin(now)

    @property
    def blocked(self) -> bool:
        """Whether nobody is left to perform another cycle: every thread is in a sync that was given up."""
        most = self.config.flush_threads
        return len(self.log.abandoned.hanging) >= most or (self.log.unsynced_entry and self.directory.full)

    # The cycle

    def begin(self, now: float) -> None:
        """Sync all that is CACHED."""
        log = self.log
        self.cycle += 1
        self.began = now
        self.gathering.ends(log.last)
        self.segments = log.dirty_segments()
        self.covers = log.last
        self.covered_since = self.oldest()
        self.overdue_at = now + self.config.sync_timeout
        entry = log.unsynced_entry
        log.sync_begins()
        self.left = len(self.segments) + entry
        self.syncing = {segment.file for segment in self.segments}
        self.retries += bool(self.failures)
        for segment in self.segments:
            self.host.request(Sync(segment.file), partial(self._synced, self.cycle, segment.file))
        if entry:
            self.directory.sync(partial(self._returned, self.cycle))

    def _synced(self, of_cycle: int, file: str, result: Result, now: float) -> None:
        if of_cycle == self.cycle and self.left:
            self.syncing.discard(file)
            self._returned(of_cycle, result, now)
        else:  # it was given up; no late success makes the file trustworthy
            blocked = self.blocked
            self.log.abandoned.returned(file)
            if blocked and not self.blocked and self.retry_at is not None:
                self.retry_at = now

    def _returned(self, of_cycle: int, result: Result, now: float) -> None:
        if of_cycle != self.cycle or not self.left:
            return  # the sync of the directory came too late
        if isinstance(result, Failed):
            self.sync_failed(now)
            self.host.ran_out(result.errno, now)
            return
        self.left -= 1
        if not self.left:
            self.sync_succeeded(now)

    def sync_succeeded(self, now: float) -> None:
        """Take everything that the cycle covers for FLUSHED (clauses `flush-is-real`, `survives-power-loss`)."""
        self._end()
        self.covered_since = None
        self.syncs += 1
        self.seconds.observe(now - self.began)
        self.records.observe(self.covers - self.log.flushed)
        self._count(0)
        if not self.log.stuck:  # a write that failed meanwhile still has to be tried again
            self.retry_at = None
        self.opened = True
        self.hurry = self.draining
        if self.mode == "sync":
            self.gathering.begins(self.covers - self.log.flushed, self.log.last, now, now - self.began)
        self.log.sync_succeeded(self.segments, self.covers, now)

    def sync_failed(self, now: float) -> None:
        """Take nothing for FLUSHED, and trust the files no more (clause `flush-rewrites`)."""
        if self.left:
            self.failed_seconds.observe(now - self.began)
        self.log.abandoned.hang(self.syncing)
        self.syncing = set()
        self._end()
        self.covered_since = self.oldest()
        self.sync_failures += 1
        self._pause(now)
        self.log.condemn()

    def sync_timed_out(self, now: float) -> None:
        """Give the sync up: it may yet store what it covers, but must not count as if it had."""
        self.sync_timeouts += 1
        of_cycle = self.cycle
        self.directory.give_up(now)
        if self.left and of_cycle == self.cycle:
            self.sync_failed(now)

    def entry_failed(self, now: float) -> None:
        """Note that a sync of the directory failed: an entry that none has covered is suspect."""
        if self.log.unsynced_entry:
            self.sync_failed(now)

    def rewrite_failed(self, now: float) -> None:
        """Note that what has to be written again could not be: no sync can help before it is."""
        self._pause(now)

    def _pause(self, now: float) -> None:
        self._count(self.failures + 1)
        self.hurry = True
        self.retry_at = now + pause(self.failures, self.config, self.random)

    def _count(self, failures: int) -> None:
        """Note how many failures there were in a row, and what that means for answers."""
        config = self.config
        self.failures = failures
        if failures >= config.max_sync_failures:
            self.mode = "refuse"
        else:
            self.mode = "sync" if failures >= config.degrade_after or self.forced else config.mode

    def _end(self) -> None:
        self.left = 0
        self.overdue_at = None
