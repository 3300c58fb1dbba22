"""Judging a recorded history: each entry is told to an oracle, which forgets what is done with.

Times are as in `ackcheck.grades.traffic`: a deadline is counted from when a pop was asked for, an ack that must not be
too late from when it was asked for, less the longest that any pop took. What began before the record is passed over,
and counted; a finding is a gap: what was before it says nothing of what comes after.

>>> from ackcheck.trace.lines import Answered, Asked, Fault
>>> judge = Judge(Level.PAGE_CACHE)
>>> delivery = {"receipt": "r", "offset": 0, "attempt": 1, "deadline": 0}
>>> for entry in (
...     Asked(0.0, 1, "pop", {"queue": "q", "count": 1, "invisible": 30}), Answered(0.1, 1, [delivery]),
...     Asked(1.0, 2, "ack", {"receipt": "r"}), Answered(1.1, 2, "OK"), Fault(2.0, "process-crash"),
...     Asked(40.0, 3, "pop", {"queue": "q", "count": 1, "invisible": 30}),
...     Answered(40.1, 3, [delivery | {"receipt": "r2"}]),
... ):
...     judge.take(entry)
>>> [(found.clause.value, found.line) for found in judge.findings]
[('survives-process-crash', 7)]
>>> judge.counts["ack"].came, judge.counts["pop"].fitted
(1, 1)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from attrs import Factory, define, frozen

from ackcheck.trace.counts import IGNORED, MOST_AT_ONCE, MOST_UNANSWERED, Count
from ackcheck.trace.lines import Answered, Asked, BadLine, Entry, Fault, Gap
from ackcheck.trace.recorded import Recorded
from ackmodel import Clause, CommitPolicy, Level, OracleOptions, PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.broken import Broken
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered

STOPS: Mapping[str, Callable[[], ProcessCrashed | PowerLost | Restarted]] = {
    "process-crash": ProcessCrashed,
    "power-loss": PowerLost,
    "restart": Restarted,
}
MOST_FINDINGS = 1000

Value = TypeVar("Value")


class TooMuchUnderWay(ValueError):
    """So many requests are without an answer that memory is not bounded any more."""


@frozen
class Found:
    """A clause that is broken at a line."""

    clause: Clause
    why: str
    line: int
    at: float


@define
class Judge:
    """Takes a history entry by entry."""

    level: Level
    commit: CommitPolicy = CommitPolicy.ACK
    """What the offsets wait for that the store shows; what they have passed is forgotten, if that is an ack."""
    findings: list[Found] = Factory(list)
    counts: dict[str, Count] = Factory(dict)
    checked: Counter[Clause] = Factory(Counter)
    line: int = 0
    oracle: Recorded = Factory(lambda self: oracle_at(self.level), takes_self=True)
    asked: dict[int, Asked] = Factory(dict)
    """The requests under way."""
    passed_over: set[int] = Factory(set)
    """Those of them that the oracle was not told of."""
    slack: float = 0.0
    """The longest that a pop or a renewal took."""

    def take(self, entry: Entry, line: int | None = None) -> None:
        """Judge one entry; raises `BadLine` for one that does not fit the protocol."""
        self.line = self.line + 1 if line is None else line
        name = _name(entry, self.asked)
        count = self.counts.setdefault(name, Count())
        count.came += isinstance(entry, Asked | Fault | Gap)
        try:
            judged = self._told(entry)
        except Broken as broken:
            self._found(broken, entry.at)
            return
        if isinstance(entry, Answered | Fault):
            count.fitted += judged
            count.passed_over += not judged

    def ended(self) -> None:
        """Note the end of the record."""
        self.checked.update(self.oracle.checked)

    @property
    def in_flight(self) -> int:
        """How many receipts and requests are kept."""
        return self.oracle.receipts + len(self.asked)

    def _told(self, entry: Entry) -> bool:
        """Tell the oracle; return whether there was something to tell."""
        match entry:
            case Asked():
                return self._ask(entry)
            case Answered():
                asked = self.asked.pop(entry.id, None)
                try:
                    return asked is not None and self._answer(asked, entry)
                except BadLine:
                    self._answer(cast(Asked, asked), Answered(entry.at, entry.id, error="it could not be read"))
                    raise
            case Fault():
                self._cut_off(entry.at)
                self.oracle.stopped(STOPS[entry.kind]())
                return True
            case Gap():
                self._begin_again()
                return True

    def _ask(self, entry: Asked) -> bool:
        if len(self.asked) >= MOST_UNANSWERED:
            raise TooMuchUnderWay(f"{MOST_UNANSWERED} requests have no answer: write a gap where answers are missing")
        told = self._tell(entry)
        self.asked[entry.id] = entry
        (self.passed_over.discard if told else self.passed_over.add)(entry.id)
        return True

    def _tell(self, entry: Asked) -> bool:
        """Tell the oracle of a request; return False if it speaks of what is not known."""
        oracle, told, at = self.oracle, entry.arguments, entry.at - self.slack
        match entry.op:
            case "publish":
                return self._publish(_get(told, "queue", str), _get(told, "end", int))
            case "pop":
                oracle.pop_asked(entry.id, _get(told, "queue", str), deadline=entry.at + _number(told, "invisible"))
            case "ack" | "ack_many":
                if not all(map(oracle.knows, _receipts(entry))):
                    return False
                oracle.ack_asked(entry.id, _receipts(entry), at=at)
            case "renew" | "release" if not oracle.knows(_get(told, "receipt", str)):
                return False
            case "renew":
                oracle.renew_asked(entry.id, told["receipt"], at=at, deadline=entry.at + _number(told, "invisible"))
            case "release":
                oracle.release_asked(entry.id, told["receipt"], at=at)
            case "reset":
                return self._reset(entry.id, _get(told, "queue", str), _get(told, "offset", int))
            case "flush":
                oracle.barrier_asked(entry.id)
            case op if op not in IGNORED | {"stats"}:
                raise BadLine(f"op is {op!r:.40}: write an operation of the protocol")
        return True

    def _publish(self, queue: str, end: int) -> bool:
        known = self.oracle.queue(queue)
        if end > max(known.end, known.done_with) + MOST_AT_ONCE:
            return False
        self.oracle.published(queue, end)
        return True

    def _reset(self, op: int, queue: str, offset: int) -> bool:
        if offset < self.oracle.queue(queue).done_with - MOST_AT_ONCE:
            self._begin_again()
            return False
        self.oracle.reset_asked(op, queue, offset)
        return True

    def _answer(self, asked: Asked, entry: Answered) -> bool:
        oracle = self.oracle
        if asked.id in self.passed_over:
            self.passed_over.discard(asked.id)
            return False
        match asked.op:
            case "pop":
                self._popped(asked, entry)
            case "ack" | "ack_many":
                oracle.ack_answered(asked.id, _replies(entry, len(_receipts(asked))), at=entry.at)
            case "renew" | "release":
                self.slack = max(self.slack, entry.at - asked.at)
                oracle.change_answered(asked.id, _reply(entry), at=entry.at)
            case "reset":
                oracle.reset_answered(asked.id, _reply(entry))
            case "flush":
                oracle.barrier_answered(asked.id, _reply(entry))
            case "stats":
                return self._seen(entry)
            case "dead" | "open" | "close":
                return False
        return True

    def _popped(self, asked: Asked, entry: Answered) -> None:
        queue = str(asked.arguments["queue"])
        if entry.error or isinstance(entry.result, str):
            self.oracle.pop_refused(asked.id, _reply(entry))
            return
        if not isinstance(entry.result, list):
            raise BadLine(f"the result of a pop is {entry.result!r:.40}: write a list of deliveries, or a reply")
        self.slack = max(self.slack, entry.at - asked.at)
        until = asked.at + _number(asked.arguments, "invisible")
        given = []
        for told in entry.result:
            receipt, offset = _get(told, "receipt", str), _get(told, "offset", int)
            given.append(Delivered(receipt, offset, until))
        self.oracle.popped(asked.id, queue, given, at=entry.at)

    def _seen(self, entry: Answered) -> bool:
        """Note the offsets that the store shows; what they have passed is forgotten."""
        queues = entry.result.get("queues", {}) if isinstance(entry.result, dict) else {}
        for queue, told in queues.items():
            now = Sighting(_get(told, "committed", int), _get(told, "persisted", int))
            self.oracle.saw_offset(queue, now, () if self.commit is CommitPolicy.ACK else None)
        return bool(queues)

    def _cut_off(self, at: float) -> None:
        """Leave open what became of requests that nobody answered: a pop has hidden what it took for its time."""
        for asked in self.asked.values():
            if asked.op == "pop":
                invisible = _number(asked.arguments, "invisible")
                queue, hidden = str(asked.arguments["queue"]), {"deadline": at + invisible}
                self.oracle.pop_asked(asked.id, queue, **hidden, earliest=asked.at + invisible)
        self.asked.clear()
        self.passed_over.clear()

    def _found(self, broken: Broken, at: float) -> None:
        self.counts.setdefault("findings", Count()).came += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Found(broken.clause, str(broken).partition(": ")[2], self.line, at))
        self._begin_again()

    def _begin_again(self) -> None:
        self.checked.update(self.oracle.checked)
        self.oracle = oracle_at(self.level)
        self.asked.clear()
        self.passed_over.clear()


def oracle_at(level: Level) -> Recorded:
    """Return an oracle that forgets what is done with."""
    return Recorded(level, options=OracleOptions(forget=True))


def _name(entry: Entry, under_way: Mapping[int, Asked]) -> str:
    """Return by what an entry is counted."""
    if isinstance(entry, Asked):
        return entry.op
    if isinstance(entry, Fault):
        return entry.kind
    if isinstance(entry, Gap):
        return "gap"
    return under_way[entry.id].op if entry.id in under_way else "answer to nobody"


def _get(told: Any, name: str, kind: type[Value]) -> Value:
    value = told.get(name) if isinstance(told, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadLine(f"{name} is {value!r:.40}: write it as the protocol has it")
    return value


def _number(told: Mapping[str, Any], name: str) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine(f"{name} is {value!r:.40}: write seconds")
    return float(value)


def _receipts(asked: Asked) -> list[str]:
    """Return the receipts of an ack, one or several."""
    if asked.op == "ack":
        return [_get(asked.arguments, "receipt", str)]
    return [str(each) for each in _get(asked.arguments, "receipts", list)]


def _reply(entry: Answered) -> Reply:
    """Return a reply; after an error the outcome is unknown."""
    if entry.error:
        return Reply.UNKNOWN
    if not isinstance(entry.result, str) or entry.result not in Reply.__members__:
        raise BadLine(f"the result is {entry.result!r:.40}: write one of {', '.join(Reply.__members__)}")
    return Reply[entry.result]


def _replies(entry: Answered, count: int) -> list[Reply]:
    """Return the replies of an ack, one for each receipt."""
    if entry.error:
        return [Reply.UNKNOWN] * count
    if isinstance(entry.result, list):
        return [_reply(Answered(entry.at, entry.id, each)) for each in entry.result]
    return [_reply(entry)]
