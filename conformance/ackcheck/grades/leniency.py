"""How what is seen of a store that promises less is told to the oracles, which know the strict protocol.

Where a store may do one of two things, the oracles are told that somebody may have asked for the other: a delivery that
need not outlive its process may have been given back before it ended; an ack that may count though it is late was asked
for in time. So each departure leaves more possible, and nothing that is still promised goes unjudged:

>>> lenient = Leniency(Promises(receipts="of-the-message"))
>>> lenient.given(("q", 0), "m0"), lenient.given(("q", 0), "m0")
('m0', 'm0, delivery 2')
>>> lenient.asked_for(["m0"]), lenient.on_the_wire(["m0, delivery 2"])
(('m0, delivery 2',), ('m0',))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from attrs import Factory, define

from ackcheck.panel import Panel
from ackcheck.promises import STRICT, Promises
from ackcheck.target import Delivery
from ackmodel.observe.broken import Key
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Oracle

NEVER = float("-inf")


@define(eq=False)
class Leniency:
    """Knows every delivery by a name of its own, and which is the newest of its message."""

    promises: Promises = STRICT
    _stops: list[str] = Factory(list)
    """What has stopped the store so far."""
    _given_after: dict[Key, int] = Factory(dict)
    """How many stops there had been when each message was last handed out."""
    _newest: dict[Key, str] = Factory(dict)
    _key: dict[str, Key] = Factory(dict)
    _wire: dict[str, str] = Factory(dict)
    """The receipt of each delivery that has another name here."""
    _ops: int = -1
    """Operations that nobody asked for have numbers below 0."""

    @property
    def one_for_all(self) -> bool:
        """Whether a receipt, or an older one, may settle whatever delivery of its message is in hand."""
        return self.promises.receipts == "of-the-message" or self.promises.delivery == "at-least-once"

    @property
    def exact(self) -> bool:
        """Whether every answer means what the strict protocol says."""
        return not self.promises.departures().keys() - {"publish", "damage", "grace", "granularity", "invisible"}

    @property
    def settled_again(self) -> bool:
        """Whether a second ack of a delivery is answered SETTLED: only where no receipt outlives its delivery."""
        return not self.one_for_all and self.promises.late_acks == "refused"

    def attempt(self, stated: int) -> int | None:
        """Return the number of a delivery where it can be judged: where none is forgotten, and none repeated."""
        return None if self.one_for_all or self.promises.reservations != "survive" else stated

    def given(self, key: Key, receipt: str) -> str:
        """Note a delivery; return its name, which no other has."""
        name = receipt
        if self.promises.receipts == "of-the-message" and self._key.get(receipt) == key:
            number = 2
            while (name := f"{receipt}, delivery {number}") in self._key:
                number += 1
            self._wire[name] = receipt
        self._newest[key], self._key[name], self._given_after[key] = name, key, len(self._stops)
        return name

    def on_the_wire(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the receipts of deliveries."""
        return tuple(self._wire.get(name, name) for name in names)

    def asked_for(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return which deliveries an ack of these may settle."""
        if not self.one_for_all:
            return tuple(names)
        return tuple(self._newest[self._key[name]] if name in self._key else name for name in names)

    def asked_at(self, at: float) -> float:
        """Return when an ack counts as asked for, of which this is the latest time."""
        return NEVER if self.promises.late_acks == "may-settle" or self.one_for_all else at

    def answer(self, reply: Reply) -> Reply:
        """Return what an answer to an ack says: that a receipt is over says nothing where others may be current."""
        over = reply in (Reply.EXPIRED, Reply.INVALID)
        return Reply.UNKNOWN if over and self.promises.delivery == "at-least-once" else reply

    def before_a_stop(self, panel: Panel, how: str) -> None:
        """Whatever is in hand may be given back, where reservations end with the process."""
        self._stops.append(how)
        if self.promises.reservations != "survive" or self.promises.delivery == "at-least-once":
            self._give_back(panel, list(self._newest.items()))

    def before_a_delivery(self, panel: Panel, keys: Sequence[Key]) -> Counter[str]:
        """Return how many of these messages come though they are in hand, as they may after a fault, by the cause."""
        causes: Counter[str] = Counter()
        if self.promises.delivery == "at-least-once" and self._stops:
            again = [(key, self._newest[key]) for key in keys if key in self._newest]
            self._give_back(panel, again)
            causes.update(self._cause(key) for key, _ in again)
        return causes

    def once_each(self, answered: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        """Return one delivery of each message of an answer, and apart the others of those that came several times in
        it: where they may come twice they may come together."""
        if self.promises.delivery != "at-least-once" or not self._stops:
            return answered, []
        first = {one["offset"]: one for one in reversed(answered)}
        once = [one for one in answered if first[one["offset"]] is one]
        return once, [one for one in answered if first[one["offset"]] is not one]

    def of_nobody(self) -> int:
        """Return the number of an operation that nobody asked for."""
        self._ops -= 1
        return self._ops

    def _cause(self, key: Key) -> str:
        """Return what may have brought a message back: the stop after its delivery, or an older delivery of it."""
        since = self._stops[self._given_after[key] :]
        return f"handed out again after {since[-1]}" if since else "handed out again for an older delivery"

    def _give_back(self, panel: Panel, deliveries: Sequence[tuple[Key, str]]) -> None:
        for _, name in deliveries:
            panel.each(partial(_release_with_an_unknown_outcome, self.of_nobody(), name))


def _release_with_an_unknown_outcome(op: int, name: str, oracle: Oracle) -> None:
    oracle.release_asked(op, name, at=NEVER)
    oracle.change_answered(op, Reply.UNKNOWN, at=NEVER)
