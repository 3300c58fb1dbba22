"""The fast path says of every history what the oracle says: findings, counts, and how often each clause was tested."""

import json
import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ackcheck.trace.judge import Judge
from ackcheck.trace.lines import BadLine, read_line
from ackcheck.trace.recording import Recording
from ackmodel import Level

REPLIES = ["OK"] * 12 + ["SETTLED", "EXPIRED", "FAILED", "UNKNOWN", "BUSY", "INVALID", "what"]


class Store:
    """Writes what a store might have been seen to do: right mostly, and of every kind of call."""

    def __init__(self, chance: random.Random, wild: float) -> None:
        self.chance, self.wild = chance, wild
        self.lines: list[bytes] = []
        self.at, self.id = 0.0, 0
        self.held: dict[str, tuple[str, int, float]] = {}
        self.settled: dict[str, set[int]] = {"a": set(), "b": set()}
        self.next = {"a": 0, "b": 0}
        self.offset = {"a": 0, "b": 0}
        self.waiting: list[tuple[int, Any]] = []

    def write(self, **told: Any) -> None:
        self.at += self.chance.choice([0.0, 0.25, 1.0])
        self.lines.append(json.dumps({"at": self.at, **told}).encode())

    def ask(self, op: str, result: Any, **arguments: Any) -> None:
        self.id += 1
        self.write(asked={"id": self.id, "op": op, **arguments})
        if self.chance.random() < 0.6:
            self.write(answered={"id": self.id, "result": result})
        else:
            self.waiting.append((self.id, result))

    def step(self) -> None:
        """One call, or an answer that was waited for; now and then something out of the way."""
        if self.chance.random() < self.wild:
            self.strange()
            return
        queue = self.chance.choice("ab")
        match self.chance.choice(
            ["pop", "pop", "ack", "ack", "many", "answer", "answer", "flush", "stats", "late", "publish"]
        ):
            case "pop":
                self.pop(queue, [self.next[queue] + index for index in range(self.chance.choice([1, 1, 3]))])
            case "ack" if self.held:
                self.ack([self.chance.choice(list(self.held))])
            case "many" if self.held:
                self.ack(self.chance.sample(list(self.held), min(2, len(self.held))))
            case "answer" if self.waiting:
                number, result = self.waiting.pop(self.chance.randrange(len(self.waiting)))
                self.write(answered={"id": number, "result": result})
            case "flush":
                self.ask("flush", self.chance.choice(["OK", "OK", "UNKNOWN"]))
            case "stats":
                self.stats(queue)
            case "late":
                self.again(queue)
            case "publish":
                self.ask("publish", None, queue=queue, end=self.next[queue] + self.chance.randrange(3))

    def pop(self, queue: str, offsets: list[int], invisible: float = 20) -> None:
        given = []
        for offset in offsets:
            receipt = f"{queue}{offset}-{self.id}"
            self.held[receipt] = (queue, offset, self.at + invisible)
            given.append({"receipt": receipt, "offset": offset, "attempt": 1, "deadline": 0})
        self.next[queue] = max(self.next[queue], *(offset + 1 for offset in offsets))
        self.ask("pop", given, queue=queue, count=len(offsets), invisible=invisible)

    def ack(self, receipts: list[str]) -> None:
        for receipt in receipts:
            queue, offset, _ = self.held.pop(receipt)
            self.settled[queue].add(offset)
        if len(receipts) == 1:
            self.ask("ack", "OK", receipt=receipts[0])
        else:
            self.ask("ack_many", ["OK"] * len(receipts), receipts=receipts)

    def stats(self, queue: str) -> None:
        while self.offset[queue] in self.settled[queue] and self.chance.random() < 0.8:
            self.offset[queue] += 1
        behind = max(0, self.offset[queue] - self.chance.randrange(2))
        told = {"committed": self.offset[queue], "persisted": behind}
        self.ask("stats", {"queues": {queue: told}})

    def again(self, queue: str) -> None:
        """Hand out what was not acknowledged, after its deadline."""
        late = [offset for name, offset, _ in self.held.values() if name == queue]
        if late:
            self.held = {key: value for key, value in self.held.items() if value[:2] != (queue, late[0])}
            self.at += 25
            self.pop(queue, late[:1])

    def strange(self) -> None:
        chance = self.chance
        queue, receipt = chance.choice("ab"), chance.choice([*self.held, "nobody's"])
        match chance.randrange(12):
            case 0:
                self.write(fault=chance.choice(["process-crash", "power-loss", "restart"]))
                self.waiting.clear()
            case 1:
                self.write(gap="rotated")
            case 2:
                self.ask("renew", chance.choice(REPLIES), receipt=receipt, invisible=10)
            case 3:
                self.ask("release", chance.choice(REPLIES), receipt=receipt)
            case 4:
                self.ask("reset", chance.choice(REPLIES), queue=queue, offset=chance.randrange(4))
            case 5:
                self.ask("ack", chance.choice(REPLIES), receipt=receipt)
            case 6:
                self.ask("ack_many", [chance.choice(REPLIES)], receipts=[receipt, *self.held][:2])
            case 7:
                self.pop(queue, [max(0, self.next[queue] + chance.randrange(-3, 4))])
            case 8:
                self.ask("pop", chance.choice([*REPLIES, [7], [{"receipt": 1}]]), queue=queue, count=1, invisible=5)
            case 9:
                told = {"committed": chance.randrange(6), "persisted": chance.randrange(6)}
                self.ask("stats", chance.choice([{"queues": {queue: told}}, {}, {"queues": {queue: 3}}]))
            case 10:
                self.write(answered={"id": chance.randrange(self.id + 2), "result": "OK"})
            case 11:
                self.lines.append(chance.choice([b"{", b"[]", b'{"at": 1, "asked": {"id": 1, "op": "fly"}}']))


def by_the_oracle(lines: list[bytes], level: Level) -> tuple[Judge, int]:
    judge, bad = Judge(level), 0
    for line in lines:
        try:
            judge.take(read_line(line.decode()), judge.line + 1)
        except BadLine:
            bad += 1
    judge.ended()
    return judge, bad


def on_the_fast_path(lines: list[bytes], level: Level, least: int) -> tuple[Recording, int, int]:
    recording, bad, fast = Recording(Judge(level), least_taken=least), 0, 0
    for line in lines:
        try:
            recording.take(line)
        except BadLine:
            bad += 1
        fast += recording._simple is not None
    recording.ended()
    return recording, bad, fast


def told(judge: Judge, bad: int) -> tuple[Any, ...]:
    findings = [(one.clause.value, one.why, one.at) for one in judge.findings]
    counts = {
        name: (one.came, one.fitted, one.passed_over)
        for name, one in judge.counts.items()
        if one.came or one.passed_over
    }
    return findings, counts, dict(+Counter(judge.checked)), bad


def compare(seed: int, level: Level, wild: float, steps: int, least: int) -> tuple[int, int]:
    store = Store(random.Random(seed), wild)
    for _ in range(steps):
        store.step()
    judge, bad = by_the_oracle(store.lines, level)
    recording, bad_too, fast = on_the_fast_path(store.lines, level, least)
    assert told(recording.judge, bad_too) == told(judge, bad), f"seed {seed}"
    return fast, len(judge.findings)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    level=st.sampled_from(Level),
    wild=st.sampled_from([0.0, 0.05, 0.3]),
    least=st.sampled_from([1, 7]),
)
def test_the_fast_path_and_the_oracle_say_the_same(seed: int, level: Level, wild: float, least: int) -> None:
    compare(seed, level, wild, steps=40, least=least)


def test_what_is_simple_is_taken_on_the_fast_path_and_what_is_not_comes_back_to_it() -> None:
    fast, _ = compare(seed=7, level=Level.PAGE_CACHE, wild=0.0, steps=150, least=1)
    assert fast > 100
    fast, found = compare(seed=1, level=Level.PAGE_CACHE, wild=0.05, steps=150, least=1)
    assert fast > 50
    assert found > 0


def test_an_ok_with_an_earlier_receipt_is_found_though_the_pop_after_it_took_longer_than_its_time() -> None:
    history: list[dict[str, Any]] = []
    for number, (asked, answered) in enumerate([(0.0, 0.0), (0.0, 40.0)], 1):
        delivery = {"receipt": f"r{number}", "offset": 0, "attempt": number, "deadline": 0}
        request = {"id": number, "op": "pop", "queue": "q", "count": 1, "invisible": 30}
        history += [{"at": asked, "asked": request}, {"at": answered, "answered": {"id": number, "result": [delivery]}}]
    history += [{"at": 40.0, "asked": {"id": 3, "op": "ack", "receipt": "r1"}}]
    history += [{"at": 40.0, "answered": {"id": 3, "result": "OK"}}]
    lines = [json.dumps(line).encode() for line in history]
    judge, bad = by_the_oracle(lines, Level.DISK)
    recording, _, _ = on_the_fast_path(lines, Level.DISK, least=50)
    assert told(recording.judge, 0) == told(judge, bad)
    assert [one.clause.value for one in recording.judge.findings] == ["receipt-is-exact"]


def test_a_record_that_begins_anywhere_takes_no_time_for_what_was_before() -> None:
    far = 10**15
    delivery = {"receipt": "r", "offset": far, "attempt": 1, "deadline": 0}
    history: list[dict[str, Any]] = [
        {"asked": {"id": 1, "op": "pop", "queue": "q", "count": 1, "invisible": 30}},
        {"answered": {"id": 1, "result": [delivery]}},
        {"asked": {"id": 2, "op": "ack", "receipt": "r"}},
        {"answered": {"id": 2, "result": "OK"}},
        {"asked": {"id": 3, "op": "stats"}},
        {"answered": {"id": 3, "result": {"queues": {"q": {"committed": far + 1, "persisted": far + 1}}}}},
        {"asked": {"id": 4, "op": "publish", "queue": "other", "end": far}},
        {"answered": {"id": 4, "result": None}},
    ]
    lines = [json.dumps({"at": float(at), **told}).encode() for at, told in enumerate(history)]
    judge, bad = by_the_oracle(lines, Level.DISK)
    recording, _, _ = on_the_fast_path(lines, Level.DISK, least=1)
    assert told(recording.judge, 0) == told(judge, bad)
    assert recording.in_flight == 0
    assert judge.counts["publish"].passed_over == 1
