"""A survey: with nothing under way every deadline passes, and every queue is popped until it is empty.

What must come back comes, what was promised to stay away does, and what had all its attempts is a dead letter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from attrs import define

from acklab.soak.clients import HOUR, QUEUES, Common, Held, deliveries_in
from ackmodel import Clause
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Oracle
from ackmodel.observe.survey import AtRest, DeadLetters, Popping, survey
from ackstore import QueueId

Got = TypeVar("Got")

AGAIN = 0.05
"""Seconds after which a store that is not ready is asked again."""


def answered(what: str, call: Callable[[], Got], patience: float) -> Got:
    """Make a call of a store, and return what it returns, or raise what it raises; `Broken` if that takes longer than
    that many seconds.

    >>> answered("a sum", lambda: 1 + 1, patience=60.0)
    2
    """
    found: list[Got] = []
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            found.append(call())
        except BaseException as error:
            # The thread's top: it is raised again where the call was made.
            raised.append(error)

    thread = threading.Thread(target=ask, name=f"soak-{what}", daemon=True)
    thread.start()
    thread.join(patience)
    if raised:
        raise raised[0]
    if not found:
        raise Broken(Clause.REPLY_EXACTLY_ONCE, f"{what} has had no answer for {patience:.0f} s")
    return found[0]


@define(eq=False)
class Survey:
    """One survey, and what it takes to settle everything (`ackmodel.observe.survey.Settled`). A store that is not
    ready, on a busy machine, is waited for: `patience` seconds for each queue."""

    common: Common
    patience: float
    dead: int = 0
    """Dead letters seen."""
    queues: Sequence[str] = QUEUES

    @property
    def judge(self) -> Oracle:
        """The oracle of all threads."""
        return self.common.oracle

    @property
    def now(self) -> float:
        """Seconds of real time; the clock of the store jumps."""
        return time.monotonic()

    def run(self) -> None:
        """Survey every queue, and leave what came for whoever has room."""
        self.common.found.clear()
        self.common.clock.jump(2 * HOUR)
        for name in self.queues:
            self._decide(name)
        survey(self)

    def _decide(self, name: str) -> None:
        """Reset a queue where nobody knows what became of a reset, so that it is known."""
        common, oracle, reply = self.common, self.common.oracle, Reply.OK
        until = self.now + self.patience
        while not oracle.may_reset(name) and self.now < until:
            op, offset = next(common.ops), oracle.queues[name].done_with
            oracle.reset_asked(op, name, offset)
            reset = partial(common.store.reset, name, offset, timeout=self.patience)
            reply = Reply(answered("reset", reset, 2 * self.patience).value)
            oracle.reset_answered(op, reply)
            if reply is not Reply.OK:
                time.sleep(AGAIN)
        oracle.saw_answers_again(None if reply is Reply.OK else reply)

    def pop_some(self, queue: str, began: float) -> Popping:
        """Pop a queue, and wait for the answer, again as long as it is refused and there is time."""
        common, until = self.common, began + self.patience
        while True:
            op, at = next(common.ops), common.clock()
            common.oracle.pop_asked(op, queue, at + HOUR)
            answer = answered("pop", partial(common.store.try_pop, queue, 64, HOUR), 2 * self.patience)
            reply = Reply(answer.reply.value)
            late = self.now >= until
            if reply is Reply.OK:
                seen = deliveries_in(answer)
                common.oracle.popped(op, queue, seen, common.clock())
                common.found.extend(Held(queue, one.offset, one.receipt) for one in seen)
                return Popping([one.offset for one in seen], None, asked=at, due=at, late=late)
            common.oracle.pop_refused(op, reply)
            if late:
                return Popping((), reply, asked=at, due=at, late=late)
            if reply is Reply.UNKNOWN:
                common.clock.jump(2 * HOUR)
            self.give_time()

    def give_time(self) -> None:
        """Let the store have a moment."""
        time.sleep(AGAIN)

    def dead_letters(self, queue: str, popping: Popping) -> DeadLetters:
        """Read them, as soon as they can all be listed. What had its attempts is listed only once that is flushed: an
        ack that a power loss took, and a dead letter that is on its way, look the same until then."""
        until = self.now if popping.late else self.now + self.patience
        while True:
            letters = self._letters(queue)
            if letters.complete or self.now >= until:
                self.dead += len(letters.offsets)
                return letters
            self.give_time()

    def _letters(self, name: str) -> DeadLetters:
        store, queue = self.common.store, QueueId.parse(name)
        flushed = not store.stats(count=False).unflushed_records
        listed = frozenset(letter.offset for letter in store.dead(queue))
        none_forgotten = store.stats(count=False).queues[queue].dead == len(listed)
        return DeadLetters(listed, complete=flushed and none_forgotten)

    def hide_longer(self) -> bool:
        """Say that it is hidden for far longer than acks take."""
        return False

    def ack_all(self, receipts: Sequence[str]) -> None:
        """Ack these, a batch at a time, and wait for the answers."""
        common = self.common
        for start in range(0, len(receipts), 64):
            op, batch = next(common.ops), receipts[start : start + 64]
            common.oracle.ack_asked(op, batch, common.clock())
            ack = partial(common.store.ack_many, batch, timeout=self.patience)
            replies = answered("ack_many", ack, 2 * self.patience)
            common.oracle.ack_answered(op, [Reply(one.value) for one in replies], common.clock())

    def barrier(self) -> Reply:
        """Ask for a barrier, and wait for the answer."""
        common, op = self.common, next(self.common.ops)
        common.oracle.barrier_asked(op)
        reply = Reply(answered("flush", partial(common.store.flush, timeout=self.patience), 2 * self.patience).value)
        common.oracle.barrier_answered(op, reply)
        return reply

    def caught_up(self) -> dict[str, Sighting]:
        """Wait until no offset lags behind what is settled: that takes three syncs of a disk that may be busy with what
        others write, and the pause after one that failed."""
        until = self.now + 4 * self.patience
        while any(self.common.oracle.lags(*seen) for seen in self._offsets().items()) and self.now < until:
            time.sleep(0.02)
        return self._offsets()

    def at_rest(self) -> AtRest:
        """Wait until nothing is outstanding: soon, with no call under way and a disk that works, but it may be busy."""
        until = self.now + 4 * self.patience
        while any((left := self._outstanding()).values()) and self.now < until:
            time.sleep(0.02)
        return AtRest(self._offsets(), left)

    def _offsets(self) -> dict[str, Sighting]:
        queues = self.common.store.stats(count=False).queues
        return {str(queue): Sighting(of.committed, of.persisted) for queue, of in queues.items()}

    def _outstanding(self) -> dict[str, float]:
        stats = self.common.store.stats(count=False)
        names = ("operations", "effects", "pending_records", "unflushed_records", "unflushed_bytes", "dirty_bytes")
        return {name: float(getattr(stats, name)) for name in (*names, "offsets_dirty")}
