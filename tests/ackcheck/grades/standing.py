"""A store on a clock that only the test moves: what a session asks of it, in which order, and how much at once."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from ackcheck.grades.session import Session
from ackcheck.panel import Panel
from ackcheck.rig import Child, Exchange, Killed
from ackcheck.rig.exchange import SecondAnswer
from ackmodel import CommitPolicy, Level


class Standing:
    """A store that is always right, and whose answers come when they are waited for; all that is done is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seed: int = 1) -> None:
        self.now, self.pid, self.sent = 100.0, 1, 0
        self.second_answers: list[SecondAnswer] = []
        self.under_way: list[Exchange] = []
        self.done: list[str] = []
        self.slept: list[float] = []
        self.ends: dict[str, int] = {}
        self.given: Counter[str] = Counter()
        self.settled: set[str] = set()
        monkeypatch.setattr("ackcheck.grades.session.time.monotonic", lambda: self.now)
        monkeypatch.setattr("ackcheck.grades.session.time.sleep", self.sleep)
        panel = Panel((Level.MEMORY,))
        self.session = Session(cast(Child, self), Path(), panel, f"{seed}/1", CommitPolicy.ACK, Counter(), turn=seed)
        self.session.traffic._began = self.now

    @property
    def in_flight(self) -> int:
        return len(self.under_way)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def mark(self) -> None: ...
    def stop(self) -> None: ...
    def go_on(self) -> None: ...

    def send(self, op: str, **arguments: Any) -> int:
        self.sent += 1
        self.done.append(op)
        asked = Exchange(id=self.sent, op=op, arguments=arguments, sent_ns=int(self.now * 1e9))
        self.under_way.append(asked)
        return self.sent

    def receive(self) -> Exchange:
        asked = self.under_way.pop(0)
        self.now += 0.001
        self.done.append(f"{asked.op} answered")
        return Exchange(
            id=asked.id,
            op=asked.op,
            arguments=asked.arguments,
            sent_ns=asked.sent_ns,
            replied_ns=int(self.now * 1e9),
            result=self.answer(asked.op, dict(asked.arguments)),
        )

    def poll(self, _seconds: float = 0.0) -> list[Exchange]:
        return []

    def call(self, op: str, **arguments: Any) -> Any:
        self.send(op, **arguments)
        return self.receive().value()

    def kill(self) -> Killed:
        unanswered, self.under_way = tuple(self.under_way), []
        return Killed(answered=(), unanswered=unanswered, processes=(1,), held_by="the test", wrote=1)

    def answer(self, op: str, arguments: dict[str, Any]) -> Any:
        match op:
            case "publish":
                self.ends[arguments["queue"]] = arguments["end"]
            case "pop":
                return [self.delivery(arguments["queue"]) for _ in range(self.left(**arguments))]
            case "ack_many":
                return [self.settle(receipt) for receipt in arguments["receipts"]]
            case "ack":
                return self.settle(arguments["receipt"])
        return {"open": None, "stats": {}, "flush": "OK", "close": "OK"}.get(op)

    def left(self, *, queue: str, count: int, **_: object) -> int:
        return min(count, self.ends.get(queue, 0) - self.given[queue])

    def delivery(self, queue: str) -> dict[str, Any]:
        offset = self.given[queue]
        self.given[queue] += 1
        return {"receipt": f"{queue}/{offset}", "offset": offset, "attempt": 1, "deadline": 0.0}

    def settle(self, receipt: str) -> str:
        queue, _, offset = receipt.rpartition("/")
        if not offset.isdigit() or int(offset) >= self.given[queue]:
            return "INVALID"
        before = receipt in self.settled
        self.settled.add(receipt)
        return "SETTLED" if before else "OK"


def opened(monkeypatch: pytest.MonkeyPatch, *, seed: int = 1) -> Standing:
    store = Standing(monkeypatch, seed=seed)
    store.session.open(more=64)
    store.session.random = Random(seed)
    store.done.clear()
    store.slept.clear()
    return store
