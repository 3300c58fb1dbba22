"""What is known of one queue of a store: the contract of each message, and how often each clause was put to the test.

A queue that `forgets` keeps nothing of the messages that are done with, but that they may never come again: what it
needs does not grow with time. A reset that goes back over them takes them up again, as settled.

>>> from .events import Absent, Popped
>>> orders = Queue("orders", Level.DISK)
>>> orders.observe(3, Popped("r1", at=0.0, deadline=30.0))
>>> try:
...     orders.observe(3, Absent(at=99.0))
... except Broken as broken:
...     print(broken)
no-limbo: orders[3]: not settled, and yet it did not come though the queue was popped empty at 99.0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from attrs import Factory, define, evolve, frozen

from ..spec.clauses import Clause
from ..spec.stages import Level
from .broken import Broken, Key
from .contract import Contract, ContractBroken
from .events import AckAnswered, Event, MadeDurable, Reply, ResetAnswered, ResetAsked, Secured
from .monitors import Sighting
from .possible import UNAFFECTED

ITEMS = 100_000
"""More than the items of any batch."""

MOST_OPEN = 2
"""Renewals and releases of one message whose outcome is open, at most."""


@frozen
class Covered:
    """What a barrier covers of one queue: acks, each by its operation, and deliveries."""

    acks: Mapping[int, int]
    deliveries: Mapping[int, Secured]


@define(eq=False)
class Queue:
    """One queue. Messages below `done_with` are settled for good, and forgotten; `end` is where the next will be.

    `acknowledged` are the acks that were answered, each by its operation, `deliveries` the newest delivery of each
    message and its changes that were answered OK, both as far as no barrier has covered them. `sighting` is what the
    store showed last of its offset, `kept` the most that it ever held to be on the disk. `resets` are those under way
    or of unknown outcome: meanwhile nobody knows from where the offset must not go back.
    """

    name: str
    level: Level
    max_attempts: int | None = None
    forgets: bool = False
    lock: AbstractContextManager[object] = Factory(nullcontext)
    end: int = 0
    done_with: int = 0
    contracts: dict[int, Contract] = Factory(dict)
    receipts: dict[int, list[str]] = Factory(dict)
    acknowledged: dict[int, int] = Factory(dict)
    deliveries: dict[int, Secured] = Factory(dict)
    shown_flushed: set[int] = Factory(set)
    sighting: Sighting | None = None
    kept: int = 0
    restarted: bool = False
    resets: set[int] = Factory(set)
    resetting: dict[int, int] = Factory(dict)
    """Those of the resets that are under way, each with its offset."""
    checked: Counter[Clause] = Factory(Counter)

    @property
    def first_open(self) -> int:
        """The first message that is not certainly settled by something that survives power loss."""
        ahead = (offset for offset, contract in self.contracts.items() if not contract.certainly_durable)
        return min(ahead, default=self.end)

    def contract(self, offset: int) -> Contract:
        """Return the contract of a message that is not done with, made when it is first spoken of."""
        told = self.contracts.get(offset)
        if told is None:
            told = self.contracts[offset] = Contract(self.level, max_attempts=self.max_attempts)
            self.end = max(self.end, offset + 1)
            for op, to in self.resetting.items():
                told.observe(ResetAsked(op, anew=offset >= to))
        return told

    def check(self, clause: Clause, why: str | None, *, could_fail: bool = True) -> None:
        """Count one test of a clause, if it could have failed, and raise `Broken` if something is wrong."""
        self.checked[clause] += could_fail or why is not None
        if why is not None:
            raise Broken(clause, why)

    def allows(self, offset: int, event: Event) -> bool:
        """Tell whether an observation of a message would be possible."""
        return offset < self.done_with or bool(self.contract(offset).worlds_after(event))

    def observe(
        self, offset: int, event: Event, limbo: Clause = Clause.NO_LIMBO, *, or_overtaken: bool = False
    ) -> None:
        """Take up one observation of a message that is not done with; `limbo` falls if it should have come.

        With `or_overtaken` it may also be of what came before a reset, and says nothing then.
        """
        if offset < self.done_with:
            return
        contract = self.contract(offset)
        if or_overtaken:
            contract.perhaps(event)
            return
        tested = contract.tested_by(event)
        for clause in tested:
            self.checked[clause] += 1
        try:
            contract.observe(event)
        except ContractBroken as broken:
            why = str(broken).partition(": ")[2]
            if isinstance(event, AckAnswered):
                why = why.replace(f"operation {event.op} ", f"operation {event.op // ITEMS} ")
            clause = limbo if broken.clause is Clause.NO_LIMBO else broken.clause
            self.checked[clause] += clause not in tested
            key = (self.name, offset)
            raise Broken(clause, f"{name_of(key)}: {why}", key) from broken

    def tell_all(self, event: Event) -> None:
        """Take up what happened to all messages at once."""
        if isinstance(event, UNAFFECTED):  # of most events there are, and most contracts: only noted
            for contract in self.contracts.values():
                contract.history.append(event)
            return
        for offset in sorted(self.contracts):
            self.observe(offset, event)

    def clock_set_back(self, at: float) -> None:
        """Take up that while the store was closed its clock was set back to this time."""
        for contract in self.contracts.values():
            contract.clock_set_back(at)

    def void(self, offset: int) -> None:
        """Take back what was answered for a message: it says nothing any more."""
        self.acknowledged.pop(offset, None)
        self.shown_flushed.discard(offset)

    def take_back(self) -> None:
        """Take back what was answered for any message, and what is known of the deliveries: a reset makes it void."""
        for offset in self.contracts:
            self.void(offset)
        self.deliveries.clear()

    def claims(self, level: Level) -> None:
        """Hold what is answered from here on to what an OK promises at this level."""
        self.level = level
        for contract in self.contracts.values():
            contract.claims(level)

    def survives(self, by: str) -> None:
        """Take up that all that was answered OK survives power loss, as somebody promises."""
        for offset in sorted(self.acknowledged):
            self.observe(offset, MadeDurable(by))
        for offset, secured in sorted(self.deliveries.items()):
            self.observe(offset, evolve(secured, by=by))
        self.deliveries.clear()

    def may_change(self, offset: int) -> bool:
        """Tell whether one more renewal or release of a message can be judged."""
        told = self.contracts.get(offset)
        worlds = told.worlds if told else ()
        return max((world.open_changes for world in worlds), default=0) < MOST_OPEN

    def begin_at(self, offset: int) -> None:
        """Begin with this message."""
        self.contracts.clear()
        self.done_with = self.end = offset

    def withdraw(self, end: int) -> None:
        """Forget the messages from `end` on: there are none any more."""
        for gone in [offset for offset in self.contracts if offset >= end]:
            del self.contracts[gone]
        self.end = min(self.end, end)

    # --- what is done with ------------------------------------------------------------------------------------------

    def forget_below(self, offset: int) -> list[str]:
        """Forget the messages below an offset; return the receipts that name nothing any more."""
        if not self.forgets or offset <= self.done_with:
            return []
        between = range(self.done_with, offset)
        few = len(self.contracts) < len(between)  # a record may begin anywhere
        gone = sorted(each for each in self.contracts if each < offset) if few else between
        self.done_with = offset
        for passed in gone:
            self.contracts.pop(passed, None)
            self.deliveries.pop(passed, None)
            self.void(passed)
        return [receipt for passed in gone for receipt in self.receipts.pop(passed, ())]

    def take_up(self, offset: int) -> None:
        """Go back to an offset by a reset: what lies between it and what is done with is settled, until then."""
        for again in range(offset, self.done_with):
            told = self.contracts[again] = Contract(self.level, max_attempts=self.max_attempts)
            for event in (ResetAsked(0, anew=False), ResetAnswered(0, Reply.OK)):
                told.observe(event)
        self.done_with = min(self.done_with, offset)

    def forget_refused(self, offset: int, op: int) -> None:
        """Forget an operation that was refused and changed nothing: the history would grow with each try."""
        told = self.contracts.get(offset)
        if self.forgets and told is not None:
            told.history = [event for event in told.history if getattr(event, "op", None) != op]


def item(op: int, index: int) -> int:
    """Return the number of an item of a batch, as of an operation of its own."""
    return op * ITEMS + index


def name_of(key: Key | None) -> str:
    """Return how a message is written: its queue, and its place in it."""
    return f"{key[0]}[{key[1]}]" if key else "nothing"
