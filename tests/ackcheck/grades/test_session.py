"""A session on a machine that stands still for seconds: what the store had no time for is not held against it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ackcheck.grades import session
from ackcheck.grades.session import Session
from ackcheck.grades.workload import QUEUES, SHORT, Call
from ackcheck.hits import Fault
from ackcheck.panel import Panel
from ackcheck.promises import Promises
from ackcheck.rig import Child, Exchange, Killed
from ackcheck.rig.exchange import SecondAnswer
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost
from ackmodel.observe.survey import drain

QUEUE = QUEUES[0]
OFFERS = {"offers": ["dead", "release", "renew", "reset"], "max_attempts": 1}

Answer = Callable[[str, dict[str, Any]], Any]


class Machine:
    """A child that answers as a test says, on the test's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
        self.now, self.pid, self.in_flight = 100.0, 1, 0
        self.second_answers: list[SecondAnswer] = []
        self.answer = answer
        self.sent: list[Exchange] = []
        monkeypatch.setattr("ackcheck.grades.session.time.monotonic", lambda: self.now)
        monkeypatch.setattr("ackcheck.grades.session.time.sleep", self.sleep)

    def mark(self) -> None:
        """It writes nothing."""

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def send(self, op: str, **arguments: Any) -> int:
        number = len(self.sent)
        self.sent.append(Exchange(id=number, op=op, arguments=arguments, sent_ns=int(self.now * 1e9)))
        return number

    def receive(self) -> Exchange:
        asked = self.sent[-1]
        self.now += 0.01
        replied = int(self.now * 1e9)
        result = self.answer(asked.op, dict(asked.arguments))
        return Exchange(
            id=asked.id,
            op=asked.op,
            arguments=asked.arguments,
            sent_ns=asked.sent_ns,
            replied_ns=replied,
            result=result,
        )

    def call(self, op: str, **arguments: Any) -> Any:
        self.send(op, **arguments)
        return self.receive().value()


class OneMessage:
    """A store with one message, whose only attempt is made, and which is a dead letter from `dead_from` on.

    It takes a few seconds to bring its offset to the disk: from `rests_from` on it shows nothing outstanding.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = Machine(monkeypatch, self.answer)
        self.dead_from = self.rests_from = float("inf")
        self.given = False
        self.acks = "OK"
        panel = Panel((Level.MEMORY,))
        self.session = Session(cast(Child, self.machine), Path(), panel, "1", CommitPolicy.ACK, Counter())
        self.session.traffic._began = self.machine.now
        self.session.open(more=0)
        panel.each(lambda oracle: oracle.published(QUEUE, 1))

    def answer(self, op: str, arguments: dict[str, Any]) -> Any:
        match op:
            case "pop" if arguments["queue"] == QUEUE and not self.given:
                self.given = True
                return [{"receipt": "r1", "offset": 0, "attempt": 1, "deadline": 0.0}]
            case "dead" if arguments["queue"] == QUEUE and self.machine.now >= self.dead_from:
                return [0]
            case "ack_many":
                return ["OK" for _ in arguments["receipts"]]
            case "stats":
                return {"outstanding": {"records": int(self.machine.now < self.rests_from)}}
        return {"open": OFFERS, "pop": [], "dead": [], "ack": self.acks, "flush": "OK"}.get(op)

    def pop(self) -> None:
        self.session.traffic.ask(self.session.traffic.work.pop(QUEUE, 1, SHORT))
        self.session.traffic.settle()

    def acked_and_lost(self, *, opening: float) -> None:
        """Hand the message out, answer an ack of it, lose the power, and open again this many seconds later."""
        self.pop()
        self.session.traffic.ask(Call("ack", "ack", receipts=("r1",)))
        self.session.traffic.settle()
        self.session.stopped(Killed(answered=(), unanswered=()), PowerLost())
        self.machine.now += opening
        self.session.open(PowerLost(), more=0)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> OneMessage:
    return OneMessage(monkeypatch)


def test_a_dead_letter_is_waited_for_from_when_the_store_is_up(store: OneMessage) -> None:
    """Its ack may be lost, and it is written down only now: that it is not listed at once does not make it settled.

    This was a finding at level MEMORY against a right store, when the machine was so busy that opening took seconds.
    """
    store.acked_and_lost(opening=session.PATIENCE + 1.0)
    store.dead_from = store.machine.now + 0.2
    store.session.survey()
    store.machine.now += 0.3
    store.session.survey()
    assert store.session.traffic.dead[QUEUE] == {0}


def test_time_in_which_the_machine_stands_still_is_not_the_stores(store: OneMessage) -> None:
    """Its last deadline has passed, and it must be listed; the machine stands still before the store can do it."""
    store.pop()
    slow = store.machine.answer

    def stands_still(op: str, arguments: dict[str, Any]) -> Any:
        if op == "pop" and arguments["queue"] == QUEUE and store.dead_from == float("inf"):
            store.machine.now += 2 * session.PATIENCE
            store.dead_from = store.machine.now + 0.2
        return slow(op, arguments)

    store.machine.answer = stands_still
    store.session.survey()
    assert store.session.traffic.dead[QUEUE] == {0}


def test_what_a_late_ack_found_settled_may_be_listed_later(store: OneMessage) -> None:
    """Its last deadline has passed by then, or the ack came in time: nobody can tell. It takes a sync to list it.

    This too was a finding against a right store, on a machine that stood still between the pop and the ack.
    """
    store.pop()
    store.session.traffic.slack = 2 * session.PATIENCE  # some pop took as long as that
    store.machine.now += session.PATIENCE
    store.acks = "SETTLED"
    store.session.traffic.ask(Call("ack", "ack", receipts=("r1",)))
    store.session.traffic.settle()
    store.dead_from = store.machine.now + 2 * session.PATIENCE + 0.2
    drain(store.session, QUEUE)
    store.machine.now = store.dead_from
    drain(store.session, QUEUE)
    assert store.session.traffic.dead[QUEUE] == {0}


def test_what_is_missing_for_longer_is_a_finding(store: OneMessage) -> None:
    store.pop()
    began = store.machine.now
    with pytest.raises(Broken) as caught:
        store.session.survey()
    assert caught.value.clause is Clause.NO_LIMBO
    assert session.PATIENCE < store.machine.now - began < 2 * session.PATIENCE


def test_a_store_that_comes_to_rest_when_the_machine_moves_again_is_right(store: OneMessage) -> None:
    def stands_still(op: str, arguments: dict[str, Any]) -> Any:
        answer = store.answer(op, arguments)
        if op == "stats" and store.rests_from == float("inf"):
            store.machine.now += 2 * session.RESTING
            store.rests_from = store.machine.now + 0.2
        return answer

    store.machine.answer = stands_still
    store.session.settle_everything()
    assert store.session.panel.strictest.checked[Clause.QUIESCENCE_IS_ZERO] == 1


def test_one_that_does_not_is_not(store: OneMessage) -> None:
    with pytest.raises(Broken) as caught:
        store.session.settle_everything()
    assert caught.value.clause is Clause.QUIESCENCE_IS_ZERO


@pytest.mark.parametrize(("calls", "told"), [(0, "no calls"), (1, "1 call"), (16, "16 calls")])
def test_the_end_of_a_target_says_how_many_calls_were_under_way(store: OneMessage, calls: int, told: str) -> None:
    store.machine.in_flight = calls
    store.session.note_end("store", "SIGKILL")
    assert store.session.traffic.history.lines[-1].text.endswith(f" s, {told} under way")


def test_a_failed_sync_that_was_not_seen_leaves_the_power_loss_that_came_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = OneMessage(monkeypatch).session
    killed, again = (Killed(answered=(), unanswered=()) for _ in range(2))
    came = list[Fault | None]()
    for kill, fault, refused in (
        (killed, Fault.POWER_LOSS, 0),
        (killed, Fault.FAILED_SYNC, 0),
        (killed, Fault.FAILED_SYNC, 1),
        (again, Fault.FAILED_SYNC, 0),
    ):
        one.hit(kill, fault, refused=refused)
        came.append(one.fault)
    assert came == [Fault.POWER_LOSS, Fault.POWER_LOSS, Fault.FAILED_SYNC, Fault.PROCESS_CRASH]


@pytest.mark.parametrize("slow", [0.0, 0.3])
def test_unknown_has_no_cause_where_nothing_failed_nor_took_long(store: OneMessage, slow: float) -> None:
    """On a machine that is slow it is not asked, from then on until the store is opened anew."""
    causes, traffic = store.session.traffic.causes, store.session.traffic
    causes.own_io = True
    traffic.promised(store.session.promises)
    store.acks = "UNKNOWN"
    store.machine.now += slow
    traffic.ask(traffic.work.pop(QUEUE, 1, SHORT))
    store.machine.now += slow
    traffic.settle()
    traffic.ask(Call("ack", "ack", receipts=("r1",)))
    if slow:
        traffic.settle()
        causes.opened()
        traffic.ask(Call("ack", "ack", receipts=("r1",)))
    with pytest.raises(Broken, match="unknown-has-a-cause: operation"):
        traffic.settle()


@pytest.mark.parametrize("less", ["a server", "a promise", "a disk"])
def test_unknown_may_have_a_cause_that_nobody_sees(store: OneMessage, less: str) -> None:
    traffic = store.session.traffic
    traffic.causes.own_io = less != "a server"
    traffic.promised(Promises(late_acks="may-settle") if less == "a promise" else Promises(damage="unnoticed"))
    if less == "a disk":
        traffic.causes.disk_fails()
        traffic.causes.opened()
    store.acks = "UNKNOWN"
    store.pop()
    store.session.ask(Call("ack", "ack", receipts=("r1",)))
    assert not store.session.panel.fallen
