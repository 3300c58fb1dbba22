"""Answers that are told later than they came, since a pop may have come before.

Where a receipt names no delivery, an ack may settle what a pop has just taken whose answer is still on its way. And
whatever names a receipt may be answered SETTLED, as that pop was the last attempt, its time is over, and the message a
dead letter. The oracle hears of such an answer once it has heard of the pop's.

>>> pop, ack = Asked(1, Call("pop", "pop", queue="q"), (), 0.0), Asked(2, Call("ack", "ack"), (("q", 0),), 0.0)
>>> back = HeldBack()
>>> back.hold(ack, Exchange(id=2, op="ack", arguments={}, sent_ns=0), 0.5, under_way={1: pop})
True
>>> back.ready({1: pop}), [asked.op for asked, _, _ in back.ready({})], back.ready({})
([], [2], [])
>>> back.follows_a_pop(Exchange(id=2, op="renew", arguments={}, sent_ns=0, result="SETTLED"), one_for_all=False)
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import Factory, define, frozen

from ackcheck.grades.workload import Call
from ackcheck.rig.exchange import Exchange
from ackmodel.observe.broken import Key
from ackmodel.observe.events import Reply

Seen = TypeVar("Seen")


@frozen
class Asked:
    """A call under way: the number of the operation for the oracle, what it is, what it is about, and since when."""

    op: int
    call: Call
    about: tuple[Key | str, ...]
    at: float

    def __str__(self) -> str:
        """Name it, as a finding does."""
        return f"operation {self.op}, {self.call.op}"


@define
class HeldBack:
    """The answers that are held back, each with the requests of the pops that it waits for."""

    _held: list[tuple[frozenset[int], Asked, Exchange, float]] = Factory(list)

    @staticmethod
    def follows_a_pop(exchange: Exchange, *, one_for_all: bool) -> bool:
        """Tell whether a pop without an answer yet may be behind this answer."""
        replies = exchange.result if isinstance(exchange.result, list) else [exchange.result]
        return (one_for_all and exchange.op in ("ack", "ack_many")) or Reply.SETTLED.value in replies

    def hold(self, asked: Asked, exchange: Exchange, at: float, under_way: Mapping[int, Asked]) -> bool:
        """Hold an answer back if a pop of its queue is under way; return whether it is."""
        queues = {key[0] for key in asked.about if isinstance(key, tuple)}
        pops = (number for number, one in under_way.items() if one.call.op == "pop" and one.call.queue in queues)
        if waits_for := frozenset(pops):
            self._held.append((waits_for, asked, exchange, at))
        return bool(waits_for)

    def ready(self, under_way: Mapping[int, Asked]) -> list[tuple[Asked, Exchange, float]]:
        """Return the answers, and when they came, that need not be held back any more."""
        ready = [one for one in self._held if not one[0] & under_way.keys()]
        self._held = [one for one in self._held if one[0] & under_way.keys()]
        return [(asked, exchange, at) for _, asked, exchange, at in ready]

    @property
    def asked(self) -> list[Asked]:
        """What the answers are to that are held back."""
        return [one[1] for one in self._held]


def can_be_judged(shown: Mapping[str, Seen], under_way: Mapping[int, Asked], now: float) -> dict[str, Seen]:
    """Return what is shown of queues, without those in which a pop is under way for longer than it hides what it takes:
    for all that is known the store may have buried that by now, and its offset have passed it.

    >>> pop = Asked(1, Call("pop", "pop", queue="q", invisible=0.5), (), at=1.0)
    >>> can_be_judged({"q": 7, "r": 8}, {1: pop}, now=1.4), can_be_judged({"q": 7, "r": 8}, {1: pop}, now=1.5)
    ({'q': 7, 'r': 8}, {'r': 8})
    """
    pops = (one for one in under_way.values() if one.call.op == "pop")
    over = {one.call.queue for one in pops if now >= one.at + one.call.invisible}
    return {queue: seen for queue, seen in shown.items() if queue not in over}
