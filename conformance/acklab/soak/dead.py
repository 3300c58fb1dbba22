"""A dead disk: for a while no sync returns, until every flush thread hangs, and clients go on.

What is kept in memory, what the page cache may hold, and the files, descriptors and threads that it takes must stay
bounded, every call be answered in time, and clients be told BUSY instead of being kept waiting. When the disk is well
again the store has to answer as it did before, and to come to rest with nothing left.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Protocol

from attrs import Factory, define, field

from ackcheck.findings import GradeReport
from acklab.soak.clients import Client, Common
from acklab.soak.disk import FaultyDisk
from acklab.soak.injection import DEAD_DISK, NO_FAULTS, Faults
from acklab.soak.memory import ALLOWED, MIB, Samples, descriptors
from acklab.soak.plaindisk import PlainDisk
from acklab.soak.settings import LIMIT_BYTES, SPILL_BYTES
from ackmodel import Clause
from ackmodel.observe import monitors
from ackmodel.observe.broken import Broken
from ackstore import Config
from ackstore.words.stats import Stats

SHARE = 0.2
"""Of the time of a soak; the disk is dead for that long, once."""

SHORTEST = 1.0
"""Seconds for which it is dead at least."""

BEGINS = 0.4
"""Share of the time after which it may die."""

LATE = 5.0
"""Seconds beyond its timeout after which an answer is late, on a machine that has other things to do as well."""

LONG_ENOUGH = 5.0
"""Seconds of BUSY below which nothing is said of memory, nor of whether somebody is told so."""


@define
class Taken:
    """What the store and its process take: bytes dirty, segments, descriptors, threads."""

    dirty: int
    files: int
    descriptors: int
    threads: int


class Soaked(Protocol):
    """What is asked of the soak (`acklab.soak.campaign.Soak`)."""

    folder: Path
    config: Config
    report: GradeReport
    common: Common
    disk: FaultyDisk | PlainDisk
    clients: list[Client]
    ran: Counter[str]
    broken: Broken | None

    @property
    def patience(self) -> float:
        """Return the seconds after which what has not come never will."""

    def set_faults(self, faults: Faults, /) -> None:
        """Change the faults of the disk."""

    def look(self) -> None:
        """Look into the store, as its monitors do."""

    def check_hanging(self, most: float, /) -> None:
        """Check that no call takes longer."""

    def tell(self) -> None:
        """Report how far it is."""

    def halt(self) -> None:
        """Have the clients stop."""

    def settle_down(self) -> None:
        """Wait until nothing is outstanding."""

    def let_go(self) -> None:
        """Have the clients go on."""


@define(eq=False)
class DeadDisk:
    """One stretch of it in the life of a soak. `allowed` is the growth of memory, in bytes, that counts as flat."""

    soak: Soaked
    allowed: int = ALLOWED
    before: Taken = field(init=False)
    most: Taken = field(init=False)
    samples: Samples = Factory(lambda: Samples(LONG_ENOUGH))
    """Of memory, from when on the store refuses."""
    refused_since: float | None = None
    busy_then: int = 0

    def last(self, seconds: float) -> None:
        """Have the disk dead for so long, and then let it be well; `Broken` at the first thing that is wrong."""
        soak = self.soak
        self.before = self.most = self._taken(soak.common.store.stats(count=False))
        for client in soak.clients:
            client.longest = 0.0
        soak.set_faults(DEAD_DISK)
        until = time.monotonic() + seconds
        while time.monotonic() < until and not soak.broken:
            soak.look()
            self._judge(soak.common.store.stats(count=False))
            soak.check_hanging(soak.config.op_timeout + LATE)
            soak.tell()
            time.sleep(0.1)
        self._judge_time()
        self._tell(seconds)
        soak.set_faults(NO_FAULTS)
        self._judge_return()

    def _taken(self, stats: Stats) -> Taken:
        folder = self.soak.folder
        segments = sum(1 for _ in folder.glob("log-*.seg"))
        return Taken(stats.dirty_bytes, segments, descriptors(), threading.active_count())

    def _limits(self) -> Taken:
        """Return what it may be at most. Of what is unflushed there is a copy for each thread, and one."""
        config, before = self.soak.config, self.before
        unflushed = LIMIT_BYTES + SPILL_BYTES
        pools = config.logs + (config.logs > 1)
        hanging = config.flush_threads * pools
        segments = unflushed // config.segment_bytes + 2 * config.logs
        return Taken(
            dirty=(config.flush_threads + 1) * unflushed,
            files=before.files + segments + hanging,
            descriptors=before.descriptors + 2 * segments + hanging,
            threads=before.threads + hanging,
        )

    def _judge(self, stats: Stats) -> None:
        now, limits = self._taken(stats), self._limits()
        self.most = Taken(*(max(getattr(self.most, name), getattr(now, name)) for name in Taken.__slots__[:4]))
        names = ("dirty", "files", "descriptors", "threads")
        over = monitors.memory_is_bounded(
            {f"{name} on a dead disk": getattr(now, name) for name in names},
            {f"{name} on a dead disk": getattr(limits, name) for name in names},
        )
        self.soak.common.oracle.check(Clause.MEMORY_IS_BOUNDED, over)
        if stats.mode != "refuse":
            return
        if self.refused_since is None:
            self.refused_since, self.busy_then = time.monotonic(), self._busy()
        self.samples.measure(time.monotonic())

    def _busy(self) -> int:
        return sum(client.replies["BUSY"] for client in self.soak.clients)

    def _judge_time(self) -> None:
        """Once nothing more is taken, clients are told so, and memory is flat."""
        oracle = self.soak.common.oracle
        if self.refused_since is None or time.monotonic() < self.refused_since + LONG_ENOUGH:
            return
        told = self._busy() > self.busy_then
        oracle.check(Clause.MEMORY_IS_BOUNDED, None if told else "nothing is taken any more, and nobody is told BUSY")
        growth = self.samples.growth()
        if growth is not None:
            self.soak.report.figures["MiB grown while the disk was dead"] = round(growth / MIB, 2)
            over = f"on a dead disk resident memory grew by {growth / MIB:.1f} MiB, though nothing was taken any more"
            oracle.check(Clause.MEMORY_IS_BOUNDED, over if growth > self.allowed else None)

    def _tell(self, seconds: float) -> None:
        soak, most, before = self.soak, self.most, self.before
        soak.ran["dead disk"] += 1
        soak.ran["dead disk: answered BUSY"] += self._busy() - self.busy_then if self.refused_since else 0
        soak.ran["dead disk: syncs that hung"] += soak.disk.injector.hanging
        soak.report.figures |= {
            "s the disk was dead": round(seconds, 1),
            "s the longest answer took then": round(max(map(_longest, soak.clients)), 2),
            "KiB dirty then, at most": round(most.dirty / 1024, 1),
            "segments more then, at most": most.files - before.files,
        }

    def _judge_return(self) -> None:
        """Check that on a disk that is well the store answers as before, and at rest nothing is left."""
        soak, store = self.soak, self.soak.common.store
        until = time.monotonic() + soak.patience
        while store.stats(count=False).mode != soak.config.mode and time.monotonic() < until:
            time.sleep(0.02)
        mode = store.stats(count=False).mode
        stuck = None if mode == soak.config.mode else f"mode {mode}"
        soak.common.oracle.check(Clause.FLUSH_DEGRADES, monitors.flush_degrades(stuck))
        soak.halt()
        soak.settle_down()
        soak.let_go()


def _longest(client: Client) -> float:
    """Return the seconds that the longest call took, or has taken up to now."""
    since = client.since
    return max(client.longest, 0.0 if since is None else time.monotonic() - since)
