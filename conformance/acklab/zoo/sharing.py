"""Bugs of a store with several logs: what one of them has done counts for another."""

from __future__ import annotations

from attrs import evolve

from acklab.zoo.bug import FALSE_FLUSH, Bug
from ackmodel import Clause
from ackstore.core.core import Core
from ackstore.core.effects import Answer
from ackstore.core.sharded import Gathered, Sharded
from ackstore.format.filenames import FileNames
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config


class _TheFirstCountsForAll(Sharded):
    def gather(self, log: int, answer: Answer) -> None:
        gathered = self.gathering[answer.op]
        if self._is_barrier(gathered) and gathered.left == len(self.cores):
            self.effects.append((0, answer))
        super().gather(log, answer)

    def end(self, gathered: Gathered) -> None:
        super().end(gathered)
        if self._is_barrier(gathered):
            self.effects.pop()  # it was answered before

    def _is_barrier(self, gathered: Gathered) -> bool:
        return gathered.items is None and gathered is not self.closing


class BarrierOfTheNewestMark(Core):
    """Of the marks of several logs the one that is furthest counts: a barrier is answered when one log is flushed."""

    sharded_class = _TheFirstCountsForAll


class _OneMarkFile(FileNames):
    @property
    def offsets(self) -> str:
        return f"offsets-1of{self.logs}"

    @property
    def offsets_tmp(self) -> str:
        return f"{self.offsets}.tmp"


class OneMarkFileForAll(Core):
    """Every log writes its offsets and its mark to the same file: the last one to do so wins."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        names = _OneMarkFile(recovered.names.log, recovered.names.logs)
        super().__init__(config, evolve(recovered, names=names), now)


BUGS = (
    Bug(
        "newest-mark-of-several-logs-counts",
        BarrierOfTheNewestMark,
        FALSE_FLUSH,
        "BookKeeper #3329, #2083",
        logs=2,
    ),
    Bug(
        "several-logs-share-one-mark-file",
        OneMarkFileForAll,
        (
            Clause.COMMIT_IS_MONOTONE,
            Clause.SURVIVES_PROCESS_CRASH,
            Clause.SURVIVES_POWER_LOSS,
            Clause.CLOSE_DRAINS,
            Clause.DERIVED_NEVER_AHEAD,
        ),
        "BookKeeper #1254",
        logs=2,
    ),
)
