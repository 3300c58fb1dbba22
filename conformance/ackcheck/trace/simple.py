"""The fast path: messages that live as most do need no oracle.

Published, handed out, acknowledged in time, answered OK, made durable, passed by the offset; or not acknowledged, and
handed out again after its deadline: of such a life there is one possible world at each moment, so that it is enough to
keep where in it a message is. Whatever is not that simple, `Simple.take` refuses, having changed nothing; then all that
is kept goes to the oracle (`ackcheck.trace.handover`). What each step puts to the test is asked of the model once.

>>> simple = Simple(Level.DISK, {})
>>> for line in (
...     {"at": 0.0, "asked": {"id": 1, "op": "pop", "queue": "q", "invisible": 30}},
...     {"at": 0.1, "answered": {"id": 1, "result": [{"receipt": "r", "offset": 0}]}},
...     {"at": 1.0, "asked": {"id": 2, "op": "ack", "receipt": "r"}},
...     {"at": 1.1, "answered": {"id": 2, "result": "OK"}},
... ):
...     assert simple.take(line)
>>> simple.take({"at": 40.0, "fault": "power-loss"})
False
>>> [clause.value for clause in sorted(simple.checked())]
['receipt-is-exact', 'reply-exactly-once']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from ackcheck.trace.counts import IGNORED, MOST_AT_ONCE, MOST_UNANSWERED, Count
from ackcheck.trace.lane import ACKED, ASKED, HELD, OPEN, PASSED, Lane, Message
from ackmodel import Clause, Contract, Level, Reply
from ackmodel.observe.events import AckAnswered, AckAsked, Popped
from ackmodel.observe.queue import item

NOBODY: Final = object()
CHANGES = frozenset({"renew", "release", "reset"})
HARMLESS = frozenset({"OK", "FAILED", "UNKNOWN", "BUSY"})
"""Answers to a flush, of which only OK says something."""


Under = tuple[str, float, Any, Any]
"""A request under way: its operation, its time, its line, and what its answer will need."""


class Simple:
    """Takes what is simple of a history."""

    def __init__(self, level: Level, counts: dict[str, Count]) -> None:
        self.counts = counts
        self.asked: dict[int, Under] = {}
        self.receipts: dict[str, Message] = {}
        self.lanes: dict[str, Lane] = {}
        self.slack = 0.0
        self.moment = 0
        """Counts the answers; a barrier covers those before it was asked for."""
        self.secured = 0
        """Up to which moment a barrier that was answered OK covers them."""
        self._tested = tested(level)
        self._tests = dict.fromkeys(("once", "exact", "return", "monotone", "safe", "ahead"), 0)
        self._steps = dict.fromkeys(self._tested, 0)
        self._ask: dict[str, Callable[[int, float, Any], bool]] = {
            "pop": self._pop_asked,
            "ack": self._ack_asked,
            "ack_many": self._acks_asked,
            "publish": self._published,
            "flush": self._flush_asked,
        } | dict.fromkeys((*IGNORED, "stats"), self._asked)
        self._answer: dict[str, Callable[[int, Under, float, Any], bool | None]] = {
            "pop": self._popped,
            "ack": self._acked,
            "ack_many": self._all_acked,
            "publish": self._answered,
            "flush": self._flushed,
            "stats": self._seen,
        } | dict.fromkeys((*IGNORED, *CHANGES), self._passed_over)

    @property
    def in_flight(self) -> int:
        """How many receipts and requests are kept."""
        return len(self.receipts) + len(self.asked)

    def checked(self) -> Counter[Clause]:
        """Return how often each clause was put to the test, and begin to count anew."""
        found = Counter({CLAUSES[name]: times for name, times in self._tests.items()})
        for step, times in self._steps.items():
            for clause in self._tested[step]:
                found[clause] += times
        self._tests = dict.fromkeys(self._tests, 0)
        self._steps = dict.fromkeys(self._steps, 0)
        return +found

    def take(self, told: Mapping[str, Any]) -> bool:
        """Take one line of a history; return False, and change nothing, where it is not simple."""
        at = told.get("at")
        if len(told) != 2 or not (type(at) is float or (type(at) is int and -(1 << 53) < at < 1 << 53)):
            return False
        line = told.get("answered")
        if line is not None:
            return self._take_answer(at, line)
        return self._take_request(at, told.get("asked"))

    def _take_answer(self, at: float, line: Any) -> bool:
        if type(line) is not dict or len(line) != 2 or "result" not in line or type(line.get("id")) is not int:
            return False
        number = line["id"]
        under = self.asked.get(number)
        if under is None:
            return False
        fits = self._answer[under[0]](number, under, at, line["result"])
        if fits is False:
            return False
        del self.asked[number]
        count = self.counts[under[0]]
        if fits:
            count.fitted += 1
        else:
            count.passed_over += 1
        return True

    def _take_request(self, at: float, line: Any) -> bool:
        if type(line) is not dict:
            return False
        number, op = line.get("id"), line.get("op")
        if type(number) is not int or type(op) is not str or number in self.asked or len(self.asked) >= MOST_UNANSWERED:
            return False
        ask = self._ask.get(op)
        if ask is None or not ask(number, at, line):
            return False
        count = self.counts.get(op)
        if count is None:
            count = self.counts[op] = Count()
        count.came += 1
        return True

    # --- requests ---------------------------------------------------------------------------------------------------

    def _asked(self, number: int, at: float, line: Any) -> bool:
        self.asked[number] = (line["op"], at, line, None)
        return True

    def _published(self, number: int, at: float, line: Any) -> bool:
        name, end = line.get("queue"), line.get("end")
        if type(name) is not str or type(end) is not int:
            return False
        lane = self._lane(name)
        if end > lane.end:
            if lane.holes or end > lane.end + MOST_AT_ONCE:
                return False
            lane.unsettled += end - lane.end
            lane.clean = min(lane.clean, lane.end)
            lane.end = end
        elif lane.holes:
            return False
        self.asked[number] = ("publish", at, line, True)
        return True

    def _pop_asked(self, number: int, at: float, line: Any) -> bool:
        invisible = line.get("invisible")
        if type(line.get("queue")) is not str or not (type(invisible) is float or type(invisible) is int):
            return False
        self.asked[number] = ("pop", at, line, at + invisible)
        return True

    def _ack_asked(self, number: int, at: float, line: Any) -> bool:
        receipt = line.get("receipt")
        if type(receipt) is not str:
            return False
        message = self.receipts.get(receipt)
        if message is not None:
            at_latest = at - self.slack
            if message.stage != HELD or message.receipt != receipt or at_latest >= message.until:
                return False
            message.stage, message.ack, message.asked_at = ASKED, item(number, 0), at_latest
            message.queue.unsettled -= 1
        self.asked[number] = ("ack", at, line, message)
        return True

    def _acks_asked(self, number: int, at: float, line: Any) -> bool:
        receipts = line.get("receipts")
        if type(receipts) is not list or not receipts or not all(type(each) is str for each in receipts):
            return False
        messages = [self.receipts.get(each) for each in receipts]
        known = [each for each in messages if each is not None]
        if len(known) < len(receipts):
            self.asked[number] = ("ack_many", at, line, None)
            return True
        at_latest = at - self.slack
        for message, receipt in zip(known, receipts, strict=True):
            if message.stage != HELD or message.receipt != receipt or at_latest >= message.until:
                return False
        if len(set(receipts)) < len(receipts):
            return False
        for index, message in enumerate(known):
            message.stage, message.ack, message.asked_at = ASKED, item(number, index), at_latest
            message.queue.unsettled -= 1
        self.asked[number] = ("ack_many", at, line, known)
        return True

    def _flush_asked(self, number: int, at: float, line: Any) -> bool:
        self.asked[number] = ("flush", at, line, self.moment)
        return True

    # --- answers: True where it fits, None where it is passed over, False where it is not simple ---------------------

    def _answered(self, _number: int, under: Under, _at: float, _result: Any) -> bool | None:
        return True if under[3] else None

    def _passed_over(self, _number: int, _under: Under, _at: float, _result: Any) -> None:
        return None

    def _popped(self, _number: int, under: Under, at: float, result: Any) -> bool:
        if type(result) is not list:
            if result != "BUSY":
                return False
            self._tests["once"] += 1
            return True
        lane = self._lane(under[2]["queue"])
        for told in result:
            if not self._is_simple(lane, told, at):
                return False
        if len(result) > 1 and not _all_differ(result):
            return False
        tests, self.moment = self._tests, self.moment + 1
        tests["once"] += 1
        tests["exact"] += len(result)
        if lane.done_with:
            tests["return"] += len(result)
        self.slack = max(self.slack, at - under[1])
        for told in result:
            self._hand_out(lane, told["offset"], told["receipt"], at, under[3])
        return True

    def _is_simple(self, lane: Lane, told: Any, at: float) -> bool:
        """Tell whether this delivery is the first of its message, or the next after a deadline that has passed."""
        if type(told) is not dict:
            return False
        offset, receipt = told.get("offset"), told.get("receipt")
        if type(offset) is not int or type(receipt) is not str or receipt in self.receipts or offset < lane.done_with:
            return False
        message = lane.live.get(offset)
        if message is None:
            return offset < lane.fresh + MOST_AT_ONCE or offset >= lane.end
        return message.stage == HELD and message.contract is None and at >= message.until

    def _hand_out(self, lane: Lane, offset: int, receipt: str, at: float, until: float) -> None:
        message = Message(lane, offset, receipt, at, until, self.moment)
        old = lane.live.get(offset, NOBODY)
        if isinstance(old, Message):
            assert old.popped_at is not None
            self._steps["again" if old.popped_at < old.until else "again at last"] += 1
            message.earlier = [*old.earlier, Popped(old.receipt, old.popped_at, old.until)]
            message.before = (*old.before, old.receipt)
            old.stage = OPEN  # its receipt is no more the current one
        elif old is NOBODY:
            self._begin(lane, offset)
        lane.live[offset] = message
        self.receipts[receipt] = message

    def _begin(self, lane: Lane, offset: int) -> None:
        """Take up a message that was not told of by itself."""
        if offset >= lane.end:
            lane.holes = lane.holes or offset > lane.end
            lane.live.update(dict.fromkeys(range(lane.fresh, lane.end)))
            lane.unsettled += 1
            lane.fresh = lane.end = offset + 1
        elif offset >= lane.fresh:
            lane.live.update(dict.fromkeys(range(lane.fresh, offset)))
            lane.fresh = offset + 1
        else:
            lane.unsettled += 1
        lane.clean = min(lane.clean, offset)

    def _acked(self, _number: int, under: Under, at: float, result: Any) -> bool | None:
        message = under[3]
        if message is None:
            return None
        if result != "OK" or message.stage not in (ASKED, PASSED):
            return False
        self.moment += 1
        self._tests["once"] += 1
        self._tests["exact"] += 1
        self._settle(message, at)
        return True

    def _all_acked(self, _number: int, under: Under, at: float, result: Any) -> bool | None:
        messages = under[3]
        if messages is None:
            return None
        if type(result) is not list or len(result) != len(messages) or any(each != "OK" for each in result):
            return False
        if any(message.stage not in (ASKED, PASSED) for message in messages):
            return False
        self.moment += 1
        self._tests["once"] += 1
        self._tests["exact"] += 1
        for message in messages:
            self._settle(message, at)
        return True

    def _settle(self, message: Message, at: float) -> None:
        if message.stage == ASKED:
            self._steps["in time" if at < message.until else "late"] += 1
            message.stage, message.acked_at, message.settled = ACKED, at, self.moment

    def _flushed(self, _number: int, under: Under, _at: float, result: Any) -> bool:
        if type(result) is not str or result not in HARMLESS:
            return False
        self._tests["once"] += 1
        if result == "OK":
            self.secured = max(self.secured, under[3])
        return True

    # --- offsets ----------------------------------------------------------------------------------------------------

    def _seen(self, _number: int, _under: Under, _at: float, result: Any) -> bool | None:
        queues = result.get("queues") if type(result) is dict else None
        if not queues:
            return None if queues is None or queues == {} else False
        if type(queues) is not dict:
            return False
        for name, told in queues.items():
            if type(told) is not dict or not self._may_pass(
                self._lane(name), told.get("committed"), told.get("persisted")
            ):
                return False
        for name, told in queues.items():
            self._pass(self.lanes[name], told["committed"], told["persisted"])
        return True

    def _may_pass(self, lane: Lane, committed: Any, persisted: Any) -> bool:
        """Tell whether these offsets break no clause, as far as the messages here go."""
        if type(committed) is not int or type(persisted) is not int or committed < lane.kept:
            return False
        if lane.committed >= 0 and not lane.restarted and (committed < lane.committed or persisted < lane.persisted):
            return False
        if lane.fresh < min(committed, lane.end):
            return False
        passed = range(max(lane.clean, lane.done_with), min(committed, lane.fresh))
        few = len(lane.live) < len(passed)  # a record may begin anywhere
        for offset in [each for each in lane.live if each < committed] if few else passed:
            message = lane.live.get(offset, NOBODY)
            if message is None or (isinstance(message, Message) and message.stage <= HELD):
                return False
        lane.clean = max(lane.clean, passed.stop)
        return True

    def _pass(self, lane: Lane, committed: int, persisted: int) -> None:
        tests, open_ = self._tests, lane.unsettled > 0
        tests["monotone"] += lane.committed > 0
        tests["safe"] += open_
        if lane.committed < 0 or lane.restarted:
            tests["ahead"] += open_
        lane.committed, lane.persisted, lane.restarted = committed, persisted, False
        lane.kept = max(lane.kept, persisted)
        below = min(committed, persisted)
        if below > lane.done_with:
            gone = range(lane.done_with, below)
            for offset in [each for each in lane.live if each < below] if len(lane.live) < len(gone) else gone:
                message = lane.live.pop(offset, None)
                if message is not None:
                    message.stage = PASSED
                    for receipt in (message.receipt, *message.before):
                        self.receipts.pop(receipt, None)
            lane.done_with = below
            lane.fresh, lane.end = max(lane.fresh, below), max(lane.end, below)

    def _lane(self, name: str) -> Lane:
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(name)
        return lane


CLAUSES = {
    "once": Clause.REPLY_EXACTLY_ONCE,
    "exact": Clause.RECEIPT_IS_EXACT,
    "return": Clause.NO_RETURN,
    "monotone": Clause.COMMIT_IS_MONOTONE,
    "safe": Clause.COMMIT_IS_SAFE,
    "ahead": Clause.DERIVED_NEVER_AHEAD,
}


def tested(level: Level) -> Mapping[str, tuple[Clause, ...]]:
    """Return what the model says is put to the test by a delivery after the deadline (of one that had itself come
    before its deadline, or was answered so late that it had passed), and by an OK in time and after the deadline."""
    contract, late = Contract(level), Contract(level)
    contract.observe(Popped("first", 0.0, 30.0))
    late.observe(Popped("first", 35.0, 30.0))
    again, at_last = (one.tested_by(Popped("again", 40.0, 70.0)) for one in (contract, late))
    contract.observe(AckAsked(1, "first", 1.0))
    acked = {name: contract.tested_by(AckAnswered(1, Reply.OK, at)) for name, at in (("in time", 2.0), ("late", 40.0))}
    return {"again": again, "again at last": at_last, **acked}


def _all_differ(result: list[Any]) -> bool:
    return all(len({told[name] for told in result}) == len(result) for name in ("offset", "receipt"))
