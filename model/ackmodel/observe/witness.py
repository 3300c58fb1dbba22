"""What a store shows of itself, and what must be so then: its offsets, what it holds, what it has written.

>>> witness = Witness(Level.PAGE_CACHE)
>>> witness.saw_offset("q", monitors.Sighting(committed=3, persisted=3), unflushed=[])
>>> try:
...     witness.saw_offset("q", monitors.Sighting(committed=1, persisted=1), unflushed=[])
... except Broken as broken:
...     print(broken)
commit-is-monotone: the offset went back to 1, though 3 was on the disk
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from attrs import Factory, define, field

from ..spec.clauses import Clause
from ..spec.stages import Level
from . import monitors
from .broken import Broken, Key
from .contract import Contract
from .events import MadeDurable, Reply
from .monitors import IoCounts, Sighting
from .options import OracleOptions
from .queue import Queue
from .worlds import World


@define(eq=False)
class Witness:
    """Everything that is known of one store that claims `level`, a queue at a time. Methods raise `Broken` at the first
    impossible observation.

    `max_attempts` is the number of deliveries after which the store says to dead-letter a message; None: never.
    """

    level: Level
    max_attempts: int | None = None
    options: OracleOptions = Factory(OracleOptions)
    queues: dict[str, Queue] = Factory(dict)
    _receipts: dict[str, Key] = Factory(dict)
    _submitted: set[str] = Factory(set)
    _written: set[str] | None = None
    _confirmed: set[str] = Factory(set)
    _counted: set[str] = Factory(set)
    """The receipts of which an ack was answered OK since the last fault."""
    _copies: dict[str, tuple[int, int]] = Factory(dict)
    """Of each ack how often it was written, and how much trouble there had been when it was written first."""
    _trouble: int = 0
    """How often an I/O failed or took long, or the store was stopped."""
    settled_again: bool = True
    """Whether a second ack of a delivery is answered SETTLED; not all stores promise it."""
    _checked: Counter[Clause] = Factory(Counter)
    doubtful: bool = False
    """Whether the file system may say OK to a sync of what is lost."""
    _opened_in_doubt: bool = False
    """Whether it was when the store was opened last: a power loss may take that it was ever opened so."""
    _unproved: set[str] = Factory(set)
    """The receipts that were issued since: after a power loss the store cannot tell them from those to come."""
    _hurt: bool = False
    """Whether the disk has failed: only then is it something that the store answers again."""
    _lock: AbstractContextManager[object] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lock = self._new_lock()

    @property
    def checked(self) -> Counter[Clause]:
        """How often each clause was put to the test."""
        return sum((queue.checked for queue in self.queues.values()), self._checked.copy())

    def times_checked(self, clause: Clause) -> int:
        """Return how often one clause was put to the test."""
        return self._checked[clause] + sum(queue.checked[clause] for queue in self.queues.values())

    def contract(self, key: Key) -> Contract:
        """Return what is known of one message."""
        name, offset = key
        return self._queue(name).contract(offset)

    def says_attempts(self, most: int | None) -> None:
        """Note after how many deliveries the store dead-letters a message; it holds for messages told of later."""
        self.max_attempts = most
        for queue in self.queues.values():
            queue.max_attempts = most

    def says_of_second_acks(self, *, settled: bool) -> None:
        """Note whether the store promises to answer a second ack of a delivery SETTLED."""
        self.settled_again = settled

    def check(self, clause: Clause, why: str | None, *, could_fail: bool = True) -> None:
        """Count one test of a clause of the whole store, if it could have failed; raise `Broken` if `why` says so."""
        with self._lock:
            self._checked[clause] += could_fail or why is not None
        if why is not None:
            raise Broken(clause, why)

    # --- what a sync is worth ---------------------------------------------------------------------------------------

    def doubt_syncs(self) -> None:
        """Note that the file system may have given up, and says OK all the same to a sync of what is lost
        (specs/filesystems.md).

        Until `syncs_were_real`, or the power goes, OK promises what it does at level PAGE_CACHE, a barrier, a reset, a
        callback and what is shown as flushed promise nothing, and nobody knows which offset is on the disk.
        """
        self.doubtful = True
        self._claims()

    def syncs_were_real(self) -> None:
        """Note that the file system has not given up: what was answered meanwhile is what the level promises."""
        doubted = self.doubtful
        self._end_doubt()
        for told in self.queues.values() if doubted and self.level is Level.DISK else ():
            with told.lock:
                told.survives("answer")

    def _end_doubt(self) -> None:
        """Believe syncs from here on; what was answered before is as it is."""
        self.doubtful = self._opened_in_doubt = False
        self._unproved.clear()
        self._claims()

    @property
    def _claimed(self) -> Level:
        """What an OK promises now."""
        return Level.PAGE_CACHE if self.doubtful and self.level is Level.DISK else self.level

    def _claims(self) -> None:
        for told in self.queues.values():
            with told.lock:
                told.claims(self._claimed)

    def clock_set_back(self, at: float) -> None:
        """Note that while the store was closed its clock was set back to this time; to be told after `stopped`."""
        for told in self.queues.values():
            with told.lock:
                told.clock_set_back(at)

    # --- at any time ------------------------------------------------------------------------------------------------

    def begins(self, queue: str, offset: int) -> None:
        """`queue` begins with this message: what lies below was done with long ago. To be told before anything else."""
        with self._queue(queue).lock:
            self._queue(queue).begin_at(offset)

    def handed_out_before(self, queue: str, offset: int, times: int) -> None:
        """Message `offset` of `queue` was handed out so many times before anybody looked, and is in nobody's hands."""
        with self._queue(queue).lock:
            self._queue(queue).contract(offset).worlds = frozenset({World(least=times, most=times, sure=times)})

    def withdrawn(self, queue: str, end: int) -> None:
        """`queue` has lost its messages from `end` on, none of which was ever handed out."""
        with self._queue(queue).lock:
            self._queue(queue).withdraw(end)

    def wrote(self, receipts: Iterable[str], trouble: int = 0) -> None:
        """Note that a write of the store, whole or in part, held the acks of these receipts, and how often there was
        trouble since it began: what was written meanwhile may have to be written again too.
        """
        held = list(receipts)
        self._written = (self._written or set()).union(held)
        self._check_written()
        for receipt in held:
            copies, before = self._copies.get(receipt, (0, self._trouble - trouble))
            self._copies[receipt] = (copies + 1, before)
            if receipt in self._confirmed:
                self._check_copies(receipt)

    def io_in_trouble(self) -> None:
        """Note that an I/O of the store failed, or has taken so long that the store may have given it up."""
        self._trouble += 1

    def saw_unknown(self, what: str, *, trouble: bool) -> None:
        """Note that an operation was answered UNKNOWN, and whether some I/O failed meanwhile, or took long."""
        self.check(Clause.UNKNOWN_HAS_A_CAUSE, monitors.unknown_has_a_cause(what, trouble=trouble))

    def saw_memory(self, outstanding: Mapping[str, float], limits: Mapping[str, float]) -> None:
        """Note what the store has outstanding now, and at most ever."""
        why = monitors.memory_is_bounded(outstanding, limits)
        self.check(Clause.MEMORY_IS_BOUNDED, why, could_fail=bool(limits))

    def saw_offset(self, queue: str, now: Sighting, unflushed: Iterable[int] | None, floor: int | None = None) -> None:
        """Note the offsets that the store shows; `unflushed` acks it shows too (None under policy checkpoint).

        `floor` is what a store shows that knows below which offset all is settled and flushed, whatever its policy.
        """
        told = self._queue(queue)
        with told.lock:
            if told.resets or self.doubtful:
                return
            before, restarted = told.sighting, told.restarted
            why = monitors.commit_is_monotone(before, now, kept=told.kept, restarted=restarted)
            told.check(Clause.COMMIT_IS_MONOTONE, why, could_fail=before is not None and before.committed > 0)
            settled = floor if unflushed is None else now.committed
            if settled is not None:
                self._check_settled(told, settled, unflushed or (), comes_up=restarted or before is None)
            told.sighting, told.kept = now, max(now.persisted, told.kept)
            told.restarted = False
            if settled is not None:
                self._forget_below(told, min(now.persisted, settled))

    def saw_reply(self, asked: IoCounts, answered: IoCounts) -> None:
        """Note that an ack was answered OK, and the I/O that had been done when it was asked, and when answered."""
        if self.level is not Level.MEMORY:
            self.check(Clause.REPLY_AFTER_STAGE, monitors.reply_after_stage(self.level, asked, answered))

    def saw_flushed(self, receipts: Iterable[str]) -> None:
        """Note that the store shows the acks of these receipts as flushed: they survive power loss, then.

        That of an earlier delivery, from before a reset, says nothing of the ack that settles the message now.
        """
        for (name, offset), receipt in sorted((self._receipts[each], each) for each in receipts if not self.doubtful):
            told = self._queue(name)
            with told.lock:
                newest = receipt == told.receipts[offset][-1]
                if newest and offset in told.acknowledged and offset not in told.shown_flushed:
                    told.shown_flushed.add(offset)
                    told.observe(offset, MadeDurable("stage"))

    # --- when it has had time ---------------------------------------------------------------------------------------

    def saw_idle(self, unflushed: int, idle: float, interval: float) -> None:
        """Note that the store had nothing to do for `idle` seconds, on a disk that works."""
        self.check(Clause.FLUSH_WHEN_IDLE, monitors.flush_when_idle(unflushed, idle, interval))

    def saw_answers_again(self, refused: Reply | None) -> None:
        """Note that the disk works again, and the store has had time: it answers OK, or else this."""
        why = monitors.flush_degrades(refused.value if refused else None)
        self.check(Clause.FLUSH_DEGRADES, why, could_fail=self._hurt)

    def saw_quiescence(self, outstanding: Mapping[str, float]) -> None:
        """Note that everything is settled, flushed and committed; this is what the store has outstanding."""
        why = monitors.quiescence_is_zero(outstanding)
        self.check(Clause.QUIESCENCE_IS_ZERO, why, could_fail=bool(outstanding))

    def saw_space(self, held: float, most: float, kept: float = float("inf")) -> None:
        """Note that everything is settled, flushed and committed, how many bytes the directory holds, how many the
        store says that are at most, and how many it would hold at least that had kept everything.
        """
        self.check(Clause.SPACE_IS_BOUNDED, monitors.space_is_bounded(held, most), could_fail=kept > most)

    def saw_all_settled(self, queue: str, now: Sighting) -> None:
        """Note that every message of a queue is settled and flushed, and the store was idle since."""
        told = self._queue(queue)
        with told.lock:
            told.check(Clause.COMMIT_PROGRESSES, monitors.commit_progresses(now, told.end, told.end))

    def unsettled(self, queue: str) -> list[str]:
        """Return the newest receipt of each message that was handed out, and is not certainly settled."""
        told = self._queue(queue)
        with told.lock:
            left = (offset for offset, contract in told.contracts.items() if not contract.certainly_settled)
            return [told.receipts[offset][-1] for offset in sorted(left) if offset in told.receipts]

    def is_settled(self, queue: str) -> bool:
        """Tell whether there are messages in a queue, and every one is certainly settled."""
        told = self._queue(queue)
        with told.lock:
            return told.end > 0 and all(contract.certainly_settled for contract in told.contracts.values())

    def lags(self, queue: str, now: Sighting) -> str | None:
        """Return how an offset lags behind what is settled, and certainly flushed, if it does."""
        told = self._queue(queue)
        with told.lock:
            return None if told.resets else monitors.commit_progresses(now, told.first_open, told.end)

    def saw_caught_up(self, queue: str, now: Sighting) -> None:
        """Note that this is the offset of a queue that may have messages in hand; the store was idle for a while."""
        told = self._queue(queue)
        with told.lock:
            told.check(Clause.COMMIT_PROGRESSES, self.lags(queue, now), could_fail=told.first_open > 0)

    # --- within -----------------------------------------------------------------------------------------------------

    def _new_lock(self) -> AbstractContextManager[object]:
        return threading.RLock() if self.options.locking else nullcontext()

    def _queue(self, name: str) -> Queue:
        told = self.queues.get(name)
        if told is None:
            made = Queue(name, self._claimed, self.max_attempts, self.options.forget, self._new_lock())
            told = self.queues.setdefault(name, made)
        return told

    def _check_settled(self, told: Queue, settled: int, unflushed: Iterable[int], *, comes_up: bool) -> None:
        """Check that below this offset everything is settled, and flushed."""
        passed = [
            offset for offset, contract in told.contracts.items() if offset < settled and contract.certainly_unsettled
        ]
        could_pass = bool(passed) or any(contract.certainly_unsettled for contract in reversed(told.contracts.values()))
        sighting = Sighting(settled, settled)
        if comes_up:
            why = monitors.derived_never_ahead(sighting, passed)
            undone = self._undone_reset(told, settled) if why else None
            told.check(undone or Clause.DERIVED_NEVER_AHEAD, why, could_fail=could_pass)
        waiting = list(unflushed)
        why = monitors.commit_is_safe(sighting, unsettled=passed, unflushed=waiting)
        told.check(Clause.COMMIT_IS_SAFE, why, could_fail=could_pass or bool(waiting))

    def _undone_reset(self, told: Queue, offset: int) -> Clause | None:
        """Return the clause that falls if the offset is beyond a message that a reset had made as new."""
        passed = (contract for index, contract in told.contracts.items() if index < offset)
        undone = any(contract.reset and contract.certainly_unsettled for contract in passed)
        return Clause.COMMIT_IS_MONOTONE if undone else None

    def _forget_below(self, told: Queue, offset: int) -> None:
        self._forget(told.forget_below(offset))

    def _issued(self, receipt: str, key: Key) -> None:
        """Note of which message a receipt is."""
        self._receipts[receipt] = key
        if self._opened_in_doubt:
            self._unproved.add(receipt)

    def _opened(self, *, power_lost: bool) -> None:
        """Note that the store was opened again: after a power loss on a disk that there is no doubt of."""
        if power_lost:
            self._forget_unproved()
            self._end_doubt()
        self._opened_in_doubt = self.doubtful

    def _forget_unproved(self) -> None:
        """Forget the receipts of a store that was opened in doubt: the next may be issued anew."""
        for receipt in self._unproved:
            name, offset = self._receipts.get(receipt, ("", -1))
            issued = self._queue(name).receipts if name else {}
            issued[offset] = [other for other in issued.get(offset, ()) if other != receipt]
            if not issued[offset]:
                del issued[offset]
        self._forget(self._unproved)

    def _forget(self, receipts: Iterable[str]) -> None:
        """Forget what was issued: these receipts name nothing any more."""
        for receipt in receipts:
            self._receipts.pop(receipt, None)
            self._submitted.discard(receipt)
            self._confirmed.discard(receipt)
            self._counted.discard(receipt)
            self._copies.pop(receipt, None)
            if self._written is not None:
                self._written.discard(receipt)

    def _check_copies(self, receipt: str) -> None:
        """Check how often an ack was written that was answered OK."""
        copies, before = self._copies.get(receipt, (0, 0))
        why = monitors.written_once(receipt, copies, self._trouble - before)
        self.check(Clause.WRITTEN_ONCE, why, could_fail=copies > 0)

    def _check_written(self) -> None:
        if self._written is not None:
            answered = set() if self.level is Level.MEMORY else self._confirmed
            why = monitors.submitted_is_written(self._submitted, self._written, answered)
            self.check(Clause.SUBMITTED_IS_WRITTEN, why)
