"""The contracts of all messages of a store, and how often each clause was put to the test on them.

>>> from .events import Absent, Popped
>>> messages = Messages(Level.DISK)
>>> messages.observe(("orders", 3), Popped("r1", at=0.0, deadline=30.0))
>>> try:
...     messages.observe(("orders", 3), Absent(at=99.0))
... except Broken as error:
...     print(error)
no-limbo: orders[3]: not settled, and yet it did not come though the queue was popped empty at 99.0
"""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define

from ..spec.clauses import Clause
from ..spec.stages import Level
from .broken import Broken, Key
from .contract import Contract, ContractBroken
from .events import AckAnswered, Event

ITEMS = 100_000
"""More than the items of any batch."""


@define
class Messages:
    """A contract for each message, made when the message is first spoken of."""

    level: Level
    max_attempts: int | None = None
    checked: Counter[Clause] = Factory(Counter)
    contracts: dict[Key, Contract] = Factory(dict)

    def contract(self, key: Key) -> Contract:
        """Return the contract of one message."""
        told = self.contracts.get(key)
        if told is None:
            told = self.contracts[key] = Contract(self.level, max_attempts=self.max_attempts)
        return told

    def of(self, queue: str) -> list[Key]:
        """Return the messages of a queue that were spoken of, in their order."""
        return sorted(key for key in self.contracts if key[0] == queue)

    def check(self, clause: Clause, why: str | None, *, could_fail: bool = True) -> None:
        """Count one test of a clause, if it could have failed, and raise `Broken` if something is wrong."""
        self.checked[clause] += could_fail or why is not None
        if why is not None:
            raise Broken(clause, why)

    def observe(self, key: Key, event: Event, limbo: Clause = Clause.NO_LIMBO) -> None:
        """Take up one observation of one message; `limbo` is the clause that falls if it should have come."""
        contract = self.contract(key)
        stakes = contract.stakes(event)
        self.checked.update(stakes)
        try:
            contract.observe(event)
        except ContractBroken as broken:
            why = str(broken).partition(": ")[2]
            if isinstance(event, AckAnswered):
                why = why.replace(f"operation {event.op} ", f"operation {event.op // ITEMS} ")
            clause = limbo if broken.clause is Clause.NO_LIMBO else broken.clause
            self.checked[clause] += clause not in stakes
            raise Broken(clause, f"{name_of(key)}: {why}", key) from broken

    def tell_all(self, event: Event) -> None:
        """Take up what happened to all messages at once."""
        for key in sorted(self.contracts):
            self.observe(key, event)


def item(op: int, index: int) -> int:
    """Number each item of a batch as an operation of its own."""
    return op * ITEMS + index


def name_of(key: Key | None) -> str:
    """Return how a message is written: its queue, and its place in it."""
    return f"{key[0]}[{key[1]}]" if key else "nothing"
