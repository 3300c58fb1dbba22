"""A run is its script: the same script gives the same history, and what cannot be replayed is refused."""

from typing import Any, TypeAlias, cast

import pytest
from attrs import define, field

from ackcheck.sim.devices import MESSAGES, MOST_MESSAGES, QUEUES
from ackcheck.sim.simulation import STEPS, Simulation, begin, replay
from ackcheck.sim.target import Directory, Ended, Told
from acklab.reference.simulated import ReferenceSetup
from acklab.reference.stepped import Reference
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply

Script: TypeAlias = list[tuple[str, dict[str, Any]]]

SCRIPT: Script = [
    ("pop", {"count": 3, "queue": 1}),
    ("finish_writes", {}),
    ("ack_many", {"which": 0, "count": 2}),
    ("wait", {"seconds": 0.15}),
    ("fail_sync", {"wider": True}),
    ("crash", {"fate": 5}),
    ("lose_power", {"fate": 7}),
    ("survey", {}),
    ("settle_everything", {}),
    ("restart", {}),
    ("close", {}),
]


def test_the_same_script_gives_the_same_history() -> None:
    first, second = (replay(begin(ReferenceSetup()), SCRIPT) for _ in range(2))
    assert first.history.lines == second.history.lines
    assert first.panel.checked == second.panel.checked
    assert first.script == SCRIPT
    assert {line.lane for line in first.history.lines} == {"client", "store", "page cache", "disk", "offset"}


def test_every_step_is_counted_and_numbered() -> None:
    run = replay(begin(ReferenceSetup()), SCRIPT)
    assert run.ran["ack_many"] == run.ran["crash"] == 1
    assert run.history.step == len(SCRIPT)
    assert [line.step for line in run.history.lines] == sorted(line.step for line in run.history.lines)
    assert set(run.ran) <= STEPS


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no step 'explode': the steps are ack, ack_many"):
        replay(begin(ReferenceSetup()), [("explode", {})])


def test_a_step_takes_its_arguments_by_name() -> None:
    with pytest.raises(TypeError, match="pop takes its arguments by name"):
        begin(ReferenceSetup()).pop(3)  # type: ignore[call-arg]


def test_what_needs_a_delivery_or_an_io_waits_for_one() -> None:
    run = begin(ReferenceSetup())
    run.finish_all()
    for name, arguments in [("ack", {"which": 1}), ("ack_many", {"which": 1, "count": 2}), ("finish", {"which": 3})]:
        replay(run, [(name, arguments)])
    replay(run, [("fail_sync", {}), ("fail_write", {})])
    assert run.broken is None
    assert run.given == []


def test_every_message_is_handed_out_and_no_other() -> None:
    run = replay(begin(ReferenceSetup()), [("survey", {})])
    assert sorted(seen.offset for seen in run.given) == sorted(list(range(MESSAGES)) * len(QUEUES))


def test_messages_are_published_until_so_many_were_never_handed_out() -> None:
    run = begin(ReferenceSetup())
    run.finish_all()
    run.publish(queue=0, count=MESSAGES)
    assert run.ends[QUEUES[0]] == MESSAGES  # there are as many
    run.pop(count=2)
    run.finish_all()
    run.publish(queue=0, count=MESSAGES)
    assert run.ends == {QUEUES[0]: MESSAGES + 2, QUEUES[1]: MESSAGES}
    run.reset(queue=0, offset=MESSAGES + 2)
    run.publish(queue=0, count=1)  # not while the queue is being reset
    run.finish_all()
    run.wait(seconds=0.2)
    run.finish_all()
    run.publish(queue=0, count=1)
    assert run.ends[QUEUES[0]] == MESSAGES + 3
    run.publish(queue=0, count=1000)
    assert run.ends[QUEUES[0]] == MOST_MESSAGES
    run.crash(fate=0)
    run.survey()
    back = {seen.receipt.partition("@")[2]: seen.offset for seen in run.given}  # the last of each queue
    assert back == {QUEUES[0]: MOST_MESSAGES - 1, QUEUES[1]: MESSAGES - 1}


# --- targets that go wrong ----------------------------------------------------------------------------------------


@define
class NeverAnswers(Reference):
    """Swallows the answers to pops."""

    def take(self) -> list[Told]:
        return [told for told in super().take() if not (isinstance(told, Ended) and told.deliveries)]


@define
class AnswersTwice(Reference):
    """Answers everything twice."""

    def take(self) -> list[Told]:
        return [each for told in super().take() for each in ([told, told] if isinstance(told, Ended) else [told])]


@define
class OpensOnce(Reference):
    """Cannot open a directory with something in it."""

    def open(self, directory: Directory, now: float) -> None:
        if directory.names():
            raise KeyError("no such segment")
        super().open(directory, now)


@define
class NeverRests(Reference):
    """Has a timer that is always due."""

    def next_tick(self) -> float | None:
        return 0.0


@define
class LooksForWork(Reference):
    """Looks for work many times a second, and notes how often it was let."""

    looked: list[float] = field(factory=list, init=False)

    def tick(self, now: float) -> None:
        self.looked.append(now)
        super().tick(now)

    def next_tick(self) -> float | None:
        due, since = super().next_tick(), (self.looked or [1000.0])[-1]
        return since + 0.05 if due is None else min(due, since + 0.05)


@define
class NeverCloses(Reference):
    """Does not answer close."""

    def close(self, op: int, now: float) -> None:
        """Do nothing."""


@define
class AcksOfNothing(Reference):
    """Accepts what is no receipt."""

    def take(self) -> list[Told]:
        return [
            Ended(told.op, Reply.OK) if isinstance(told, Ended) and told.reply is Reply.INVALID else told
            for told in super().take()
        ]


def judged(target: type[Reference], script: list[tuple[str, dict[str, object]]]) -> Broken:
    with pytest.raises(Broken) as caught:
        replay(Simulation(target, (Level.PAGE_CACHE,)), script)
    return caught.value


@pytest.mark.parametrize(
    ("target", "step", "clause", "why"),
    [
        (NeverAnswers, "survey", Clause.REPLY_EXACTLY_ONCE, "was not answered, on a disk that works"),
        (AnswersTwice, "flush", Clause.REPLY_EXACTLY_ONCE, "was answered again, OK"),
        (NeverRests, "survey", Clause.QUIESCENCE_IS_ZERO, "did not come to rest in 400 rounds"),
        (NeverCloses, "close", Clause.CLOSE_DRAINS, "close was not answered"),
    ],
)
def test_a_target_that_goes_wrong_breaks_a_clause(target: type[Reference], step: str, clause: Clause, why: str) -> None:
    broken = judged(target, [("finish_all", {}), (step, {}), ("finish_all", {})])
    assert broken.clause is clause
    assert why in str(broken)


def test_timers_of_a_store_at_rest_run_late_and_those_that_bring_something_do_not() -> None:
    popped: Script = [("pop", {"count": 1}), ("finish_all", {}), ("pop", {"count": 1}), ("finish_writes", {})]
    run = replay(Simulation(LooksForWork, (Level.PAGE_CACHE,)), popped)
    target = cast("LooksForWork", run.target)
    replay(run, [("wait", {"seconds": 0.15})])
    assert [round(pending.since - 1000.0, 3) for pending in run.pending] == [0.1], "the flush interval"
    replay(run, [("finish_all", {})])
    target.looked.clear()
    replay(run, [("wait", {"seconds": 120.0})])
    assert 5 < len(target.looked) < 40


@pytest.mark.parametrize(
    ("event", "clause"),
    [("crash", Clause.SURVIVES_PROCESS_CRASH), ("lose_power", Clause.SURVIVES_POWER_LOSS)],
)
def test_a_store_that_cannot_be_opened_has_kept_nothing(event: str, clause: Clause) -> None:
    broken = judged(OpensOnce, [("pop", {"count": 1}), ("finish_all", {}), (event, {"fate": 1})])
    assert broken.clause is clause
    assert "KeyError: 'no such segment'" in broken.why


def test_what_is_no_receipt_may_not_be_accepted() -> None:
    broken = judged(AcksOfNothing, [("ack_nonsense", {"text": "x"})])
    assert (broken.clause, broken.key) == (Clause.RECEIPT_IS_EXACT, None)


# --- what a store may offer beyond the rest ---------------------------------------------------------------------------


def test_a_renewed_delivery_outlives_a_crash_and_its_first_deadline() -> None:
    script: Script = [
        ("pop", {"count": 1, "invisible": 5.0}),
        ("finish_all", {}),
        ("renew", {"which": 0}),
        ("finish_writes", {}),
    ]
    run = replay(begin(ReferenceSetup()), [*script, ("crash", {"fate": 0}), ("wait", {"seconds": 6.0})])
    replay(run, [("pop", {"count": 9}), ("finish_all", {}), ("ack", {"which": 0}), ("finish_all", {})])
    assert [seen.offset for seen in run.given] == [0, 1, 2, 3, 4, 5], "message 0 came once"
    assert run.panel.strictest.contract((QUEUES[0], 0)).certainly_settled


def test_a_released_delivery_comes_again_at_once() -> None:
    popped: Script = [("pop", {"count": 1}), ("finish_all", {})]
    run = replay(begin(ReferenceSetup()), [*popped, ("release", {"which": 0}), ("finish_all", {}), *popped])
    assert [seen.offset for seen in run.given] == [0, 0]


def test_others_may_be_at_work_on_a_queue_that_is_reset_but_no_other_reset() -> None:
    run = replay(begin(ReferenceSetup()), [("pop", {"count": 3}), ("finish_all", {}), ("ack", {"which": 0})])
    replay(run, [("reset", {"queue": 0, "offset": 1}), ("reset", {"queue": 0, "offset": 2})])
    assert sorted(asked.kind for asked in run.asked.values()) == ["ack", "reset"]
    replay(run, [("pop", {"count": 1}), ("ack", {"which": 1}), ("renew", {"which": 2}), ("release", {"which": 2})])
    replay(run, [("finish_all", {}), ("wait", {"seconds": 1.0}), ("finish_all", {})])
    assert run.asked == {}
    assert run.operations == 7
    replay(run, [("survey", {}), ("settle_everything", {})])


def test_what_was_handed_out_too_often_is_a_dead_letter() -> None:
    once: Script = [("pop", {"count": 1, "invisible": 5.0}), ("finish_all", {}), ("wait", {"seconds": 6.0})]
    run = replay(begin(ReferenceSetup(max_attempts=2)), [*once, *once, ("survey", {})])
    assert run.extended.dead(QUEUES[0]) == [0]
    assert any(line.text == "dead letters of orders/billing/0: [0]" for line in run.history.lines)
    replay(run, [("settle_everything", {}), ("restart", {}), ("survey", {})])


def test_on_the_fast_path_an_ack_is_written_at_once_or_fails() -> None:
    run = replay(
        begin(ReferenceSetup(fastpath=True)), [("pop", {"count": 2}), ("finish_all", {}), ("ack", {"which": 0})]
    )
    assert run.pending == []
    assert run.history.lines[-1].text == "operation 2 is answered OK"
    replay(run, [("fill_up", {"written": 9}), ("ack", {"which": 1})])
    assert run.history.lines[-1].text == "operation 3 is answered FAILED"
    replay(run, [("survey", {}), ("settle_everything", {}), ("close", {})])


@define
class Bare:
    """The reference store without anything that a target may leave out."""

    inner: Reference = field(factory=Reference)

    def __getattr__(self, name: str) -> Any:
        if name in ("renew", "release", "reset", "dead", "max_attempts", "write_now"):
            raise AttributeError(name)
        return getattr(self.inner, name)


def test_a_target_that_offers_no_more_is_judged_without() -> None:
    run = replay(Simulation(cast("Any", Bare), (Level.PAGE_CACHE,)), SCRIPT)
    replay(run, [("renew", {"which": 0}), ("release", {"which": 0}), ("reset", {"queue": 0, "offset": 2})])
    assert {asked.kind for asked in run.asked.values()} <= {"close"}
