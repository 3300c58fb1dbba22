"""What the clients ask of a store on real files: chosen by seed, from the receipts they hold.

>>> work = Workload(Random(1))
>>> call = work.choose()
>>> call.op
'pop'
>>> work.popped(call.queue, [Delivered(f"r{offset}", offset, 30.0) for offset in range(20)])
>>> sorted({work.choose().op for _ in range(200)})
['ack', 'ack_many', 'flush', 'pop', 'stats']
>>> work.offers = frozenset({"renew", "release"})
>>> sorted({work.choose().op for _ in range(300)} & {"renew", "release", "reset"})
['release', 'renew']

Three rules keep what is seen judgeable (see `ackcheck.grades.traffic`): a pop with a short invisible time is alone in
its queue, one `stats` at a time is under way, and a reset is alone in its queue, and under way beside no `stats`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from attrs import Factory, define, frozen

from ackcheck.promises import STRICT, Promises
from ackmodel.observe.broken import Key
from ackmodel.observe.oracle import Delivered

QUEUES = ("orders/billing/0", "orders/billing/1", "orders/billing/2")

WINDOW = 16
"""Calls under way at once."""

SHORT, LONG = 0.25, 30.0
"""Seconds that a popped message stays invisible: until the store is up again after a crash, or beyond the case."""

MIXED = QUEUES[-1]
"""The queue whose pops may be long; those of the others are short, so that soon all of their messages come back."""

NONSENSE = ("", "no receipt", "00000000000000000000fffffffffffffffffffff@orders/billing/0")
CONSUMERS = ("ada", "bao", "cleo")
"""Who pops; more than two, so that it is seen whether what another has stays where it is."""

REMEMBERED = 64
"""Receipts kept to be acked once more."""

KINDS = {"ack": 40, "ack_many": 14, "pop": 26, "flush": 6, "stats": 4, "ack again": 9, "ack nonsense": 1}
"""How often each kind of call is chosen, relative to the others."""

EXTENDED = {"renew": 10, "release": 6, "reset": 1, "leave": 3}
"""The same of what a target may offer."""


@frozen
class Call:
    """One thing to ask. `kind` says more closely what it is, for the counts; `queues` which queues it touches."""

    op: str
    kind: str
    queue: str = ""
    count: int = 0
    invisible: float = 0.0
    receipts: tuple[str, ...] = ()
    offset: int = 0
    queues: tuple[str, ...] = ()
    consumer: str = ""
    """Who pops, or leaves, of a target that knows its consumers."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the request."""
        match self.op:
            case "pop":
                told = {"queue": self.queue, "count": self.count, "invisible": self.invisible}
                return {**told, "consumer": self.consumer} if self.consumer else told
            case "leave":
                return {"consumer": self.consumer}
            case "ack" | "release":
                return {"receipt": self.receipts[0]}
            case "ack_many":
                return {"receipts": list(self.receipts)}
            case "renew":
                return {"receipt": self.receipts[0], "invisible": self.invisible}
            case "reset":
                return {"queue": self.queue, "offset": self.offset}
            case "dead":
                return {"queue": self.queue}
        return {}

    def describe(self, names: Mapping[str, str]) -> str:
        """Return it in the words of a history, in which the receipts have these names."""
        named = [names.get(receipt, repr(receipt)) for receipt in self.receipts]
        match self.op:
            case "pop":
                by = f" by {self.consumer}" if self.consumer else ""
                return f"pop {self.count} of {self.queue}{by}, invisible {self.invisible:g} s"
            case "leave":
                return f"{self.consumer} leaves"
            case "renew":
                return f"renew {named[0]}, invisible {self.invisible:g} s from now"
            case "reset":
                return f"reset {self.queue} to {self.offset}"
        return f"{self.op} {', '.join(named)}".strip()


def _always(_: str) -> bool:
    return True


def _nothing(_: str) -> Sequence[str]:
    return ()


@define
class Workload:
    """Chooses the next call. It is told of every delivery, and of every call that ended.

    `offers` are the methods of `ackcheck.target.Extended` that may be asked for; `may_change` says whether one more
    renewal or release of a receipt can be judged, `may_reset` the same of a queue, `in_hand` what a consumer has.
    """

    random: Random
    offers: frozenset[str] = frozenset()
    promises: Promises = STRICT
    end: int = 0
    """How many messages each queue holds."""
    may_change: Callable[[str], bool] = _always
    may_reset: Callable[[str], bool] = _always
    in_hand: Callable[[str], Sequence[str]] = _nothing
    _to_ack: dict[Key, str] = Factory(dict)
    """The newest receipt of every message that is to be acked."""
    _left: dict[Key, str] = Factory(dict)
    """The same for those that nobody acks until they come again."""
    _used: list[tuple[Key, str]] = Factory(list)
    """Receipts that were acked, given back, or superseded."""
    _given_back: list[tuple[Key, str]] = Factory(list)
    """Receipts that were given back, and not acked since."""
    _popping: dict[str, list[float]] = Factory(dict)
    _looking: int = 0
    _under_way: Counter[str] = Factory(Counter)
    """How many calls touch each queue."""
    _comes_again: str = ""
    """The consumer that leaves, or has just left, and is the next one to pop."""
    _busy: Counter[str] = Factory(Counter)
    """How many pops, and leaves, of each consumer are under way."""
    _closed: str = ""
    """The queue that is to be reset, or is being reset: nothing else is asked of it."""

    def choose(self) -> Call:
        """Return what to ask next."""
        if self._closed and not self._under_way[self._closed] and not self._looking:
            return self.reset(self._closed)
        asked = KINDS if self.promises.barrier == "yes" else {kind: KINDS[kind] for kind in KINDS if kind != "flush"}
        kinds = asked | {kind: weight for kind, weight in EXTENDED.items() if kind in self.offers}
        [kind] = self.random.choices(list(kinds), list(kinds.values()))
        chosen = getattr(self, "_" + kind.replace(" ", "_"))()
        assert chosen is None or isinstance(chosen, Call)
        return chosen or self._pop() or self._ack_again() or self._ack_nonsense()

    def pop(self, queue: str, count: int, invisible: float, consumer: str = "") -> Call:
        """Return a pop, and note that it is under way; it hides for the time nearest to `invisible` that can be."""
        invisible = self.promises.hidden_for(invisible)
        self._popping.setdefault(queue, []).append(invisible)
        if "leave" in self.offers:
            consumer = consumer or self._comes_again or self.random.choice(CONSUMERS)
            self._comes_again = ""
        pop = Call("pop", "pop", queue=queue, count=count, invisible=invisible, queues=(queue,), consumer=consumer)
        return self._noted(pop)

    def leave(self, consumer: str) -> Call:
        """Return a leave, and note that it is under way."""
        return self._noted(Call("leave", "leave", queues=QUEUES, consumer=consumer))

    def look(self) -> Call:
        """Return a `stats`, and note that it is under way."""
        self._looking += 1
        return Call("stats", "stats")

    def reset(self, queue: str) -> Call:
        """Return a reset, and note that it is under way: every receipt of the queue is void."""
        self._closed = queue
        for key in [key for held in (self._to_ack, self._left) for key in held if key[0] == queue]:
            self._done_with(key)
        offset = self.random.choice((0, self.end, self.random.randint(0, self.end)))
        return self._noted(Call("reset", "reset", queue=queue, offset=offset, queues=(queue,)))

    def lengthen(self) -> Call | None:
        """Return a renewal of something in hand, for long; None where there is nothing."""
        return self._about("renew", "renew", self._to_change(), invisible=LONG)

    # --- what became of it ------------------------------------------------------------------------------------------

    def popped(self, queue: str, deliveries: Sequence[Delivered]) -> None:
        """Note that a pop was answered."""
        for seen in deliveries:
            key = (queue, seen.offset)
            self._done_with(key)
            (self._to_ack if self.random.random() < 0.75 else self._left)[key] = seen.receipt

    def ended(self, call: Call) -> None:
        """Note that a call was answered, or never will be."""
        self._under_way.subtract(call.queues)
        self._busy[call.consumer] -= 1
        if call.op == "pop":
            self._popping[call.queue].remove(call.invisible)
        elif call.op == "stats":
            self._looking -= 1
        elif call.op == "reset":
            self._closed = ""

    # --- within -----------------------------------------------------------------------------------------------------

    def _noted(self, call: Call) -> Call:
        self._under_way.update(call.queues)
        self._busy[call.consumer] += 1
        return call

    def _ack(self) -> Call | None:
        return self._about("ack", "ack", self._take(1))

    def _ack_many(self) -> Call | None:
        fresh = self._take(self.random.randint(1, 6))
        if not fresh:
            return None
        used = self._open(self._used)
        receipts = [*fresh, *self.random.sample(used, min(len(used), self.random.choice((0, 0, 1, 2))))]
        self.random.shuffle(receipts)
        return self._about("ack_many", "ack_many", receipts)

    def _ack_again(self) -> Call | None:
        """Ack what was acked before, perhaps a moment ago, or a delivery that was given back, or is not the newest."""
        if self._given_back and self.random.random() < 0.5:
            return self._about("ack", "ack again", self._open([self._given_back.pop()]))
        used = self._open(self._used)
        return self._about("ack", "ack again", [self.random.choice(used)] if used else [])

    def _ack_nonsense(self) -> Call:
        return Call("ack", "ack nonsense", receipts=(self.random.choice(NONSENSE),))

    def _flush(self) -> Call:
        return Call("flush", "flush")

    def _stats(self) -> Call | None:
        return None if self._looking or self._closed else self.look()

    def _pop(self) -> Call | None:
        queue = self.random.choice(QUEUES)
        invisible = self.random.choice((SHORT, LONG)) if queue == MIXED else SHORT
        under_way = self._popping.setdefault(queue, [])
        if queue == self._closed or (under_way and min(*under_way, invisible) < LONG):
            return None
        return self.pop(queue, self.random.randint(1, 6), invisible)

    def _renew(self) -> Call | None:
        """Ask for more time, or for less."""
        return self._about("renew", "renew", self._to_change(), invisible=self.random.choice((SHORT, LONG)))

    def _release(self) -> Call | None:
        """Give a delivery back; its receipt may be acked, or given back again, later."""
        chosen = self._to_change()
        for key, _ in chosen:
            self._done_with(key)
        self._given_back += chosen
        return self._about("release", "release", chosen)

    def _reset(self) -> Call | None:
        """Stop asking things of a queue; once nothing of it is under way, it is reset."""
        queue = self.random.choice(QUEUES)
        if not self._closed and self.may_reset(queue):
            self._closed = queue
        return None

    def _leave(self) -> Call | None:
        """Have a consumer leave that has something in hand, and no pop under way; it is the next one to pop."""
        consumer = self.random.choice(CONSUMERS)
        hands = self.in_hand(consumer)
        if not hands or self._busy[consumer] or self._closed or not all(map(self.may_change, hands)):
            return None
        self._comes_again = consumer
        return self.leave(consumer)

    def _to_change(self) -> list[tuple[Key, str]]:
        """Return a receipt in hand, if its change can be judged; one in ten times, one that is over."""
        held = self._open(self._used if self.random.random() < 0.1 else [*self._to_ack.items(), *self._left.items()])
        chosen = [self.random.choice(held)] if held else []
        return [(key, receipt) for key, receipt in chosen if self.may_change(receipt)]

    def _about(self, op: str, kind: str, chosen: Sequence[tuple[Key, str]], *, invisible: float = 0.0) -> Call | None:
        """Return a call about these receipts, and note that it is under way; None where there are none."""
        if not chosen:
            return None
        receipts = tuple(receipt for _, receipt in chosen)
        invisible = self.promises.hidden_for(invisible) if op == "renew" else invisible
        queues = tuple({key[0]: None for key, _ in chosen})
        return self._noted(Call(op, kind, receipts=receipts, invisible=invisible, queues=queues))

    def _open(self, held: Sequence[tuple[Key, str]]) -> list[tuple[Key, str]]:
        """Return those of them that are of no queue which is being reset."""
        return [(key, receipt) for key, receipt in held if key[0] != self._closed]

    def _take(self, count: int) -> list[tuple[Key, str]]:
        held = self._open(list(self._to_ack.items()))
        taken = self.random.sample(held, min(count, len(held)))
        for key, _ in taken:
            self._done_with(key)
        return taken

    def _done_with(self, key: Key) -> None:
        for held in (self._to_ack, self._left):
            if key in held:
                self._used.append((key, held.pop(key)))
        del self._used[:-REMEMBERED]
