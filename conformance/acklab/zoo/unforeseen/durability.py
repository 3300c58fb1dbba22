"""Stores that lose what they hold for stored: in the page cache, on the disk, and in what recovery reads."""

from __future__ import annotations

from functools import partial
from typing import cast

from attrs import evolve

from acklab.zoo.bug import Bug
from ackmodel import Clause, Level
from ackstore.core.core import Core
from ackstore.core.effects import Unlink
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.segment import Segment
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config


class _RemovesBeforeItIsWrittenAgain(Log):
    def _leave(self, segments: list[Segment], left: int) -> None:
        super()._leave(segments, left)
        for segment in self.superseded:
            self.host.request(Unlink(segment.file), partial(self._removed, segment.file))
        self.superseded = []


class RemovedBeforeWrittenAgain(Core):
    """What a failed sync made suspect is removed at once, and written again after that."""

    log_class = _RemovesBeforeItIsWrittenAgain


class _KnowsItsFirstEntryOnly(Log):
    def rotate(self, segment: Segment) -> None:
        first = self.current is None
        super().rotate(segment)
        self.unsynced_entry = first


class EntryOfALaterSegmentIsNotSynced(Core):
    """The directory is synced for the first segment of an open, and not for those that follow when one is full."""

    log_class = _KnowsItsFirstEntryOnly


class BelievesAllButTheLastFile(Core):
    """When the store opens, every segment but the last one is taken to be on the disk: it was full, and so closed."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        closed = [last for _number, last, _size, _name in recovered.segments[:-1]]
        proved = max([recovered.proved, *(last for last in closed if last <= recovered.last)])
        super().__init__(config, evolve(recovered, proved=proved), now)


class _CoversWhatIsThereNow(Flusher):
    def sync_succeeded(self, now: float) -> None:
        self.covers = self.log.last
        super().sync_succeeded(now)


class CoversWhatCameMeanwhile(Core):
    """A sync that succeeds makes everything FLUSHED that is written by then, not by when it began."""

    flusher_class = _CoversWhatIsThereNow


class _RewritesWhatWasCovered(Log):
    def _give_up_condemned(self) -> None:
        if not self.condemned:
            return
        covers = cast("Core", self.host).flusher.covers
        later = [record for record in self.tail if record.lsn > covers]
        self.tail = [record for record in self.tail if record.lsn <= covers]
        super()._give_up_condemned()
        self.tail.extend(later)


class RewritesOnlyWhatWasCovered(Core):
    """After a failed sync what it covered is written again, and what was written while it ran is not."""

    log_class = _RewritesWhatWasCovered


class AnswersFromALateSync(Core):
    """At the level disk an ack is answered by whichever sync ends next, also one that began before its write."""

    class _AnswersAll(Flusher):
        def sync_succeeded(self, now: float) -> None:
            waiting = [record for record in self.log.tail if record.waiters]
            super().sync_succeeded(now)
            core = cast("Core", self.host)
            for record in waiting:
                if record.kind == 2:
                    core.acks.answer(record)

    flusher_class = _AnswersAll


STORES = (
    Bug(
        "removed-before-written-again",
        RemovedBeforeWrittenAgain,
        (Clause.SURVIVES_PROCESS_CRASH,),
        "a record that was CACHED survives a crash of the process",
    ),
    Bug(
        "entry-of-a-later-segment-is-not-synced",
        EntryOfALaterSegmentIsNotSynced,
        (Clause.SURVIVES_POWER_LOSS,),
        "a record that was FLUSHED survives power loss",
    ),
    Bug(
        "believes-all-but-the-last-file",
        BelievesAllButTheLastFile,
        (Clause.RECOVERED_IS_CACHED,),
        "what recovery reads is CACHED, and no more",
    ),
    Bug(
        "covers-what-came-meanwhile",
        CoversWhatCameMeanwhile,
        (Clause.FLUSH_IS_REAL,),
        "a successful sync which began after they were written",
    ),
    Bug(
        "rewrites-only-what-was-covered",
        RewritesOnlyWhatWasCovered,
        (Clause.FLUSH_REWRITES,),
        "every record that it may have touched is written again",
    ),
    Bug(
        "answers-from-a-late-sync",
        AnswersFromALateSync,
        (Clause.REPLY_AFTER_STAGE,),
        "FLUSHED at DISK",
        level=Level.DISK,
    ),
)
