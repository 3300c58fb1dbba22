"""Consumers by name, of a target that knows them: what each has in hand, and what comes back when it leaves.

What a consumer has in hand is due at once when it leaves, each delivery as by a release, and nothing else returns. The
answer is one for all of them; so an OK says that those were given back which were certainly in hand by then, and leaves
open what became of the others: of a delivery whose deadline may have passed, or whose ack is under way. That ack was
asked for before its consumer left, and takes effect before: it is not answered EXPIRED for that.

>>> consumers = Consumers()
>>> consumers.given("ada", [(("q", 0), "r0"), (("q", 1), "r1"), (("q", 2), "r2")], until=30.0)
>>> consumers.acked(1, ["r0"], at=1.0), consumers.ack_answered(1, [Reply.OK], at=1.0)
(None, None)
>>> consumers.acked(2, ["r1"], at=1.0)
>>> consumers.leaves(Panel(()), 3, "ada", number=iter((-1, -2)).__next__)
>>> consumers.left(Panel(()), 3, Reply.OK, at=1.1)      # r2 is certainly given back
1
>>> consumers.ack_answered(2, [Reply.EXPIRED], at=1.2)
'the ack of r1 was asked for before its consumer left, in time, and answered EXPIRED: calls of one consumer take \
effect in their order'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from attrs import Factory, define, evolve, frozen

from ackcheck.panel import Panel
from ackmodel.observe.broken import Key
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Oracle

NEVER: Final = float("-inf")
"""Until when a delivery is certainly in hand of which that is not known any more."""

OVERTAKEN: Final = (
    "the ack of {} was asked for before its consumer left, in time, and answered EXPIRED: calls of one consumer take "
    "effect in their order"
)


@frozen
class Held:
    """A delivery: who has it, and until when for certain."""

    receipt: str
    consumer: str
    until: float


@define(eq=False)
class Consumers:
    """Knows of every message who has its newest delivery, as long as nobody has let it go."""

    _held: dict[Key, Held] = Factory(dict)
    _where: dict[str, Key] = Factory(dict)
    _leaving: dict[int, tuple[tuple[int, Held], ...]] = Factory(dict)
    """The releases that each leave under way is told as, by its operation."""
    _acking: dict[int, tuple[Held, ...]] = Factory(dict)
    """What each ack under way was asked for that was in hand then."""
    _gone: set[str] = Factory(set)
    """The receipts that were in hand when their consumer left."""

    def given(self, consumer: str, deliveries: Iterable[tuple[Key, str]], until: float) -> None:
        """Note what a consumer was handed."""
        for key, receipt in deliveries if consumer else ():
            if key in self._held:
                self._where.pop(self._held[key].receipt, None)
            self._held[key], self._where[receipt] = Held(receipt, consumer, until), key

    def in_hand(self, consumer: str) -> list[str]:
        """Return the receipts of what a consumer has in hand, or may have."""
        return [held.receipt for held in self._held.values() if held.consumer == consumer]

    def moved(self, receipts: Iterable[str]) -> None:
        """Note that a renewal or a release of these was asked for: from now on their end is open."""
        for key in [self._where[receipt] for receipt in receipts if receipt in self._where]:
            self._held[key] = evolve(self._held[key], until=NEVER)

    def acked(self, op: int, receipts: Iterable[str], at: float) -> None:
        """Note that an ack was asked for."""
        held = [self._held[self._where[receipt]] for receipt in receipts if receipt in self._where]
        self._acking[op] = tuple(each for each in held if at < each.until)
        self.moved(each.receipt for each in held)

    def ack_answered(self, op: int, replies: Sequence[Reply], at: float) -> str | None:
        """Note that an ack was answered; return why that is out of order, if it is."""
        asked = self._acking.pop(op, ())
        if Reply.OK in replies or Reply.SETTLED in replies:
            for each in asked if len(set(replies)) == 1 else ():
                self._let_go(each.receipt)
        over = [each for each in asked if each.receipt in self._gone and at < each.until]
        return OVERTAKEN.format(over[0].receipt) if over and set(replies) == {Reply.EXPIRED} else None

    def leaves(self, panel: Panel, op: int, consumer: str, number: Callable[[], int]) -> None:
        """Tell that a consumer leaves: of each delivery in its hands that it may be given back, by a release."""
        hands = [held for held in self._held.values() if held.consumer == consumer]
        self._leaving[op] = tuple((number(), held) for held in hands)
        for each, held in self._leaving[op]:
            self._let_go(held.receipt)
            self._gone.add(held.receipt)
            panel.each(partial(_release, each, held.receipt))

    def left(self, panel: Panel, op: int, reply: Reply, at: float) -> int:
        """Tell how a leave was answered; return how many deliveries are certainly given back."""
        told = [(each, self._as_told(held, reply, at)) for each, held in self._leaving.pop(op)]
        for each, outcome in told:
            panel.each(partial(_released, each, outcome, at))
        return sum(outcome is Reply.OK for _, outcome in told)

    def forget(self, queue: str) -> None:
        """Forget what there is in hand of a queue: its offset is set anew."""
        for key in [key for key in self._held if key[0] == queue]:
            self._let_go(self._held[key].receipt)

    def stopped(self) -> None:
        """Note that the store was stopped: whoever pops from here on has come anew."""
        for known in (self._held, self._where, self._leaving, self._acking, self._gone):
            known.clear()

    def _let_go(self, receipt: str) -> None:
        key = self._where.pop(receipt, None)
        if key is not None:
            del self._held[key]

    @staticmethod
    def _as_told(held: Held, reply: Reply, at: float) -> Reply:
        if reply is Reply.BUSY:
            return reply
        return Reply.OK if reply is Reply.OK and at < held.until else Reply.UNKNOWN


def _release(op: int, receipt: str, oracle: Oracle) -> None:
    oracle.release_asked(op, receipt, at=NEVER)


def _released(op: int, reply: Reply, at: float, oracle: Oracle) -> None:
    oracle.change_answered(op, reply, at=at)
