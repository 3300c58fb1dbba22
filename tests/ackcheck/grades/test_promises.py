"""Promises: each changes what is judged, bad ones are refused, and the shipped schema is the one that holds."""

import json
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import fields

from ackcheck.findings import GradeReport
from ackcheck.given import read_promises
from ackcheck.grades import power, run_power_grade, run_process_grade
from ackcheck.grades.campaign import Campaign
from ackcheck.grades.leniency import Leniency
from ackcheck.grades.session import Session
from ackcheck.grades.waiting import Waiting
from ackcheck.grades.workload import QUEUES, SHORT, Call
from ackcheck.panel import Panel
from ackcheck.promises import SCHEMA, BadPromise, Promises, promises_of
from ackcheck.rig import Child, TargetError
from ackcheck.rig.writeback import NOTHING
from ackcheck.verdict import ModeReport
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply
from ackmodel.observe.oracle import Delivered

LENIENT = Path(__file__).with_name("lenient.py")
REPUBLISHED = {"publish": "republished"}
"""What the toys state of themselves; what is stated of them counts in place of it."""


def judge(store: str, promises: Promises | None = None, rounds: int = 3) -> GradeReport:
    return run_process_grade(
        f"{LENIENT}:{store}", Level.DISK, seed=2, rounds=rounds, promises=promises, stop_at_first=True
    )


CASES: list[tuple[str, dict[str, Any], set[Clause]]] = [
    ("OneReceipt", {"receipts": "of-the-message"}, {Clause.RECEIPT_IS_EXACT}),
    ("ForgetsReservations", {"reservations": "end-with-the-process"}, {Clause.DEADLINE_IS_EXACT}),
    ("RoundsUp", {"granularity": 2.5}, {Clause.NO_LIMBO, Clause.RECEIPT_IS_EXACT, Clause.DEADLINE_IS_EXACT}),
    ("IsLate", {"grace": 7.0}, {Clause.NO_LIMBO}),
    (
        "HandsOutTwice",
        {"delivery": "at-least-once"},
        {Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT, Clause.NO_LIMBO},
    ),
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("store", "stated", "clauses"), CASES)
def test_what_is_not_promised_is_not_judged_and_else_it_is(
    store: str, stated: dict[str, Any], clauses: set[Clause]
) -> None:
    lenient = judge(store, promises_of(stated | REPUBLISHED), rounds=2)
    assert lenient.finding is None, str(lenient.finding)
    assert lenient.promises.departures() == stated | REPUBLISHED
    strict = judge(store, rounds=24)  # it ends at the first finding; when that comes is a matter of time
    assert strict.finding is not None
    assert strict.finding.clause in clauses, strict.finding.why


@pytest.mark.parametrize(("stated", "breaks"), [({}, True), ({"late_acks": "may-settle"}, False)])
def test_an_ack_may_count_though_it_is_late(stated: dict[str, Any], breaks: bool) -> None:
    panel, lenient = Panel((Level.DISK,)), Leniency(promises_of(stated))
    panel.each(lambda oracle: oracle.pop_asked(1, "q", deadline=10.0))
    panel.each(lambda oracle: oracle.popped(1, "q", [Delivered(lenient.given(("q", 0), "r"), 0, 10.0)], at=0.0))
    panel.each(lambda oracle: oracle.ack_asked(2, lenient.asked_for(["r"]), at=lenient.asked_at(12.0)))
    with pytest.raises(Broken) if breaks else nullcontext():
        panel.each(lambda oracle: oracle.ack_answered(2, [lenient.answer(Reply.OK)], at=13.0))


@pytest.mark.parametrize(
    ("stated", "found"),
    [({}, [Clause.RECEIPT_IS_EXACT]), ({"late_acks": "may-settle"}, [])],
    ids=["strict", "promised"],
)
def test_a_store_that_takes_late_acks_is_judged_by_what_it_promises(
    stated: dict[str, Any], found: list[Clause], tmp_path: Path
) -> None:
    campaign = Campaign(
        f"{LENIENT}:TakesLateAcks", Level.DISK, "process", 1, promises=promises_of(stated | REPUBLISHED)
    )
    with campaign.case(tmp_path) as session:
        session.open()
        [receipt] = session.pop(QUEUES[0], 1, SHORT)
        time.sleep(SHORT + session.traffic.slack + 0.1)  # however long the pop took, its deadline has passed
        session.ask(Call("ack", "ack", receipts=(receipt,)))
        session.kill()
        session.open(ProcessCrashed())
        session.survey()
    assert [finding.clause for finding in campaign.report.findings] == found


def test_loss_is_loss_whatever_is_promised_of_duplicates() -> None:
    found = judge("LosesAcks", promises_of({"delivery": "at-least-once", **REPUBLISHED})).finding
    assert found is not None
    assert found.clause is Clause.SURVIVES_PROCESS_CRASH


def told_of_an_ack(waiting: Waiting, panel: Panel, *, at: float) -> None:
    """A message was handed out and acked, and the ack answered OK at this time."""
    panel.each(lambda oracle: oracle.pop_asked(1, "q", deadline=99.0))
    panel.each(lambda oracle: oracle.popped(1, "q", [Delivered("r", 0, 99.0)], at=0.0))
    panel.each(lambda oracle: oracle.ack_asked(2, ["r"], at=at))
    reply = waiting.answer(("q", 0), "r", Reply.OK, at)
    panel.each(lambda oracle: oracle.ack_answered(2, [reply], at=at))
    waiting.mark(panel, at)


def comes_again(panel: Panel) -> None:
    panel.each(lambda oracle: oracle.pop_asked(3, "q", deadline=200.0))
    panel.each(lambda oracle: oracle.popped(3, "q", [Delivered("r2", 0, 200.0)], at=100.0))


@pytest.mark.parametrize(
    ("stated", "passed", "breaks"),
    [({}, 1.5, True), ({"settles_after": 2.0}, 1.5, False), ({"settles_after": 2.0}, 4.0, True)],
)
def test_an_ack_may_be_undone_until_its_offset_is_persisted(
    stated: dict[str, Any], passed: float, breaks: bool
) -> None:
    panel, waiting = Panel((Level.DISK,)), Waiting(promises_of(stated))
    told_of_an_ack(waiting, panel, at=1.0)
    waiting.passed(panel, passed)
    panel.stopped(ProcessCrashed())
    with pytest.raises(Broken, match="survives-process-crash") if breaks else nullcontext():
        comes_again(panel)


@pytest.mark.parametrize(
    ("stated", "passed", "breaks"),
    [({}, 9.0, False), ({"loss_window": 2.0}, 3.4, False), ({"loss_window": 2.0}, 3.6, True)],
)
def test_an_ack_is_safe_once_its_loss_window_has_passed(stated: dict[str, Any], passed: float, breaks: bool) -> None:
    panel, waiting = Panel((Level.PAGE_CACHE,)), Waiting(promises_of(stated))
    told_of_an_ack(waiting, panel, at=1.0)
    waiting.passed(panel, passed)
    panel.stopped(PowerLost())
    with pytest.raises(Broken, match="survives-power-loss") if breaks else nullcontext():
        comes_again(panel)


def test_more_grace_and_coarser_deadlines_lengthen_all_that_is_waited_for() -> None:
    strict, late, coarse = (
        Session(
            Child(["true"]), Path(), Panel((Level.DISK,)), "1", CommitPolicy.ACK, Counter(), stated=promises_of(stated)
        )
        for stated in ({"delivery": "exclusive"}, {"grace": 8.0}, {"granularity": 5.0})
    )
    for waited in ("patience", "resting", "refusing"):
        assert getattr(late, waited) == getattr(coarse, waited) == getattr(strict, waited) + 5.0


@pytest.mark.parametrize("reply", [Reply.OK, Reply.UNKNOWN])
def test_a_close_is_asked_for_no_loss_window_that_is_under_way(reply: Reply) -> None:
    panel, waiting = Panel((Level.PAGE_CACHE,)), Waiting(promises_of({"loss_window": 0.8}))
    told_of_an_ack(waiting, panel, at=1.0)
    for at in (1.2, 1.4, 2.5):
        waiting.mark(panel, at)
    assert waiting.passed(panel, 2.5)  # the first three of four are over
    waiting.closing(panel)
    panel.each(lambda oracle: oracle.closed(reply))


def test_offsets_that_are_never_persisted_are_found_on_real_files() -> None:
    promises = promises_of({"delivery": "at-least-once", "settles_after": 0.2, **REPUBLISHED})
    found = judge("LosesAcks", promises, rounds=1)
    assert found.finding is not None
    assert found.finding.clause is Clause.SURVIVES_PROCESS_CRASH
    assert found.figures["oldest ack that a SIGKILL took, in seconds after its answer"] >= 0.25


@pytest.mark.parametrize(
    ("store", "stated", "broken"),
    [
        ("KeepsEnds", {}, False),
        ("ForgetsEnds", {}, True),
        ("ForgetsEnds", {"publish": "republished"}, False),
    ],
)
def test_what_was_published_survives_unless_the_target_says_that_it_is_published_again(
    store: str, stated: dict[str, Any], broken: bool
) -> None:
    found = judge(store, promises_of(stated) if stated else None, rounds=1).finding
    assert (found is not None and found.clause is Clause.NO_LIMBO) is broken
    assert broken or found is None, str(found)
    assert not broken or (found is not None and 'publish = "republished"' in found.why)


def test_what_comes_twice_is_counted_by_its_cause() -> None:
    panel, lenient = Panel((Level.DISK,)), Leniency(promises_of({"delivery": "at-least-once"}))
    lenient.given(("q", 0), "r1")
    assert lenient.before_a_delivery(panel, [("q", 0)]) == {}
    lenient.before_a_stop(panel, "SIGKILL")
    assert lenient.before_a_delivery(panel, [("q", 0)]) == {"handed out again after SIGKILL": 1}
    lenient.given(("q", 0), "r2")
    assert lenient.before_a_delivery(panel, [("q", 0)]) == {"handed out again for an older delivery": 1}


def test_only_times_that_can_be_are_asked_for() -> None:
    assert judge("OneTime", promises_of({"invisible": [1.0], **REPUBLISHED}), rounds=1).finding is None
    with pytest.raises(TargetError, match="one second"):
        judge("OneTime", rounds=1)


def test_a_barrier_that_is_not_there_is_not_asked_for_and_the_target_may_say_so() -> None:
    report = judge("SaysSo", rounds=2)
    assert report.ran["flush"] == 0
    assert report.promises.departures() == {"barrier": "none", **REPUBLISHED}
    assert not ModeReport((Level.PAGE_CACHE,), (report,)).flushes
    assert judge("NoBarrier", rounds=1).ran["flush"] > 0
    assert judge("SaysSo", promises_of(REPUBLISHED), rounds=1).ran["flush"] > 0  # what is stated from outside counts


@pytest.mark.machine
@pytest.mark.usefixtures("machine_grade")
def test_a_loss_window_is_judged_once_it_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "choose_writeback", lambda *_: NOTHING)  # half a log could not be opened

    def lost(**stated: Any) -> GradeReport:
        promises = promises_of({"barrier": "none", **REPUBLISHED, **stated})
        target = f"{LENIENT}:NeverSyncs"
        return run_power_grade(target, Level.PAGE_CACHE, seed=1, rounds=3, failed_syncs=0, promises=promises)

    report = lost(loss_window=0.5)
    assert {finding.clause for finding in report.findings} >= {Clause.SURVIVES_POWER_LOSS}
    assert report.figures["oldest ack that a power loss took, in seconds after its answer"] > 0.5
    assert Clause.SURVIVES_POWER_LOSS not in {finding.clause for finding in lost().findings}


@pytest.mark.parametrize(
    ("stated", "mend"),
    [
        ({"late_ack": "refused"}, "did you mean 'late_acks'"),
        ({"zzz": 1}, "the promises are: delivery"),
        ({"delivery": "twice"}, "write 'exclusive' or 'at-least-once'"),
        ({"grace": -1}, "write seconds, from 0"),
        ({"grace": True}, "write seconds"),
        ({"grace": "long"}, "write seconds"),
        ({"invisible": 3}, "write a list of seconds"),
        ({"invisible": [0]}, "each over 0"),
    ],
)
def test_a_promise_that_cannot_be_is_refused_with_its_mend(stated: dict[str, Any], mend: str) -> None:
    with pytest.raises(BadPromise, match=mend):
        promises_of(stated)


def test_a_file_states_them(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('barrier = "none"\ninvisible = [0.5, 30]\n', encoding="utf-8")
    assert read_promises(file).departures() == {"barrier": "none", "invisible": (0.5, 30)}
    file.write_text('barrier = "maybe"', encoding="utf-8")
    with pytest.raises(BadPromise, match=f"{file}: barrier is 'maybe': write 'yes' or 'none'"):
        read_promises(file, {"barrier": "none"})
    file.write_text("barrier = ", encoding="utf-8")
    with pytest.raises(BadPromise, match="cannot be read as TOML"):
        read_promises(file)
    with pytest.raises(BadPromise, match=r"none\.toml cannot be read: No such file"):
        read_promises(tmp_path / "none.toml")


def test_the_schema_takes_what_is_taken_and_refuses_what_is_refused() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate({"barrier": "none", "grace": 6, "invisible": [0.25]}, schema)
    assert set(schema["properties"]) == {one.name for one in fields(Promises)}
    for wrong in ({"barrier": "perhaps"}, {"grace": -1}, {"invisible": [0]}, {"other": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
