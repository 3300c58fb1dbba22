"""The oracle: holds what is seen of a store against the model, and counts what it held.

It keeps a contract (`ackmodel.observe.contract`) for each message and calls the monitors (`ackmodel.observe.monitors`)
for what a store shows of itself; it has no rules of its own. All grades of faults feed the same oracle.

>>> oracle = Oracle(Level.PAGE_CACHE)
>>> oracle.pop_asked(1, "q", deadline=30.0)
>>> oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
>>> oracle.ack_asked(2, ["r1"], at=1.0)
>>> oracle.ack_answered(2, [Reply.OK], at=1.0)
>>> oracle.drained("q", [], at=99.0)
>>> [clause.value for clause in sorted(oracle.checked)]
['no-return', 'receipt-is-exact', 'reply-exactly-once']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import Factory, define, evolve, field, frozen

from ..spec.clauses import Clause
from ..spec.stages import Level
from . import monitors
from .broken import Broken, Key
from .contract import Contract
from .events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Discarded,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    RenewAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
    Secured,
    SyncEnded,
    WriteFailed,
)
from .messages import Messages, item, name_of
from .monitors import IoCounts, Sighting

MOST_OPEN = 2
"""Renewals and releases of one message whose outcome is open, at most."""


@frozen
class Delivered:
    """One delivery, as a pop returned it."""

    receipt: str
    offset: int
    deadline: float


@define
class Oracle:
    """Judges one run of one store that claims `level`. Methods raise `Broken` at the first impossible observation.

    `max_attempts` is the number of deliveries after which the store says to dead-letter a message; None: never.
    """

    level: Level
    max_attempts: int | None = None
    messages: Messages = field(init=False)
    _receipts: dict[str, Key] = Factory(dict)
    _pops: dict[int, tuple[str, float]] = Factory(dict)
    _acks: dict[int, tuple[str, ...]] = Factory(dict)
    _changes: dict[int, tuple[Key, str] | None] = Factory(dict)
    """Renewals and releases under way: the message and the receipt, None where it was nobody's."""
    _resets: dict[int, tuple[str, int]] = Factory(dict)
    _barriers: dict[int, tuple[frozenset[Key], dict[Key, Secured]]] = Factory(dict)
    """What each covers: acks, and deliveries."""
    _deliveries: dict[Key, Secured] = Factory(dict)
    """The newest delivery of each message, and its changes that were answered OK, that no barrier has covered."""
    _acknowledged: set[Key] = Factory(set)
    _sightings: dict[str, Sighting] = Factory(dict)
    _answers: Counter[int] = Factory(Counter)
    _submitted: set[str] = Factory(set)
    _written: set[str] | None = None
    _confirmed: set[str] = Factory(set)
    _restarted: set[str] = Factory(set)
    _unsure: set[str] = Factory(set)
    """Queues whose reset has an unknown outcome: nobody knows from where their offset must not go back."""
    _shown_flushed: set[Key] = Factory(set)
    _hurt: bool = False
    """Whether the disk has failed: only then is it something that the store answers again."""

    def __attrs_post_init__(self) -> None:
        self.messages = Messages(self.level, self.max_attempts)

    @property
    def checked(self) -> Counter[Clause]:
        """How often each clause was put to the test."""
        return self.messages.checked

    @property
    def contracts(self) -> dict[Key, Contract]:
        """The contract of each message."""
        return self.messages.contracts

    def says_attempts(self, most: int | None) -> None:
        """The store says after how many deliveries it dead-letters a message; it holds for messages told of later."""
        self.max_attempts = self.messages.max_attempts = most

    # --- what the clients see ---------------------------------------------------------------------------------------

    def published(self, queue: str, end: int) -> None:
        """`queue` holds the messages 0 to `end` - 1."""
        for offset in range(end):
            self.messages.contract((queue, offset))

    def pop_asked(self, op: int, queue: str, deadline: float) -> None:
        """A pop was asked for; what it takes is hidden until `deadline` at the latest."""
        self._pops[op] = (queue, deadline)

    def popped(self, op: int, queue: str, deliveries: Sequence[Delivered], at: float) -> None:
        """A pop was answered OK with these deliveries."""
        self._ended(op)
        self._pops.pop(op, None)
        for seen in deliveries:
            key = (queue, seen.offset)
            self.messages.check(Clause.RECEIPT_IS_EXACT, self._strange(seen.receipt, key))
            self._receipts[seen.receipt] = key
            self._acknowledged.discard(key)
            self._shown_flushed.discard(key)
            self._deliveries[key] = Secured(seen.receipt)
            self.messages.observe(key, Popped(seen.receipt, at=at, deadline=seen.deadline))

    def pop_refused(self, op: int, reply: Reply) -> None:
        """A pop was answered with something else than OK; UNKNOWN leaves open whether it took messages."""
        self._ended(op)
        queue, deadline = self._pops.pop(op)
        if reply is Reply.UNKNOWN:
            self._perhaps_hidden(queue, deadline)

    def ack_asked(self, op: int, receipts: Sequence[str], at: float) -> None:
        """An ack of these receipts was asked for, as one operation."""
        self._acks[op] = tuple(receipts)
        self._submitted.update(receipts)
        for index, receipt in enumerate(receipts):
            if receipt in self._receipts:
                self.messages.observe(self._receipts[receipt], AckAsked(item(op, index), receipt, at=at))

    def ack_answered(self, op: int, replies: Sequence[Reply], at: float) -> None:
        """An ack was answered, item by item."""
        self._ended(op)
        receipts = self._acks.pop(op)
        wrong = f"{len(receipts)} receipts got {len(replies)} replies" if len(receipts) != len(replies) else None
        self.messages.check(Clause.RECEIPT_IS_EXACT, wrong)
        for index, (receipt, reply) in enumerate(zip(receipts, replies, strict=True)):
            key = self._receipts.get(receipt)
            if key is None:
                why = "a receipt that was never issued was answered OK" if reply is Reply.OK else None
                self.messages.check(Clause.RECEIPT_IS_EXACT, why)
                continue
            self.messages.observe(key, AckAnswered(item(op, index), reply, at=at))
            if reply in (Reply.OK, Reply.SETTLED):
                self._acknowledged.add(key)
            if reply is Reply.OK:
                self._confirmed.add(receipt)
        self._check_written()

    def renew_asked(self, op: int, receipt: str, at: float, deadline: float) -> None:
        """The delivery with this receipt was to be hidden until `deadline`."""
        key = self._change_asked(op, receipt)
        if key is not None:
            self.messages.observe(key, RenewAsked(op, receipt, at, deadline))

    def may_change(self, receipt: str) -> bool:
        """Whether one more renewal or release of this delivery can be judged: the worlds grow with every one whose
        outcome is open, so a harness asks for no more than a few."""
        key = self._receipts.get(receipt)
        if key is None:
            return True
        return max(world.open_changes for world in self.messages.contract(key).worlds) < MOST_OPEN

    def release_asked(self, op: int, receipt: str, at: float) -> None:
        """The delivery with this receipt was to be given back."""
        key = self._change_asked(op, receipt)
        if key is not None:
            self.messages.observe(key, ReleaseAsked(op, receipt, at))

    def change_answered(self, op: int, reply: Reply, at: float) -> None:
        """A renewal or a release was answered."""
        self._ended(op)
        about = self._changes.pop(op)
        if about is None:
            why = "a receipt that was never issued was answered OK" if reply is Reply.OK else None
            self.messages.check(Clause.RECEIPT_IS_EXACT, why)
            return
        key, receipt = about
        self.messages.observe(key, ChangeAnswered(op, reply, at))
        before = self._deliveries.get(key, Secured(receipt))
        if reply is Reply.OK and before.receipt == receipt:
            self._deliveries[key] = Secured(receipt, before.ops | {op})

    def may_reset(self, queue: str) -> bool:
        """Whether one more reset of this queue can be judged: not while the outcome of one before is open."""
        return queue not in self._unsure

    def reset_asked(self, op: int, queue: str, offset: int) -> None:
        """The offset of a queue was to be set. Until this is answered nothing else may be asked of the queue."""
        self._resets[op] = (queue, offset)
        for key in self.messages.of(queue):
            self._acknowledged.discard(key)
            self._shown_flushed.discard(key)
            self._deliveries.pop(key, None)
            self.messages.observe(key, ResetAsked(op, anew=key[1] >= offset))

    def reset_answered(self, op: int, reply: Reply) -> None:
        """A reset was answered; OK says that the offset is on the disk, and sticks."""
        self._ended(op)
        queue, offset = self._resets.pop(op)
        for key in self.messages.of(queue):
            self.messages.observe(key, ResetAnswered(op, reply))
        if reply is Reply.OK:
            self._sightings[queue] = Sighting(offset, offset)
            self._unsure.discard(queue)
        elif reply is Reply.UNKNOWN:
            self._unsure.add(queue)

    def barrier_asked(self, op: int) -> None:
        """A flush was asked for: it covers what has been answered OK by now."""
        self._barriers[op] = frozenset(self._acknowledged), dict(self._deliveries)

    def barrier_answered(self, op: int, reply: Reply) -> None:
        """A flush was answered; OK promises that what it covers survives power loss."""
        self._ended(op)
        acks, deliveries = self._barriers.pop(op)
        if reply is not Reply.OK:
            return
        self.durable(acks & self._acknowledged, "barrier")
        for key, secured in sorted(deliveries.items()):
            now = self._deliveries.get(key)
            if now is not None and now.receipt == secured.receipt:
                self.messages.observe(key, secured)
                if now == secured:
                    del self._deliveries[key]

    def durable(self, keys: Iterable[Key], by: str) -> None:
        """The acks of these messages, all of them answered, are promised to survive power loss."""
        for key in sorted(keys):
            self.messages.observe(key, MadeDurable(by))

    def called_back(self, keys: Iterable[Key], at: float) -> None:
        """The durable callback of an ack of these messages ran: what settles them survives power loss."""
        for key in sorted(keys):
            self.messages.observe(key, MadeDurable("callback", at))

    def drained(
        self,
        queue: str,
        returned: Iterable[int],
        at: float,
        dead: Collection[int] | None = None,
        *,
        all_listed: bool = True,
    ) -> None:
        """The queue was popped until it was empty; only `returned` came (they were told by `popped` too).

        `dead` are its dead letters, as read after that; None where they cannot be seen. Without `all_listed` the store
        had no time yet to list them all, and what is not among them may still be one.
        """
        came = set(returned)
        seen = self._sightings.get(queue)
        passed = seen.committed if seen is not None else 0
        for key in self.messages.of(queue):
            listed = None if dead is None else key[1] in dead or (False if all_listed else None)
            if key[1] not in came:
                limbo = Clause.COMMIT_IS_SAFE if key[1] < passed else Clause.NO_LIMBO  # the offset's fault
                self.messages.observe(key, Absent(at=at, dead=listed), limbo)
            elif listed:
                self.messages.observe(key, DeadLettered(at))

    def saw_dead(self, queue: str, offsets: Iterable[int], at: float) -> None:
        """These messages are among the dead letters."""
        for offset in sorted(set(offsets)):
            self.messages.observe((queue, offset), DeadLettered(at))

    # --- what the harness does to the store -------------------------------------------------------------------------

    def stopped(self, event: ProcessCrashed | PowerLost | Restarted) -> None:
        """The store stopped and was opened again; what was asked and not answered has an unknown outcome."""
        for queue, deadline in self._pops.values():
            self._perhaps_hidden(queue, deadline)
        self._pops.clear()
        self._acks.clear()
        self._changes.clear()
        self._barriers.clear()
        self._unsure.update(queue for queue, _ in self._resets.values())
        self._resets.clear()
        if isinstance(event, Restarted):  # such a reset counts now, or never will
            for queue in self._unsure:
                self._sightings.pop(queue, None)
            self._unsure.clear()
        merged = self.level is Level.MEMORY and isinstance(event, ProcessCrashed)
        if merged or isinstance(event, PowerLost):
            self._shown_flushed.clear()
            self._deliveries.clear()
            self._acknowledged.clear()  # a later barrier covers only what is acknowledged after it
        self._restarted.update(self._sightings)
        self.messages.tell_all(event)

    def cannot_open(self, event: ProcessCrashed | PowerLost | Restarted, error: Exception) -> Broken:
        """The store cannot be opened any more after `event`: nothing has survived; return what that breaks."""
        clause = Clause.SURVIVES_POWER_LOSS if isinstance(event, PowerLost) else Clause.SURVIVES_PROCESS_CRASH
        return Broken(clause, f"the store cannot be opened any more: {type(error).__name__}: {error}")

    def disk_failed(self) -> None:
        """The disk began to fail, met by the store or not: once it works again, the store owes answers."""
        self._hurt = True

    def write_failed(self) -> None:
        """A write of the store returned an error."""
        self.disk_failed()
        self.messages.tell_all(WriteFailed())

    def sync_ended(self, outcome: str) -> None:
        """A sync of the store ended: "ok", "failed", "timed out"."""
        self._hurt = self._hurt or outcome != "ok"
        self.messages.tell_all(SyncEnded(outcome))

    def discarded(self, keys: Iterable[Key], file: str) -> None:
        """The store removed a file that held the last record on the disk of each of these messages."""
        for key in sorted(keys):
            self.messages.observe(key, Discarded(file))

    # --- what the store shows of itself -----------------------------------------------------------------------------

    def wrote(self, receipts: Iterable[str]) -> None:
        """A write of the store, whole or in part, held the acks of these receipts."""
        self._written = (self._written or set()).union(receipts)
        self._check_written()

    def saw_memory(self, outstanding: Mapping[str, float], limits: Mapping[str, float]) -> None:
        """This is what the store has outstanding now, and at most ever."""
        why = monitors.memory_is_bounded(outstanding, limits)
        self.messages.check(Clause.MEMORY_IS_BOUNDED, why, could_fail=bool(limits))

    def saw_offset(self, queue: str, now: Sighting, unflushed: Iterable[int] | None) -> None:
        """The store shows its offsets; `unflushed` acks it shows too (None under policy checkpoint)."""
        if queue in self._unsure or any(queue == resetting for resetting, _ in self._resets.values()):
            return
        before = self._sightings.get(queue)
        restarted = queue in self._restarted
        why = monitors.commit_is_monotone(before, now, restarted=restarted)
        self.messages.check(Clause.COMMIT_IS_MONOTONE, why, could_fail=before is not None and before.committed > 0)
        if unflushed is not None:
            unsettled = [
                offset for (name, offset), told in self.contracts.items() if name == queue and told.certainly_unsettled
            ]
            if restarted or before is None:
                why = monitors.derived_never_ahead(now, unsettled)
                undone = self._undone_reset(queue, now) if why else None
                self.messages.check(undone or Clause.DERIVED_NEVER_AHEAD, why, could_fail=bool(unsettled))
            why = monitors.commit_is_safe(now, unsettled=unsettled, unflushed=unflushed)
            self.messages.check(Clause.COMMIT_IS_SAFE, why, could_fail=bool(unsettled or unflushed))
        most = max(now.persisted, before.persisted if before else 0)
        self._sightings[queue] = evolve(now, persisted=most)
        self._restarted.discard(queue)

    def saw_reply(self, asked: IoCounts, answered: IoCounts) -> None:
        """An ack was answered OK, and this is the I/O that had been done when it was asked, and when answered."""
        if self.level is not Level.MEMORY:
            self.messages.check(Clause.REPLY_AFTER_STAGE, monitors.reply_after_stage(self.level, asked, answered))

    def saw_idle(self, unflushed: int, idle: float, interval: float) -> None:
        """The store had nothing to do for `idle` seconds, on a disk that works."""
        self.messages.check(Clause.FLUSH_WHEN_IDLE, monitors.flush_when_idle(unflushed, idle, interval))

    def saw_answers_again(self, refused: Reply | None) -> None:
        """The disk works again, and the store has had time: it answers OK, or else this."""
        why = monitors.flush_degrades(refused.value if refused else None)
        self.messages.check(Clause.FLUSH_DEGRADES, why, could_fail=self._hurt)

    def saw_flushed(self, receipts: Iterable[str]) -> None:
        """The store shows the acks of these receipts as flushed: they survive power loss, then."""
        keys = {self._receipts[receipt] for receipt in receipts} & self._acknowledged
        self.durable(keys - self._shown_flushed, "stage")
        self._shown_flushed |= keys

    def saw_quiescence(self, outstanding: Mapping[str, float]) -> None:
        """Everything is settled, flushed and committed; this is what the store has outstanding."""
        why = monitors.quiescence_is_zero(outstanding)
        self.messages.check(Clause.QUIESCENCE_IS_ZERO, why, could_fail=bool(outstanding))

    def saw_all_settled(self, now: Sighting, end: int) -> None:
        """Every message of a queue is settled and flushed, and the store was idle since."""
        self.messages.check(Clause.COMMIT_PROGRESSES, monitors.commit_progresses(now, end))

    def closed(self, reply: Reply, unflushed: int = 0) -> None:
        """The store was closed, and answered; `unflushed` records are so still, as far as can be seen.

        OK is a barrier: it promises that all that was answered before survives power loss.
        """
        unanswered = len(self._pops) + len(self._acks) + len(self._changes) + len(self._resets) + len(self._barriers)
        self.messages.check(Clause.CLOSE_DRAINS, monitors.close_drains(reply.value, unanswered, unflushed))
        if reply is Reply.OK:
            self.durable(self._acknowledged, "close")
            for key, secured in sorted(self._deliveries.items()):
                self.messages.observe(key, secured)
            self._deliveries.clear()

    # --- within -----------------------------------------------------------------------------------------------------

    def _ended(self, op: int) -> None:
        self._answers[op] += 1
        self.messages.check(Clause.REPLY_EXACTLY_ONCE, monitors.reply_exactly_once(op, self._answers[op]))

    def _check_written(self) -> None:
        if self._written is not None:
            answered = set() if self.level is Level.MEMORY else self._confirmed
            why = monitors.submitted_is_written(self._submitted, self._written, answered)
            self.messages.check(Clause.SUBMITTED_IS_WRITTEN, why)

    def _strange(self, receipt: str, key: Key) -> str | None:
        known = self._receipts.get(receipt)
        return f"the receipt of {name_of(key)} was issued before, for {name_of(known)}" if known is not None else None

    def _change_asked(self, op: int, receipt: str) -> Key | None:
        key = self._receipts.get(receipt)
        self._changes[op] = None if key is None else (key, receipt)
        return key

    def _undone_reset(self, queue: str, now: Sighting) -> Clause | None:
        """Return the clause that falls if the offset is beyond a message that a reset had made as new."""
        passed = (self.contracts[key] for key in self.messages.of(queue) if key[1] < now.committed)
        undone = any(told.reset and told.certainly_unsettled for told in passed)
        return Clause.COMMIT_IS_MONOTONE if undone else None

    def _perhaps_hidden(self, queue: str, deadline: float) -> None:
        for key in self.messages.of(queue):
            self.messages.observe(key, PopUnanswered(deadline))
