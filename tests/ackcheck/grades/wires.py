"""A target on the test's own clock: it answers what the test says, when the test says so."""

from collections import Counter
from random import Random
from typing import Any, cast

import pytest

from ackcheck.grades.traffic import Traffic
from ackcheck.grades.workload import QUEUES, SHORT, Call
from ackcheck.panel import Panel
from ackcheck.rig import Child, Exchange
from ackcheck.rig.exchange import SecondAnswer
from ackmodel import Level

QUEUE = QUEUES[0]


class Wire:
    """A child that answers when the test says so, on the test's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.sent: list[Exchange] = []
        self.second_answers: list[SecondAnswer] = []
        monkeypatch.setattr("ackcheck.grades.traffic.time.monotonic", lambda: self.now)
        panel = Panel((Level.DISK,))
        panel.each(lambda oracle: oracle.published(QUEUE, 2))
        self.traffic = Traffic(cast(Child, self), panel, Random(1), Counter(), began=0.0)

    def send(self, op: str, **arguments: Any) -> int:
        exchange = Exchange(id=len(self.sent), op=op, arguments=arguments, sent_ns=int(self.now * 1e9))
        self.sent.append(exchange)
        return exchange.id

    def ask(self, call: Call, at: float) -> int:
        self.now = at
        self.traffic.ask(call)
        return self.sent[-1].id

    def answered(self, number: int, result: Any, at: float, error: tuple[str, str] | None = None) -> Exchange:
        asked = self.sent[number]
        replied = int(at * 1e9)
        return Exchange(
            id=number,
            op=asked.op,
            arguments=asked.arguments,
            sent_ns=asked.sent_ns,
            replied_ns=replied,
            result=result,
            error=error,
        )

    def answer(self, number: int, result: Any, at: float, error: tuple[str, str] | None = None) -> None:
        self.now = at
        self.traffic.take([self.answered(number, result, at, error)])


def pop(invisible: float = SHORT) -> Call:
    return Call("pop", "pop", queue=QUEUE, count=1, invisible=invisible)


def ack(receipt: str) -> Call:
    return Call("ack", "ack", receipts=(receipt,))


def delivery(receipt: str, offset: int = 0) -> dict[str, Any]:
    """A delivery, of which the receipt tells the number: r1 is the first."""
    return {"receipt": receipt, "offset": offset, "attempt": int(receipt[1:]), "deadline": 12345.0}


def given(wire: Wire, receipt: str, *, sent: float, received: float, invisible: float = SHORT) -> None:
    """A pop that hands out message 0."""
    wire.traffic.work._popping.setdefault(QUEUE, []).append(invisible)
    wire.answer(wire.ask(pop(invisible), sent), [delivery(receipt)], received)
