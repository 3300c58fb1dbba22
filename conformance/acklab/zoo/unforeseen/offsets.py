"""Stores whose offset goes too far, back, or nowhere, and whose log loses what still counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from attrs import evolve

from acklab.zoo.bug import Bug
from ackmodel import Clause
from ackstore.core.compaction import Compaction
from ackstore.core.core import Core
from ackstore.core.entries import Entry
from ackstore.core.offsets import Offsets
from ackstore.core.queues import Queue
from ackstore.core.states import SETTLED, Item
from ackstore.fields.classes import RecordFields
from ackstore.format.recovery import MOST_LSN, Recovered
from ackstore.words.config import Config


class _PassesTheFree(Queue):
    def move_floor(self) -> None:
        super().move_floor()
        while self.floor in self.free:
            self.free.remove(self.floor)
            self.floor += 1
            super().move_floor()


class PassesWhatWasGivenBack(Core):
    """The offset passes a message whose checkpoint could not be stored: it is in nobody's hands, so nobody minds."""

    queue_class = _PassesTheFree


class _TrustsTheRename(Offsets):
    STEPS: ClassVar[Any] = ("create", "write", "sync", "rename")


class RenameIsNotSynced(Core):
    """The new offset file counts as on the disk once it is renamed: the directory is not synced."""

    offsets_class = _TrustsTheRename


class OldOffsetsAfterAReset(Core):
    """When the store opens, the offset file is believed whatever resets the log tells of."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, evolve(recovered, offsets=evolve(recovered.offsets, flushed=MOST_LSN)), now)


class _BuriesWithoutCounting(Core):
    def flushed(self, records: list[RecordFields], now: float) -> None:
        others = [record for record in records if record.kind != 4]
        dead = [record for record in records if record.kind == 4]
        for record in dead:
            self._parts[record.kind].flushed(record)
        super().flushed(others, now)


class StuckBehindDeadLetters(_BuriesWithoutCounting):
    """A dead letter moves no offset: that waits for the next ack of its queue."""


class _RetiresWhatIsClosed(Compaction):
    def begin(self, now: float) -> None:
        super().begin(now)
        if self.phase == "copy":
            self.victims = list(self.log.closed)

    def remove(self, now: float) -> None:
        self.victims = [segment for segment in self.victims if segment in self.log.closed]  # some was given up since
        super().remove(now)


class RetiresWhatIsNotFlushed(Core):
    """Compaction removes every closed segment, also one with records that were not FLUSHED when it began."""

    compaction_class = _RetiresWhatIsClosed


class _MarksWhatIsWritten(Offsets):
    def start(self, now: float) -> None:
        self.taken_lsn = self.log.last
        super().start(now)


class MarkAheadOfTheLog(Core):
    """The offset file says that everything was synced that had been written when it was."""

    offsets_class = _MarksWhatIsWritten


class _ForgetsTheSettled(Compaction):
    @staticmethod
    def item(queue: Queue, offset: int) -> Item | tuple[()] | None:
        item = Compaction.item(queue, offset)
        return () if item and item[0] == SETTLED else item


class CompactionForgetsTheSettled(Core):
    """What is settled above the offset is not copied: the offset says what is settled, so it was thought."""

    compaction_class = _ForgetsTheSettled


class _KeepsLateAcks(Queue):
    late: tuple[Entry, ...] = ()

    def settle(self, entries: Iterable[Entry]) -> None:
        settled = tuple(entries)
        super().settle(settled)
        self.late += settled if self.resetting is not None else ()

    def reset(self, offset: int, generation: int, lsn: int) -> None:
        kept, self.late = self.late, ()
        super().reset(offset, generation, lsn)
        self.entries.update((entry.offset, entry) for entry in kept if entry.offset >= offset)
        self.replayed()


class AcksOutliveAReset(Core):
    """An ack that is on its way when a reset is asked for settles its message after the reset too."""

    queue_class = _KeepsLateAcks


STORES = (
    Bug(
        "acks-outlive-a-reset",
        AcksOutliveAReset,
        (Clause.COMMIT_IS_SAFE, Clause.COMMIT_IS_MONOTONE),
        "what is under way of its queue comes before a reset or after it",
    ),
    Bug(
        "passes-what-was-given-back",
        PassesWhatWasGivenBack,
        (Clause.COMMIT_IS_SAFE,),
        "never before it has passed all messages below",
    ),
    Bug(
        "rename-is-not-synced",
        RenameIsNotSynced,
        (Clause.COMMIT_IS_MONOTONE,),
        "the offset on the disk never goes back",
    ),
    Bug(
        "old-offsets-after-a-reset",
        OldOffsetsAfterAReset,
        (Clause.COMMIT_IS_MONOTONE,),
        "no restart may bring one of them back",
    ),
    Bug(
        "stuck-behind-dead-letters",
        StuckBehindDeadLetters,
        (Clause.COMMIT_PROGRESSES,),
        "the offset reaches that point, in memory and on the disk",
    ),
    Bug(
        "retires-what-is-not-flushed",
        RetiresWhatIsNotFlushed,
        (Clause.RETIRE_IS_SAFE,),
        "discarded only when a FLUSHED record settles it",
    ),
    Bug(
        "mark-ahead-of-the-log",
        MarkAheadOfTheLog,
        (Clause.DERIVED_NEVER_AHEAD,),
        "no offset file claims more than the log on the same disk supports",
    ),
    Bug(
        "compaction-forgets-the-settled",
        CompactionForgetsTheSettled,
        (Clause.NO_RETURN,),
        "whatever timers, recoveries and clean-ups run beside it",
    ),
)
