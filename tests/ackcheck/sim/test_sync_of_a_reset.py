"""The sync that makes a reset durable fails, hangs, or says OK to what is lost: only a right store is kept."""

from typing import cast

import pytest

from ackcheck.sim.aims import RESET_SYNC
from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import begin, replay
from acklab.reference.simulated import ReferenceSetup
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Oracle
from ackstore.core.core import Core
from ackstore.core.flusher import Flusher
from ackstore.format.records import RESET
from ackstore.words.replies import Reply as StoreReply

ALL: Step = ("finish_all", {})
WAIT: Step = ("wait", {"seconds": 0.2})
"""In which what derives from the log is written: only then is a reset answered, and a failed sync tried again."""


def reset_whose_sync(how: str, *more: Step) -> list[Step]:
    """Settle a message, have the offset written, reset it to the begin, and lose the power."""
    settled: list[Step] = [ALL, ("pop", {"count": 2}), ALL, ("ack", {"which": 0}), ALL, WAIT, ALL]
    aimed: list[Step] = [("aim", {"at": RESET_SYNC, "how": how}), ("reset", {"queue": 0, "offset": 0}), ALL]
    return [*settled, WAIT, ALL, *aimed, *more, ("lose_power", {"fate": 0}), ("survey", {})]


@pytest.mark.parametrize("level", [Level.PAGE_CACHE, Level.DISK])
@pytest.mark.parametrize(("how", "more"), [("fails", []), ("hangs", [WAIT, ALL]), ("lies", [WAIT, ALL])])
def test_a_reset_whose_sync_fails_is_not_answered_and_one_that_is_lost_may_be(
    level: Level, how: str, more: list[Step]
) -> None:
    run = replay(begin(ReferenceSetup((level,))), reset_whose_sync(how, *more))
    told = [line.text for line in run.history.lines]
    assert run.in_play[f"{RESET_SYNC} {how}"] == 1
    assert ("operation 3 is answered OK" in told) is (how == "lies")


def test_what_is_answered_after_a_lying_sync_is_judged_again_once_the_power_was_lost() -> None:
    lost: list[Step] = [WAIT, ALL, ("pop", {"count": 1}), ALL, ("ack", {"which": -1}), ALL, ("flush", {}), ALL]
    script = reset_whose_sync("lies", *lost)
    run = replay(begin(ReferenceSetup((Level.DISK,))), [*script, ("settle_everything", {}), ("close", {})])
    assert not run.disk.given_up
    assert not run.panel.strictest.doubtful


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("stop", [("restart", {}), ("crash", {"fate": 0}), ("stop_in_trouble", {})])
def test_a_store_may_be_opened_again_on_a_disk_that_has_given_up(level: Level, stop: Step) -> None:
    """What it does then is lost with the power: the reset, and that it was ever opened, so that receipts come again."""
    work: list[Step] = [("pop", {"count": 2}), ALL, ("ack", {"which": -1}), ALL, ("flush", {}), ALL]
    run = replay(begin(ReferenceSetup((level,))), reset_whose_sync("lies", WAIT, ALL, stop, ALL, *work, stop, *work))
    issued = [line.text for line in run.history.lines if "is answered OK: [" in line.text]
    assert run.broken is None
    assert not run.disk.given_up
    assert len(issued) > 4
    replay(run, [("settle_everything", {}), ("close", {})])
    assert len({seen.receipt for seen in run.given}) == len(run.given)


def test_a_delivery_since_a_reset_that_is_lost_may_be_expired_and_settled_as_before() -> None:
    """Its receipt is of a generation that the store knows nothing of, and the ack of before the reset counts again."""
    handed_out: list[Step] = [("pop", {"count": 1}), ALL]
    run = begin(ReferenceSetup((Level.DISK,)))
    replay(run, [*reset_whose_sync("lies", *handed_out)[:-1], ("ack", {"which": -1}), ("survey", {})])
    told = [line.text for line in run.history.lines]
    assert any(text.endswith("is answered EXPIRED") for text in told)
    assert "operation 3 is answered OK" not in told  # the reset


def test_a_reset_that_recovery_reads_and_puts_to_effect_later_takes_back_what_was_acked_meanwhile() -> None:
    """And a barrier after that says nothing of the ack, which was answered SETTLED by the ack before the reset."""
    before: list[Step] = [("pop", {"count": 2, "queue": 1}), ("pop", {"count": 4, "queue": 1}), ALL]
    lost: list[Step] = [("ack_many", {"which": -2, "count": 2}), ("reset", {"queue": 1, "offset": 4}), ALL]
    meanwhile: list[Step] = [("lose_power", {"fate": 0}), ("ack", {"which": 5}), ALL]
    handed_out: list[Step] = [("pop", {"count": 2, "queue": 1}), ("finish_writes", {}), ("crash", {"fate": 0})]
    run = begin(ReferenceSetup((Level.DISK,), fastpath=True, logs=2))
    replay(run, [*before, *lost, *meanwhile, *handed_out, ("flush", {}), ("survey", {})])
    told = [line.text for line in run.history.lines]
    assert {"operation 5 is answered SETTLED", "operation 5 is durable", "operation 7 is answered OK"} < {*told}


class _AnswersAtAFailedSync(Flusher):
    def sync_failed(self, now: float) -> None:
        core = cast("Core", self.host)
        for record in self.log.tail:
            if record.kind == RESET and record.lsn <= self.covers:
                for operation, *_ in record.waiters or ():
                    core.operations.end(operation, StoreReply.OK)
                record.waiters = None
        super().sync_failed(now)


class ResetIsAnsweredAtAFailedSync(Core):
    """A reset is answered OK when its sync returns, whatever it has returned."""

    flusher_class = _AnswersAtAFailedSync


def test_a_store_that_answers_a_reset_whose_sync_failed_is_found() -> None:
    with pytest.raises(Broken) as broken:
        replay(begin(ReferenceSetup((Level.DISK,), core=ResetIsAnsweredAtAFailedSync)), reset_whose_sync("fails"))
    assert broken.value.clause is Clause.COMMIT_IS_SAFE


def test_a_store_is_found_wrong_where_a_lying_sync_of_a_reset_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule that an OK to a reset promises nothing then: the lie gets to where it shows."""
    answered = Oracle.reset_answered

    def believed(self: Oracle, op: int, reply: Reply) -> None:
        self.doubtful, doubted = False, self.doubtful
        answered(self, op, reply)
        self.doubtful = doubted

    monkeypatch.setattr(Oracle, "reset_answered", believed)
    with pytest.raises(Broken) as broken:
        replay(begin(ReferenceSetup((Level.DISK,))), reset_whose_sync("lies", WAIT, ALL))
    assert broken.value.clause is Clause.COMMIT_IS_MONOTONE
