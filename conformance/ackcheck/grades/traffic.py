"""One directory, one store on it that is hurt again and again, its clients, and the oracle that watches.

Why the verdict is sound, though many calls are under way at once and nobody sees the moment at which one takes effect:

- *Order.* The oracle is told of a call before it is sent, and of its answer after it has arrived, so what happened lies
  between the two; telling the answer later only leaves more possible. The contract lets an ack that was asked for take
  effect at any time from then on. A receipt is known only from the answer to its pop, so no ack of a delivery can
  overtake it. Two pops that bring the same message could be told in the wrong order; so a pop with a short invisible
  time is alone in its queue, two long ones cannot both bring a message, unless the store is wrong, and what a pop may
  have done that has no answer yet is told after it (`ackcheck.grades.held_back`).
- *Time.* A delivery's deadline is in [sent + invisible, received + invisible] by our own clock; the deadline that the
  target names is in its own clock, and not used. The oracle gets the lower end. What forbids a store to do something
  before the deadline (a return, an EXPIRED) is judged at the time of the answer. What demands something after it (an
  absence, an ack that came too late) is judged at the time of the question, less `slack`: the longest that any pop
  took, and so at least as far as the upper end is from the lower. Both ways a few milliseconds are left to the clocks.
- *Renewals* and *releases* are as acks: they may take effect at any time from when they were asked for. A renewed
  deadline lies as that of a pop does, and `slack` is at least as long as any renewal took, or went without an answer;
  as its receipt is known before that, what is asked about the message meanwhile is given as long as the oldest of its
  renewals is under way. A receipt is known before it can be given up, so that two pops still cannot be told in the
  wrong order.
- *Resets* are beside no `stats`: an answer from before could not be told from one after. What else is under way of the
  queue takes effect before, or after.
- *Dead letters* are read when the queue is empty. What is listed is judged at the time of the answer; what is not, and
  must be, as an absence: a store writes a dead letter down before it lists it, so a message that may also be settled is
  not held to be no dead letter before the store had time for that.
- *Crashes.* What had been answered when the process was killed is read from its pipe before the oracle hears of the
  crash; the outcome of the rest is unknown. A pop without an answer hid what it took until the kill + invisible.
- *Absence.* A queue is popped until it is empty; then what is not settled, and not hidden, must have come, once the
  store has had time for that (`ackcheck.grades.uptime`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from attrs import Factory, define, evolve, field

from ackcheck.grades.answers import (
    Shown,
    deliveries_of,
    done_or_not,
    offsets_of,
    refusal_of,
    replies_of,
    reply_of,
    shown_by,
)
from ackcheck.grades.causes import Causes
from ackcheck.grades.consumers import Consumers
from ackcheck.grades.held_back import Asked, HeldBack, can_be_judged
from ackcheck.grades.leniency import Leniency
from ackcheck.grades.naming import Names
from ackcheck.grades.once import Once
from ackcheck.grades.reached import Reached
from ackcheck.grades.uptime import Uptime
from ackcheck.grades.waiting import Ages, Waiting
from ackcheck.grades.workload import LONG, Call, Workload
from ackcheck.history import History
from ackcheck.panel import Panel
from ackcheck.promises import Promises
from ackcheck.rig.child import Child
from ackcheck.rig.exchange import Exchange, Killed
from ackmodel import Clause, CommitPolicy
from ackmodel.observe.broken import Broken, Key
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Delivered

CLOCKS = 0.02
"""Seconds by which the target's clock may be off ours, over the time that a message is hidden."""

SILENT = ("stats", "dead")
"""Calls of which only what they show goes into the history."""


@define(eq=False)
class Traffic:
    """The calls to one target, under way and answered, and the oracle that is told of them."""

    child: Child
    panel: Panel
    random: Random
    ran: Counter[str]
    commit: CommitPolicy = CommitPolicy.ACK
    history: History = Factory(History)
    work: Workload = field(init=False)
    forgiving: bool = False
    """The disk is failing: a call that raises has an unknown outcome, and is no error of the target's."""
    shown: Shown = Factory(Shown)
    """What the newest `stats` showed."""
    barrier: Reply = Reply.UNKNOWN
    """How the newest barrier was answered."""
    refused: Reply | None = None
    """Why the newest pop handed nothing out; None where it did, or there was nothing."""
    dead: dict[str, frozenset[int]] = Factory(dict)
    """The dead letters of each queue, as they were last read."""
    uptime: Uptime = Factory(Uptime)
    """How much time the target has had."""
    lenient: Leniency = Factory(Leniency)
    """What the store need not promise."""
    waiting: Waiting = Factory(Waiting)
    """What the store promises for later."""
    consumers: Consumers = Factory(Consumers)
    """Who has what in hand, of a target that knows its consumers."""
    ages: Ages = Factory(Ages)
    """How old the acks were that a stop of the store took."""
    causes: Causes = Factory(Causes)
    reached: Reached = Factory(Reached)
    _names: Names = Factory(Names)
    where: dict[str, Key] = Factory(dict)
    """Which message each receipt is for, in the order in which they were handed out."""
    slack: float = CLOCKS
    back_at: float = 0.0
    """When the last of the short deadlines has passed."""
    ended_at: float = float("inf")
    """When the target was about to be ended; what is read from it after that, it had answered before."""
    _began: float = Factory(time.monotonic)
    _under_way: dict[int, Asked] = Factory(dict)
    """By the number of the request."""
    _held: HeldBack = Factory(HeldBack)
    _when: str = ""
    _late: str = ""
    """When the newest answer came, in words."""
    _once: Once = Factory(Once)
    _ops: int = 0
    _acknowledged: set[Key] = Factory(set)

    def __attrs_post_init__(self) -> None:
        self.work = Workload(
            self.random,
            may_change=lambda receipt: self.panel.all_agree(lambda oracle: oracle.may_change(receipt)),
            may_reset=lambda queue: self.panel.all_agree(lambda oracle: oracle.may_reset(queue)),
            in_hand=self.consumers.in_hand,
        )

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def operations(self) -> int:
        """How many calls were made."""
        return self._ops

    @property
    def under_way(self) -> int:
        """How many calls have no answer yet."""
        return len(self._under_way)

    def promised(self, promises: Promises) -> None:
        """Judge no more than these promises, from here on."""
        self.lenient.promises = self.work.promises = self.waiting.promises = promises
        self.causes.judged = self.causes.own_io and self.lenient.exact
        self.panel.each(lambda oracle: oracle.says_of_second_acks(settled=self.lenient.settled_again))
        self.slack = max(self.slack, CLOCKS + promises.granularity)

    def settle(self) -> None:
        """Wait for every answer."""
        while self._under_way:
            self.take([self.child.receive()])

    def ask(self, call: Call) -> None:
        """Tell the oracle, and send."""
        self._ops += 1
        op, about = self._ops, self._subjects(call)
        self.ran[call.kind] += 1
        self.reached.asked(call.op)
        now = self.now
        match call.op:
            case "pop":
                self.panel.each(lambda oracle: oracle.pop_asked(op, call.queue, deadline=now + call.invisible))
            case "ack" | "ack_many":
                self._ack_asked(op, call)
            case "renew":
                at, until = self._in_time(call, now), now + call.invisible
                self.consumers.moved(call.receipts)
                self.panel.each(lambda oracle: oracle.renew_asked(op, call.receipts[0], at=at, deadline=until))
            case "release":
                at = self._in_time(call, now)
                self.consumers.moved(call.receipts)
                self.panel.each(lambda oracle: oracle.release_asked(op, call.receipts[0], at=at))
            case "leave":
                self.consumers.leaves(self.panel, op, call.consumer, self.lenient.of_nobody)
            case "reset":
                for known in (self.consumers, self.ages, self.waiting):
                    known.forget(call.queue)
                self.panel.each(lambda oracle: oracle.reset_asked(op, call.queue, call.offset))
            case "flush":
                self.panel.each(lambda oracle: oracle.barrier_asked(op))
        asked = Asked(op, call, about, now)
        if call.op not in SILENT:
            self.history.add("client", f"{call.describe(self._names.by_receipt)}  (operation {op})", about=asked.about)
        on_the_wire = evolve(call, receipts=self.lenient.on_the_wire(call.receipts))
        self._under_way[self.child.send(call.op, **on_the_wire.arguments)] = asked

    def _in_time(self, call: Call, now: float) -> float:
        """Return the latest time as of which what is asked about these receipts now is held to be late.

        A renewal under way may have taken effect only a moment ago, and the deadline that it moved be so much later:
        its receipt is known before it is answered, and may be used meanwhile.
        """
        keys = {self.where.get(receipt) for receipt in call.receipts} - {None}
        renewing = (one for one in self._under_way.values() if one.call.op == "renew" and keys & set(one.about))
        return now - max(self.slack, now - min((one.at for one in renewing), default=now))

    def _ack_asked(self, op: int, call: Call) -> None:
        self.consumers.acked(op, call.receipts, self.now)
        receipts = self.lenient.asked_for(call.receipts)
        at = self.lenient.asked_at(self._in_time(call, self.now))
        self.panel.each(lambda oracle: oracle.ack_asked(op, receipts, at=at))

    def take(self, exchanges: Iterable[Exchange]) -> int:
        """Tell the oracle of answers, in the order in which they came; return how many."""
        count = 0
        for exchange in exchanges:
            asked = self._under_way.pop(exchange.id)
            self._once.answered(exchange.id, f"{asked},", asked.about)
            self.work.ended(asked.call)
            assert exchange.replied_ns is not None
            at = exchange.replied_ns / 1e9 - self._began + CLOCKS
            self.uptime.answered(self.now)
            may_wait = self._held.follows_a_pop(exchange, one_for_all=self.lenient.one_for_all)
            if not may_wait or not self._held.hold(asked, exchange, at, self._under_way):
                self._tell(asked, exchange, at)
            self._tell_what_was_held()
            count += 1
        self._no_second_answers()
        return count

    def _tell_what_was_held(self) -> None:
        """Tell the answers that were held back for pops which have been told by now."""
        for asked, exchange, at in self._held.ready(self._under_way):
            self._tell(asked, exchange, at)

    def _tell(self, asked: Asked, exchange: Exchange, at: float) -> None:
        read = at - CLOCKS
        late = "" if read <= self.ended_at else "before that: it was read from its pipe afterwards"
        self._when, self._late = late or f"at {read:.3f} s", late and f", {late}"
        oldest = min((one.at for one in self._under_way.values()), default=asked.at)
        self.causes.answered(self.panel, f"{asked},", exchange.result, took=at - min(oldest, asked.at))
        if exchange.error is not None:
            self._raised(asked, exchange, at)
        elif asked.call.op == "pop":
            self._popped(asked, exchange, at)
        else:
            self._answered(asked, exchange, at)

    def _no_second_answers(self) -> None:
        """Hold that what has been answered is not answered again (clause `reply-exactly-once`)."""
        while self.child.second_answers:
            about, broken = self._once.again(self.child.second_answers.pop(0))
            self.history.add("client", broken.why, about=about)
            self.panel.broke(broken)

    def cut_off(self, killed: Killed) -> None:
        """Take the answers of a target that was killed; what it had not answered never will be."""
        self.take(exchange for exchange in killed.answered if exchange.id in self._under_way)
        for asked in self._under_way.values():
            if asked.call.op == "pop":
                self._unanswered(asked)
            elif asked.call.op == "renew":
                self._moved(asked, self.now)
            self.work.ended(asked.call)
            self.history.add("client", f"operation {asked.op} has no answer", about=asked.about)
        self.ran["calls without an answer"] += len(self._under_way)
        self._under_way.clear()
        self._tell_what_was_held()
        self.consumers.stopped()
        self.ended_at = float("inf")

    def _answered(self, asked: Asked, exchange: Exchange, at: float) -> None:
        """Note that a call other than a pop was answered."""
        match asked.call.op:
            case "ack":
                self._acked(asked, [reply_of(exchange.result, "ack")], at)
            case "ack_many":
                self._acked(asked, replies_of(exchange.result), at)
            case "renew" | "release" | "reset":
                self._changed(asked, reply_of(exchange.result, asked.call.op), at)
            case "dead":
                self._saw_dead(asked.call.queue, offsets_of(exchange.result), at)
            case "leave":
                self._left(asked, done_or_not(exchange.result, "leave"), at)
            case "flush":
                self._flushed(asked, done_or_not(exchange.result, "flush"))
            case "stats":
                self._saw(shown_by(exchange.result))

    def _raised(self, asked: Asked, exchange: Exchange, at: float) -> None:
        """Note that a call raised: its outcome is unknown where the disk is failing; else `TargetError`."""
        if not self.forgiving:
            exchange.value()
        self.ran["calls that raised"] += 1
        self.history.add("client", f"operation {asked.op} raised {exchange.error}{self._late}", about=asked.about)
        match asked.call.op:
            case "pop":
                self._not_popped(asked, Reply.UNKNOWN)
            case "ack" | "ack_many":
                self.panel.each(
                    lambda oracle: oracle.ack_answered(asked.op, [Reply.UNKNOWN] * len(asked.call.receipts), at=at)
                )
            case "renew" | "release" | "reset":
                self._changed(asked, Reply.UNKNOWN, at)
            case "leave":
                self._left(asked, Reply.UNKNOWN, at)
            case "flush":
                self._flushed(asked, Reply.UNKNOWN)

    def _popped(self, asked: Asked, exchange: Exchange, at: float) -> None:
        """Note that a pop was answered: its messages are hidden for `invisible` seconds, from when it was asked for."""
        if isinstance(exchange.result, str):
            self._not_popped(asked, refusal_of(exchange.result))
            return
        op, call, self.refused = asked.op, asked.call, None
        sent = exchange.sent_ns / 1e9 - self._began
        until = sent + call.invisible
        answered, again = self.lenient.once_each(deliveries_of(exchange.result))
        keys = [(call.queue, one["offset"]) for one in answered]
        self.ran.update(self.lenient.before_a_delivery(self.panel, keys))
        for key in keys:
            self.ages.came(key)
            self.waiting.came(key)
        names_given = [self.lenient.given(key, one["receipt"]) for key, one in zip(keys, answered, strict=True)]
        given = [
            Delivered(name, one["offset"], until, self.lenient.attempt(one["attempt"]))
            for name, one in zip(names_given, answered, strict=True)
        ]
        if given:
            self.slack = max(self.slack, at - sent)
            self._hidden(call, at)
        numbers = [(seen.receipt, key[1], one["attempt"]) for seen, key, one in zip(given, keys, answered, strict=True)]
        what = f"{self._names.given(call.queue, numbers)} of {call.queue}, until {until:.3f} s{self._late}"
        self.history.add("client", f"operation {op} gives {what}", about=keys)
        self.where.update((seen.receipt, key) for seen, key in zip(given, keys, strict=True))
        self.consumers.given(call.consumer, zip(keys, names_given, strict=True), until)
        self.work.popped(call.queue, given)
        self.panel.each(lambda oracle: oracle.popped(op, call.queue, given, at=at))
        for under_way in [*self._under_way.values(), *self._held.asked] if self.lenient.one_for_all else ():
            if under_way.call.op in ("ack", "ack_many"):
                self._ack_asked(under_way.op, under_way.call)  # it may settle what has just been handed out
        if again:
            self._popped_again(asked, evolve(exchange, result=again), until, at)

    def _popped_again(self, asked: Asked, exchange: Exchange, until: float, at: float) -> None:
        """Note messages that came in an answer for a second time, as if there had been a pop for them."""
        op = self.lenient.of_nobody()
        self.panel.each(lambda oracle: oracle.pop_asked(op, asked.call.queue, deadline=until))
        self._popped(evolve(asked, op=op), exchange, at)

    def _not_popped(self, asked: Asked, reply: Reply) -> None:
        """Note that a pop handed nothing out, as far as is known."""
        self.refused = reply
        self.ran["pops refused"] += 1
        self.history.add("client", f"operation {asked.op} is answered {reply.value}{self._late}", about=asked.about)
        if reply is Reply.UNKNOWN:
            self._unanswered(asked)
        else:
            self.panel.each(lambda oracle: oracle.pop_refused(asked.op, reply))

    def _changed(self, asked: Asked, reply: Reply, at: float) -> None:
        """Note that a renewal, a release or a reset was answered."""
        self.history.add("client", f"operation {asked.op} is answered {reply.value}, {self._when}", about=asked.about)
        if asked.call.op == "reset":
            self.panel.each(lambda oracle: oracle.reset_answered(asked.op, reply))
            return
        if asked.call.op == "renew" and reply in (Reply.OK, Reply.UNKNOWN):
            self._moved(asked, at)
        self.panel.each(lambda oracle: oracle.change_answered(asked.op, reply, at=at))

    def _left(self, asked: Asked, reply: Reply, at: float) -> None:
        """Note that a consumer has left, or may have: each delivery in its hands is told as a release."""
        self.history.add("client", f"operation {asked.op} is answered {reply.value}, {self._when}", about=asked.about)
        self.ran["given back by a leave"] += self.consumers.left(self.panel, asked.op, reply, at)

    def _moved(self, asked: Asked, at: float) -> None:
        """Note that a renewal took effect between its asking and `at`, or may have."""
        self.slack = max(self.slack, at - asked.at)
        self._hidden(asked.call, at)

    def _saw_dead(self, queue: str, offsets: frozenset[int], at: float) -> None:
        """Note that the dead letters of a queue were read."""
        new = sorted(offsets - self.dead.get(queue, frozenset()))
        if new:
            listed = ", ".join(f"[{offset}]" for offset in new)
            keys = [(queue, offset) for offset in new]
            self.history.add("store", f"dead letters of {queue}: {listed}, {self._when}", about=keys)
        self.dead[queue] = offsets
        self.panel.each(lambda oracle: oracle.saw_dead(queue, offsets, at=at))

    def _acked(self, asked: Asked, replies: list[Reply], at: float) -> None:
        told = ", ".join(reply.value for reply in replies)
        self.history.add("client", f"operation {asked.op} is answered {told}, {self._when}", about=asked.about)
        if len(replies) == len(asked.call.receipts):
            replies = self._for_now(asked.call.receipts, replies, at - CLOCKS)
        if why := self.consumers.ack_answered(asked.op, replies, at):
            key = next(each for each in asked.about if isinstance(each, tuple))
            self.panel.broke(Broken(Clause.RECEIPT_IS_EXACT, why, key))
        self._acknowledged.update(self.where[receipt] for receipt in asked.call.receipts if receipt in self.where)
        self.panel.each(lambda oracle: oracle.ack_answered(asked.op, replies, at=at))
        self.waiting.mark(self.panel, at)

    def _for_now(self, receipts: Sequence[str], replies: Sequence[Reply], at: float) -> list[Reply]:
        """Return what the answers to an ack say, where less is promised; note the time of each OK."""
        told = []
        for receipt, reply in zip(receipts, replies, strict=True):
            key = self.where.get(receipt)
            if reply is Reply.OK and key is not None:
                self.ages.answered(key, at)
            told.append(self.waiting.answer(key, receipt, self.lenient.answer(reply), at))
        return told

    def _flushed(self, asked: Asked, reply: Reply) -> None:
        self.barrier = reply
        self.history.add("client", f"operation {asked.op} is answered {reply.value}{self._late}", about=asked.about)
        self.panel.each(lambda oracle: oracle.barrier_answered(asked.op, reply))

    def _saw(self, shown: Shown) -> None:
        """Note what the store showed of itself; which acks it holds for unflushed is not part of that."""
        for queue, now in can_be_judged(shown.offsets, self._under_way, self.now).items():
            if now != self.shown.offsets.get(queue):
                self.history.add("offset", f"{queue}: {now.committed}, {now.persisted} on the disk", about=[queue])
            self.panel.each(
                lambda oracle: oracle.saw_offset(queue, now, () if self.commit is CommitPolicy.ACK else None)
            )
        self.shown = shown

    def _unanswered(self, asked: Asked) -> None:
        """Note that a pop gets no answer: what it took, by now at the latest, is hidden for as long as was asked."""
        call = asked.call
        self._hidden(call, self.now)
        hidden = {"earliest": asked.at + call.invisible, "deadline": self.now + call.invisible + CLOCKS}
        self.panel.each(lambda oracle: oracle.pop_asked(asked.op, call.queue, **hidden))
        self.panel.each(lambda oracle: oracle.pop_refused(asked.op, Reply.UNKNOWN))

    def _hidden(self, call: Call, since: float) -> None:
        if call.invisible < LONG:
            self.back_at = max(self.back_at, since + call.invisible + CLOCKS)

    def _subjects(self, call: Call) -> tuple[Key | str, ...]:
        """Return what a call is about: of a barrier, what somebody has acked before; of a reset, the queue."""
        if call.op == "flush":
            return tuple(self._acknowledged)
        if call.op == "reset":
            return (call.queue,)
        if call.op == "leave":
            return tuple(self.where[receipt] for receipt in self.consumers.in_hand(call.consumer))
        return tuple(self.where[receipt] for receipt in call.receipts if receipt in self.where)
