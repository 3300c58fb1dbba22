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

Where threads call (`OracleOptions.locking`), each tells of a call before it makes it, and of the answer after it has
come; what lies between is left open by the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import Factory, define, frozen

from ..spec.clauses import Clause
from ..spec.stages import Level
from . import monitors
from .broken import Broken, CannotOpen, Key
from .events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    Damaged,
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
from .monitors import Sighting
from .overtaken import Overtaken
from .queue import Covered, Queue, item, name_of
from .witness import Witness

UnderWay = TypeVar("UnderWay")


@frozen
class Delivered:
    """One delivery, as a pop returned it; `attempt` is its number among those of its message, if that is told."""

    receipt: str
    offset: int
    deadline: float
    attempt: int | None = None


@define(eq=False)
class Oracle(Witness):
    """Judges one run of one store, by its calls and its answers, and by what it shows of itself (`Witness`)."""

    _pops: dict[int, tuple[str, PopUnanswered]] = Factory(dict)
    """The queue of each that is under way, and what it was if it is never answered."""
    _acks: dict[int, tuple[tuple[str, Key | None], ...]] = Factory(dict)
    """The receipts, each with its message; None where it was nobody's."""
    _changes: dict[int, tuple[str, Key | None]] = Factory(dict)
    """Renewals and releases under way, in the same way."""
    _resets: dict[int, tuple[str, int]] = Factory(dict)
    _barriers: dict[int, Mapping[str, Covered]] = Factory(dict)
    _overtaken: Overtaken = Factory(Overtaken)

    # --- messages and deliveries ------------------------------------------------------------------------------------

    def published(self, queue: str, end: int) -> None:
        """Note that `queue` holds the messages 0 to `end` - 1."""
        told = self._queue(queue)
        with told.lock:
            for offset in range(told.done_with, end):
                told.contract(offset)

    def pop_asked(self, op: int, queue: str, deadline: float, *, earliest: float | None = None) -> None:
        """Note that a pop was asked for; what it takes is hidden until `deadline` at the latest.

        `earliest` is until when it is hidden at least, should the pop never be answered; None: until `deadline`.
        """
        self._pops[op] = (queue, PopUnanswered(deadline, earliest))

    def popped(self, op: int, queue: str, deliveries: Sequence[Delivered], at: float) -> None:
        """Note that a pop was answered OK with these deliveries."""
        self._ended(op, self._pops)
        told, before = self._queue(queue), self._overtaken.take(op)
        with told.lock:
            for seen in deliveries:
                key = (queue, seen.offset)
                back = f"{name_of(key)} was handed out again, and the offset on the disk had passed it"
                why = back if seen.offset < told.done_with else None
                told.check(Clause.NO_RETURN, why, could_fail=told.done_with > 0)
                told.check(Clause.RECEIPT_IS_EXACT, self._strange(seen.receipt, key))
                self._issued(seen.receipt, key)
                told.receipts.setdefault(seen.offset, []).append(seen.receipt)
                told.void(seen.offset)
                overtaken = seen.offset in before
                if not overtaken:
                    told.deliveries[seen.offset] = Secured(seen.receipt)
                popped = Popped(seen.receipt, at, seen.deadline, seen.attempt)
                told.observe(seen.offset, popped, or_overtaken=overtaken)

    def pop_refused(self, op: int, reply: Reply) -> None:
        """Note that a pop was answered with something else than OK; UNKNOWN leaves open whether it took messages."""
        queue, unanswered = self._ended(op, self._pops)
        self._overtaken.take(op)
        if reply is Reply.UNKNOWN:
            self._perhaps_hidden(queue, unanswered)

    # --- acks -------------------------------------------------------------------------------------------------------

    def ack_asked(self, op: int, receipts: Sequence[str], at: float) -> None:
        """Note that an ack of these receipts was asked for, as one operation."""
        named = tuple((receipt, self._receipts.get(receipt)) for receipt in receipts)
        self._acks[op] = named
        for index, (receipt, key) in enumerate(named):
            if key is not None or not self.options.forget:
                self._submitted.add(receipt)
            if key is not None:
                told = self._queue(key[0])
                with told.lock:
                    told.observe(key[1], AckAsked(item(op, index), receipt, at=at))

    def ack_answered(self, op: int, replies: Sequence[Reply], at: float) -> None:
        """Note that an ack was answered, item by item."""
        named = self._ended(op, self._acks)
        wrong = f"{len(named)} receipts got {len(replies)} replies" if len(named) != len(replies) else None
        self.check(Clause.RECEIPT_IS_EXACT, wrong)
        for index, ((receipt, key), reply) in enumerate(zip(named, replies, strict=True)):
            if key is None:
                self._check_nobodys(reply)
                continue
            told, offset, number = self._queue(key[0]), key[1], item(op, index)
            with told.lock:
                overtaken = reply in self._overtaken.take(number)
                told.observe(offset, AckAnswered(number, reply, at=at), or_overtaken=overtaken)
                stays = not overtaken and not told.resetting  # a reset that is under way may take it back
                if reply in (Reply.OK, Reply.SETTLED) and stays and offset >= told.done_with:
                    told.acknowledged.setdefault(offset, number)
                elif reply is Reply.BUSY:
                    told.forget_refused(offset, number)
            if reply is Reply.OK:
                self._check_once(receipt, key)
                if receipt in self._submitted:
                    self._confirmed.add(receipt)
        self._check_written()
        for receipt in self._confirmed.intersection(receipt for receipt, _ in named):
            self._check_copies(receipt)

    # --- renewals and releases --------------------------------------------------------------------------------------

    def renew_asked(self, op: int, receipt: str, at: float, deadline: float) -> None:
        """Note that the delivery with this receipt was to be hidden until `deadline`."""
        self._change_asked(op, receipt, RenewAsked(op, receipt, at, deadline))

    def release_asked(self, op: int, receipt: str, at: float) -> None:
        """Note that the delivery with this receipt was to be given back."""
        self._change_asked(op, receipt, ReleaseAsked(op, receipt, at))

    def may_change(self, receipt: str) -> bool:
        """Tell whether one more renewal or release of this delivery can be judged: the worlds grow with every one whose
        outcome is open, so a harness asks for no more than a few."""
        key = self._receipts.get(receipt)
        if key is None:
            return True
        told = self._queue(key[0])
        with told.lock:
            return told.may_change(key[1])

    def change_answered(self, op: int, reply: Reply, at: float) -> None:
        """Note that a renewal or a release was answered."""
        receipt, key = self._ended(op, self._changes)
        if key is None:
            self._check_nobodys(reply)
            return
        told, offset = self._queue(key[0]), key[1]
        with told.lock:
            overtaken = reply in self._overtaken.take(op)
            told.observe(offset, ChangeAnswered(op, reply, at), or_overtaken=overtaken)
            before = told.deliveries.get(offset, Secured(receipt))
            if reply is Reply.OK and not overtaken and before.receipt == receipt and offset >= told.done_with:
                told.deliveries[offset] = Secured(receipt, before.ops | {op})
            elif reply is Reply.BUSY:
                told.forget_refused(offset, op)

    # --- resets -----------------------------------------------------------------------------------------------------

    def may_reset(self, queue: str) -> bool:
        """Tell whether one more reset of this queue can be judged: not while the outcome of one before is open."""
        told = self._queue(queue)
        with told.lock:
            return not told.resets

    def reset_asked(self, op: int, queue: str, offset: int) -> None:
        """Note that a queue's offset was to be set. What else is under way of the queue comes before that, or after."""
        told = self._queue(queue)
        self._resets[op] = (queue, offset)
        with told.lock:
            told.resets.add(op)
            told.take_up(offset)
            told.take_back()
            for each in sorted(told.contracts):
                told.observe(each, ResetAsked(op, anew=each >= offset))
            told.resetting[op] = offset

    def reset_answered(self, op: int, reply: Reply) -> None:
        """Note that a reset was answered; OK says that the offset is on the disk, and sticks."""
        queue, offset = self._ended(op, self._resets)
        told = self._queue(queue)
        reply = Reply.UNKNOWN if self.doubtful and reply is Reply.OK else reply
        with told.lock:
            told.resetting.pop(op, None)
            if reply is Reply.OK:
                self._overtaken.note(told, self._pops, self._acks, self._changes)
                told.take_back()
            told.tell_all(ResetAnswered(op, reply))
            if reply is Reply.OK:
                told.sighting, told.kept = Sighting(offset, offset), offset
                told.resets.clear()
                self._forget_below(told, offset)
            elif reply is not Reply.UNKNOWN:
                told.resets.discard(op)
            if reply is Reply.BUSY:
                for each in told.contracts:
                    told.forget_refused(each, op)

    # --- barriers ---------------------------------------------------------------------------------------------------

    def barrier_asked(self, op: int) -> None:
        """Note that a flush was asked for: it covers what has been answered OK by now."""
        covered = {}
        for name, told in list(self.queues.items()):
            with told.lock:
                covered[name] = Covered(dict(told.acknowledged), dict(told.deliveries))
        self._barriers[op] = covered

    def barrier_answered(self, op: int, reply: Reply) -> None:
        """Note that a flush was answered; OK promises that what it covers survives power loss."""
        covered = self._ended(op, self._barriers)
        for name, of in covered.items() if reply is Reply.OK and not self.doubtful else ():
            told = self._queue(name)
            with told.lock:
                for offset, ack in sorted(of.acks.items()):
                    if told.acknowledged.get(offset) == ack:
                        told.observe(offset, MadeDurable("barrier"))
                for offset, secured in sorted(of.deliveries.items()):
                    self._secure(told, offset, secured)

    def _secure(self, told: Queue, offset: int, secured: Secured) -> None:
        now = told.deliveries.get(offset)
        if now is not None and now.receipt == secured.receipt:
            told.observe(offset, secured)
            if now == secured:
                del told.deliveries[offset]

    def called_back(self, keys: Iterable[Key], at: float) -> None:
        """Note that the durable callback of an ack of these messages ran: what settles them survives power loss."""
        for name, offset in sorted(keys) if not self.doubtful else ():
            told = self._queue(name)
            with told.lock:
                told.observe(offset, MadeDurable("callback", at))

    # --- a queue that was popped until it was empty -----------------------------------------------------------------

    def drained(
        self,
        queue: str,
        returned: Iterable[int],
        at: float,
        dead: Collection[int] | None = None,
        *,
        all_listed: bool = True,
    ) -> None:
        """Note that the queue was popped until empty; only `returned` came (they were told by `popped` too).

        `dead` are its dead letters, as read after that; None where they cannot be seen. Without `all_listed` the store
        had no time yet to list them all, and what is not among them may still be one.
        """
        came = set(returned)
        told = self._queue(queue)
        with told.lock:
            passed = told.sighting.committed if told.sighting is not None else 0
            for offset in sorted(told.contracts):
                listed = _listed(offset, dead, all_listed)
                if offset not in came:
                    limbo = Clause.COMMIT_IS_SAFE if offset < passed else Clause.NO_LIMBO  # the offset's fault
                    told.observe(offset, Absent(at=at, dead=listed), limbo)
                elif listed:
                    told.observe(offset, DeadLettered(at))

    def misses(self, queue: str, returned: Collection[int], at: float, dead: Collection[int] | None = None) -> bool:
        """Tell whether `drained` would find that something should have come, or be a dead letter, and is not."""
        told = self._queue(queue)
        with told.lock:
            return any(
                not contract.worlds_after(Absent(at, _listed(offset, dead, True)))
                for offset, contract in told.contracts.items()
                if offset not in returned
            )

    def saw_dead(self, queue: str, offsets: Iterable[int], at: float) -> None:
        """Note that these messages are among the dead letters."""
        told = self._queue(queue)
        with told.lock:
            for offset in sorted(set(offsets)):
                told.observe(offset, DeadLettered(at))

    # --- what the harness does to the store -------------------------------------------------------------------------

    def stopped(self, event: ProcessCrashed | PowerLost | Restarted) -> None:
        """Note that the store stopped and was opened again; what was asked and not answered has an unknown outcome."""
        for queue, unanswered in self._pops.values():
            self._perhaps_hidden(queue, unanswered)
        for under_way in (self._pops, self._acks, self._changes, self._barriers, self._resets):
            under_way.clear()
        self._overtaken.clear()
        merged = self.level is Level.MEMORY and isinstance(event, ProcessCrashed)
        if self.doubtful and isinstance(event, Restarted):
            event = Restarted(proved=False)
        self.io_in_trouble()  # what it reads it may have to write again
        if not isinstance(event, Restarted):
            self._counted.clear()
        for told in self.queues.values():
            with told.lock:
                told.resetting.clear()
                if told.resets and event == Restarted():  # they count now, or never will
                    told.sighting, told.kept = None, 0
                    told.resets.clear()
                    told.acknowledged.clear()  # a reset may have taken them back: no barrier speaks of them
                if merged or isinstance(event, PowerLost):
                    told.shown_flushed.clear()
                    told.deliveries.clear()
                    told.acknowledged.clear()  # a later barrier covers only what is acknowledged after it
                told.restarted = told.restarted or told.sighting is not None
                told.tell_all(event)
        self._opened(power_lost=isinstance(event, PowerLost))

    def cannot_open(self, event: ProcessCrashed | PowerLost | Restarted, error: Exception) -> CannotOpen:
        """Note that the store cannot be opened after `event`: nothing has survived; return what that breaks."""
        clauses: dict[type, Clause] = {
            Restarted: Clause.CLOSE_DRAINS,
            ProcessCrashed: Clause.SURVIVES_PROCESS_CRASH,
            PowerLost: Clause.SURVIVES_POWER_LOSS,
        }
        return CannotOpen(clauses[type(event)], f"the store cannot be opened any more: {type(error).__name__}: {error}")

    def closed(self, reply: Reply, unflushed: int = 0) -> None:
        """Note that the store was closed, and answered; `unflushed` records are so still, as far as can be seen.

        OK is a barrier: it promises that all that was answered before survives power loss.
        """
        unanswered = len(self._pops) + len(self._acks) + len(self._changes) + len(self._resets) + len(self._barriers)
        self.check(Clause.CLOSE_DRAINS, monitors.close_drains(reply.value, unanswered, unflushed))
        for told in self.queues.values() if reply is Reply.OK and not self.doubtful else ():
            with told.lock:
                told.survives("close")

    def disk_failed(self) -> None:
        """Note that the disk began to fail, met by the store or not: once it works again, the store owes answers."""
        self._hurt = True

    def write_failed(self) -> None:
        """Note that a write of the store returned an error."""
        self.disk_failed()
        self._tell_all(WriteFailed())

    def sync_ended(self, outcome: str) -> None:
        """Note that a sync of the store ended: "ok", "failed", "timed out"."""
        self._hurt = self._hurt or outcome != "ok"
        self._tell_all(SyncEnded(outcome))

    def discarded(self, keys: Iterable[Key], file: str) -> None:
        """Note that the store removed a file with the last record on the disk of each of these messages."""
        for name, offset in sorted(keys):
            self._queue(name).observe(offset, Discarded(file))

    def damaged(self, file: str) -> None:
        """Note that a file of the store, which is closed, was damaged below what it knows to be synced."""
        self._tell_all(Damaged(file))

    # --- within -----------------------------------------------------------------------------------------------------

    def _ended(self, op: int, under_way: dict[int, UnderWay]) -> UnderWay:
        """Return what was kept of an operation that is answered; a second answer finds nothing."""
        found = op in under_way
        self.check(Clause.REPLY_EXACTLY_ONCE, monitors.reply_exactly_once(op, 1 if found else 2))
        return under_way.pop(op)

    def _strange(self, receipt: str, key: Key) -> str | None:
        known = self._receipts.get(receipt)
        return f"the receipt of {name_of(key)} was issued before, for {name_of(known)}" if known is not None else None

    def _check_once(self, receipt: str, key: Key) -> None:
        """Judge that an ack was answered OK: that no other of the same delivery was, since the last fault."""
        if not self.settled_again:
            return
        again = receipt in self._counted
        self.check(Clause.RECEIPT_IS_EXACT, None, could_fail=again)
        if again:
            why = f"{name_of(key)}: two acks of one delivery were answered OK, and the second is to be answered SETTLED"
            raise Broken(Clause.RECEIPT_IS_EXACT, why, key)
        self._counted.add(receipt)

    def _check_nobodys(self, reply: Reply) -> None:
        """Judge the answer to a receipt that names nothing."""
        why = "a receipt that was never issued, or of what is settled for good, was answered OK"
        self.check(Clause.RECEIPT_IS_EXACT, why if reply is Reply.OK else None)

    def _change_asked(self, op: int, receipt: str, event: RenewAsked | ReleaseAsked) -> None:
        key = self._receipts.get(receipt)
        self._changes[op] = (receipt, key)
        if key is not None:
            told = self._queue(key[0])
            with told.lock:
                told.observe(key[1], event)

    def _perhaps_hidden(self, queue: str, unanswered: PopUnanswered) -> None:
        told = self._queue(queue)
        with told.lock:
            told.tell_all(unanswered)

    def _tell_all(self, event: WriteFailed | SyncEnded | Damaged) -> None:
        for told in self.queues.values():
            with told.lock:
                told.tell_all(event)


def _listed(offset: int, dead: Collection[int] | None, all_listed: bool) -> bool | None:
    """Tell whether a message is among the dead letters; None where that cannot be known."""
    return None if dead is None else offset in dead or (False if all_listed else None)
