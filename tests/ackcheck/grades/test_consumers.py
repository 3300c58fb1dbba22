"""Consumers that leave, on real files: what is theirs returns, and nothing else; a pinned script, with no fault."""

from collections import Counter
from pathlib import Path

import pytest
from tests.textbook.catalogue import named

from ackcheck.grades import session
from ackcheck.grades.answers import done_or_not
from ackcheck.grades.campaign import child_of
from ackcheck.grades.consumers import Consumers
from ackcheck.grades.rounds import let_a_consumer_leave
from ackcheck.grades.session import Session
from ackcheck.panel import Panel
from ackcheck.rig.errors import ProtocolError
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply


def seen_of(name: str, directory: Path) -> Counter[str]:
    """Have a consumer of a textbook store leave, and judge what comes; return what ran."""
    child = child_of(named(name).target[0], directory, reply_timeout=15.0)
    seen = Session(child, directory, Panel((Level.MEMORY,)), "1", CommitPolicy.ACK, Counter())
    try:
        seen.open()
        let_a_consumer_leave(seen)
        seen.survey()
    finally:
        child.end()
    return seen.ran


def test_what_a_consumer_has_that_leaves_comes_back_and_nothing_else(tmp_path: Path) -> None:
    ran = seen_of("ConsumerLog", tmp_path)
    assert (ran["leave"], ran["given back by a leave"]) == (1, 1)  # of three one is acked, and an ack is under way


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("GivesBackAll", Clause.DEADLINE_IS_EXACT),
        ("GivesBackNothing", Clause.NO_LIMBO),
        ("GivesBackTheAcked", Clause.NO_RETURN),
        ("LeavesTwice", Clause.DEADLINE_IS_EXACT),
    ],
)
def test_what_returns_wrongly_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, clause: Clause
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.5)
    with pytest.raises(Broken) as caught:
        seen_of(name, tmp_path)
    assert caught.value.clause is clause


def test_an_ack_that_its_own_consumer_overtook_is_out_of_order() -> None:
    consumers, panel = Consumers(), Panel(())
    consumers.given("ada", [(("q", 0), "r0"), (("q", 1), "r1")], until=30.0)
    consumers.acked(1, ["r0"], at=1.0)
    consumers.acked(2, ["r1"], at=1.0)
    consumers.leaves(panel, 3, "ada", iter((-1, -2)).__next__)
    assert "in their order" in (consumers.ack_answered(1, [Reply.EXPIRED], at=29.0) or "")
    assert consumers.ack_answered(2, [Reply.EXPIRED], at=30.0) is None  # its deadline may have passed


def test_what_may_be_over_when_a_leave_is_answered_is_left_open() -> None:
    consumers, panel = Consumers(), Panel(())
    consumers.given("ada", [(("q", 0), "r0"), (("q", 1), "r1")], until=30.0)
    consumers.given("bao", [(("q", 2), "r2")], until=0.25)
    consumers.moved(["r0"])  # a renewal may have made it shorter
    assert (consumers.in_hand("ada"), consumers.in_hand("bao")) == (["r0", "r1"], ["r2"])
    numbers = iter(range(-1, -9, -1)).__next__
    consumers.leaves(panel, 1, "ada", numbers)
    consumers.leaves(panel, 2, "bao", numbers)
    assert [consumers.left(panel, op, Reply.OK, at=1.0) for op in (1, 2)] == [1, 0]
    assert consumers.in_hand("ada") == []


def test_a_leave_is_answered_by_four_replies_only() -> None:
    assert done_or_not("BUSY", "leave") is Reply.BUSY
    with pytest.raises(ProtocolError, match="'leave' was answered 'EXPIRED'; answer OK, BUSY, FAILED, UNKNOWN"):
        done_or_not("EXPIRED", "leave")
