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

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import Factory, define, frozen

from ackcheck.trace.lines import Answered, Asked, BadLine, Entry, Fault, Gap
from ackmodel import Clause, CommitPolicy, Level, OracleOptions, PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.broken import Broken
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered, Oracle

STOPS: Mapping[str, Callable[[], ProcessCrashed | PowerLost | Restarted]] = {
    "process-crash": ProcessCrashed,
    "power-loss": PowerLost,
    "restart": Restarted,
}
MOST_FINDINGS = 1000
MOST_UNANSWERED = 100_000
"""Requests under way; a record with more has lost its answers."""
IGNORED = frozenset({"open", "close", "dead"})

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
class Count:
    """How often an action came, how often it fitted what the model allows, and how often it could not be judged."""

    came: int = 0
    fitted: int = 0
    passed_over: int = 0


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
    _oracle: Oracle = Factory(lambda self: _oracle_at(self.level), takes_self=True)
    _asked: dict[int, Asked] = Factory(dict)
    _known: dict[str, str] = Factory(dict)
    """The receipts of this stretch of the record, each with its queue."""
    _given: dict[str, deque[tuple[int, str]]] = Factory(dict)
    """Of each queue the offsets and receipts of what was handed out, in that order."""
    _slack: float = 0.0

    def take(self, entry: Entry, line: int | None = None) -> None:
        """Judge one entry; raises `BadLine` for one that does not fit the protocol."""
        self.line = self.line + 1 if line is None else line
        name = _name(entry, self._asked)
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
        self.checked.update(self._oracle.checked)

    @property
    def in_flight(self) -> int:
        """How many receipts and requests are kept."""
        return len(self._known) + len(self._asked)

    def _told(self, entry: Entry) -> bool:
        """Tell the oracle; return whether there was something to tell."""
        match entry:
            case Asked():
                return self._ask(entry)
            case Answered():
                asked = self._asked.pop(entry.id, None)
                return asked is not None and self._answer(asked, entry)
            case Fault():
                self._cut_off(entry.at)
                self._oracle.stopped(STOPS[entry.kind]())
                return True
            case Gap():
                self._begin_again()
                return True

    def _ask(self, entry: Asked) -> bool:
        if len(self._asked) >= MOST_UNANSWERED:
            raise TooMuchUnderWay(f"{MOST_UNANSWERED} requests have no answer: write a gap where answers are missing")
        oracle, told, at = self._oracle, entry.arguments, entry.at - self._slack
        match entry.op:
            case "publish":
                oracle.published(_get(told, "queue", str), _get(told, "end", int))
            case "pop":
                oracle.pop_asked(entry.id, _get(told, "queue", str), deadline=entry.at + _number(told, "invisible"))
            case "ack" | "ack_many":
                if all(receipt in self._known for receipt in _receipts(entry)):
                    oracle.ack_asked(entry.id, _receipts(entry), at=at)
            case "renew" if _get(told, "receipt", str) in self._known:
                oracle.renew_asked(entry.id, told["receipt"], at=at, deadline=entry.at + _number(told, "invisible"))
            case "release" if _get(told, "receipt", str) in self._known:
                oracle.release_asked(entry.id, told["receipt"], at=at)
            case "reset":
                oracle.reset_asked(entry.id, _get(told, "queue", str), _get(told, "offset", int))
            case "flush":
                oracle.barrier_asked(entry.id)
            case op if op not in IGNORED | {"stats", "renew", "release"}:
                raise BadLine(f"op is {op!r:.40}: write an operation of the protocol")
        self._asked[entry.id] = entry
        return True

    def _answer(self, asked: Asked, entry: Answered) -> bool:
        oracle = self._oracle
        match asked.op:
            case "pop":
                self._popped(asked, entry)
            case "ack" | "ack_many":
                receipts = _receipts(asked)
                if not all(receipt in self._known for receipt in receipts):
                    return False
                oracle.ack_answered(asked.id, _replies(entry, len(receipts)), at=entry.at)
            case "renew" | "release":
                if asked.arguments["receipt"] not in self._known:
                    return False
                self._slack = max(self._slack, entry.at - asked.at)
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
            self._oracle.pop_refused(asked.id, _reply(entry))
            return
        if not isinstance(entry.result, list):
            raise BadLine(f"the result of a pop is {entry.result!r:.40}: write a list of deliveries, or a reply")
        self._slack = max(self._slack, entry.at - asked.at)
        until = asked.at + _number(asked.arguments, "invisible")
        given = []
        for told in entry.result:
            receipt, offset = _get(told, "receipt", str), _get(told, "offset", int)
            given.append(Delivered(receipt, offset, until))
        for each in given:
            self._known[each.receipt] = queue
            self._given.setdefault(queue, deque()).append((each.offset, each.receipt))
        self._oracle.popped(asked.id, queue, given, at=entry.at)

    def _seen(self, entry: Answered) -> bool:
        """Note the offsets that the store shows; what they have passed is forgotten."""
        queues = entry.result.get("queues", {}) if isinstance(entry.result, dict) else {}
        for queue, told in queues.items():
            now = Sighting(_get(told, "committed", int), _get(told, "persisted", int))
            self._oracle.saw_offset(queue, now, () if self.commit is CommitPolicy.ACK else None)
            self._forget(queue, now.persisted)
        return bool(queues)

    def _forget(self, queue: str, below: int) -> None:
        """Forget the receipts of what the offset on the disk has passed, as the oracle does."""
        given = self._given.get(queue, deque())
        while given and given[0][0] < below:
            self._known.pop(given.popleft()[1], None)

    def _cut_off(self, at: float) -> None:
        """Leave open what became of requests that nobody answered: a pop has hidden what it took for its time."""
        for asked in self._asked.values():
            if asked.op == "pop":
                invisible = _number(asked.arguments, "invisible")
                queue, hidden = str(asked.arguments["queue"]), {"deadline": at + invisible}
                self._oracle.pop_asked(asked.id, queue, **hidden, earliest=asked.at + invisible)
        self._asked.clear()

    def _found(self, broken: Broken, at: float) -> None:
        self.counts.setdefault("findings", Count()).came += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Found(broken.clause, str(broken).partition(": ")[2], self.line, at))
        self._begin_again()

    def _begin_again(self) -> None:
        self.checked.update(self._oracle.checked)
        self._oracle = _oracle_at(self.level)
        self._asked.clear()
        self._known.clear()
        self._given.clear()


def _oracle_at(level: Level) -> Oracle:
    return Oracle(level, options=OracleOptions(forget=True))


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
