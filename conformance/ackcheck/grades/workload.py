"""What the clients ask of a store on real files: chosen by seed, from the receipts they hold.

>>> work = Workload(Random(1))
>>> call = work.choose()
>>> call.op
'pop'
>>> work.popped(call.queue, [Seen(f"r{offset}", offset, 30.0) for offset in range(20)])
>>> sorted({work.choose().op for _ in range(200)})
['ack', 'ack_many', 'flush', 'pop', 'stats']

Two rules keep what is seen judgeable (see `ackcheck.grades.traffic`): a pop with a short invisible time is alone in its
queue, and one `stats` at a time is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import Factory, define, frozen

from ackcheck.oracle import Key, Seen

QUEUES = ("orders/billing/0", "orders/billing/1", "orders/billing/2")

SHORT, LONG = 0.25, 30.0
"""Seconds that a popped message stays invisible: until the store is up again after a crash, or beyond the case."""

MIXED = QUEUES[-1]
"""The queue whose pops may be long; those of the others are short, so that soon all of their messages come back."""

NONSENSE = ("", "no receipt", "00000000000000000000fffffffffffffffffffff@orders/billing/0")
REMEMBERED = 64
"""Receipts kept to be acked once more."""


@frozen
class Call:
    """One thing to ask. `kind` says more closely what it is, for the counts."""

    op: str
    kind: str
    queue: str = ""
    count: int = 0
    invisible: float = 0.0
    receipts: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the request."""
        match self.op:
            case "pop":
                return {"queue": self.queue, "count": self.count, "invisible": self.invisible}
            case "ack":
                return {"receipt": self.receipts[0]}
            case "ack_many":
                return {"receipts": list(self.receipts)}
        return {}

    def describe(self) -> str:
        """Return it in the words of a history."""
        if self.op == "pop":
            return f"pop {self.count} of {self.queue}, invisible {self.invisible:g} s"
        return f"{self.op} {', '.join(self.receipts)}".strip()


@define
class Workload:
    """Chooses the next call. It is told of every delivery, and of every call that ended."""

    random: Random
    _to_ack: dict[Key, str] = Factory(dict)
    """The newest receipt of every message that is to be acked."""
    _left: dict[Key, str] = Factory(dict)
    """The same for those that nobody acks until they come again."""
    _used: list[str] = Factory(list)
    """Receipts that were acked, or superseded."""
    _popping: dict[str, list[float]] = Factory(dict)
    _looking: int = 0

    def choose(self) -> Call:
        """Return what to ask next."""
        kinds = {"ack": 40, "ack_many": 14, "pop": 26, "flush": 6, "stats": 4, "ack again": 9, "ack nonsense": 1}
        [kind] = self.random.choices(list(kinds), list(kinds.values()))
        chosen = getattr(self, "_" + kind.replace(" ", "_"))()
        assert chosen is None or isinstance(chosen, Call)
        return chosen or self._pop() or self._ack_again() or Call("flush", "flush")

    def pop(self, queue: str, count: int, invisible: float) -> Call:
        """Return a pop, and note that it is under way."""
        self._popping.setdefault(queue, []).append(invisible)
        return Call("pop", "pop", queue=queue, count=count, invisible=invisible)

    def look(self) -> Call:
        """Return a `stats`, and note that it is under way."""
        self._looking += 1
        return Call("stats", "stats")

    # --- what became of it ------------------------------------------------------------------------------------------

    def popped(self, queue: str, deliveries: Sequence[Seen]) -> None:
        """A pop was answered."""
        for seen in deliveries:
            key = (queue, seen.offset)
            self._done_with(key)
            (self._to_ack if self.random.random() < 0.75 else self._left)[key] = seen.receipt

    def ended(self, call: Call) -> None:
        """A call was answered, or never will be."""
        if call.op == "pop":
            self._popping[call.queue].remove(call.invisible)
        elif call.op == "stats":
            self._looking -= 1

    # --- within -----------------------------------------------------------------------------------------------------

    def _ack(self) -> Call | None:
        receipts = self._take(1)
        return Call("ack", "ack", receipts=receipts) if receipts else None

    def _ack_many(self) -> Call | None:
        fresh = self._take(self.random.randint(1, 6))
        if not fresh:
            return None
        receipts = [*fresh, *self.random.sample(self._used, min(len(self._used), self.random.choice((0, 0, 1, 2))))]
        self.random.shuffle(receipts)
        return Call("ack_many", "ack_many", receipts=tuple(receipts))

    def _ack_again(self) -> Call | None:
        """Ack what was acked before, perhaps only a moment ago, or a delivery that is not the newest."""
        return Call("ack", "ack again", receipts=(self.random.choice(self._used),)) if self._used else None

    def _ack_nonsense(self) -> Call:
        return Call("ack", "ack nonsense", receipts=(self.random.choice(NONSENSE),))

    def _flush(self) -> Call:
        return Call("flush", "flush")

    def _stats(self) -> Call | None:
        return None if self._looking else self.look()

    def _pop(self) -> Call | None:
        queue = self.random.choice(QUEUES)
        invisible = self.random.choice((SHORT, LONG)) if queue == MIXED else SHORT
        under_way = self._popping.setdefault(queue, [])
        if under_way and min(*under_way, invisible) < LONG:
            return None
        return self.pop(queue, self.random.randint(1, 6), invisible)

    def _take(self, count: int) -> tuple[str, ...]:
        keys = list(self._to_ack)
        keys = self.random.sample(keys, min(count, len(keys)))
        receipts = tuple(self._to_ack[key] for key in keys)
        for key in keys:
            self._done_with(key)
        return receipts

    def _done_with(self, key: Key) -> None:
        for held in (self._to_ack, self._left):
            if key in held:
                self._used.append(held.pop(key))
        del self._used[:-REMEMBERED]
