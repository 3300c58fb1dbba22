"""The contract, of what ends a delivery for good: resets of the offset, dead letters, and refusals that do not."""

import pytest

from ackmodel import Clause, Contract, ContractBroken, Level
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Event,
    MadeDurable,
    Popped,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
    Secured,
)
from contract_histories import allows, broken

POP = Popped("r1", at=0.0, deadline=30.0)
ASK = AckAsked(1, "r1", at=1.0)
OK = AckAnswered(1, Reply.OK, at=1.0)
DURABLE = MadeDurable()
CRASH, POWER, RESTART = ProcessCrashed(), PowerLost(), Restarted()
RETURN = Popped("r2", at=99.0, deadline=129.0)
GONE = Absent(at=99.0)

ANEW, PASSED, RESET = ResetAsked(4, anew=True), ResetAsked(4, anew=False), ResetAnswered(4, Reply.OK)

MEMORY, PAGE_CACHE, DISK = Level.MEMORY, Level.PAGE_CACHE, Level.DISK
FAULTS = [RESTART, CRASH, POWER]


# --- resets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("fault", [None, *FAULTS], ids=str)
def test_a_reset_sticks_at_every_level_across_every_fault(level: Level, fault: Event | None) -> None:
    stopped = [fault] if fault else []
    settled = (POP, ASK, OK, DURABLE)
    assert allows(*settled, ANEW, RESET, *stopped, Popped("r2", at=5.0, deadline=35.0), level=level)
    assert broken(*settled, ANEW, RESET, *stopped, GONE, level=level).clause is Clause.COMMIT_IS_MONOTONE
    assert allows(POP, PASSED, RESET, *stopped, GONE, level=level)
    assert broken(POP, PASSED, RESET, *stopped, RETURN, level=level).clause is Clause.COMMIT_IS_MONOTONE


@pytest.mark.parametrize("fault", FAULTS[1:], ids=str)
@pytest.mark.parametrize("reply", [None, Reply.UNKNOWN])
def test_a_reset_without_an_answer_leaves_everything_open(fault: Event, reply: Reply | None) -> None:
    ended = [ResetAnswered(4, reply)] if reply else []
    assert allows(POP, ASK, OK, ANEW, *ended, RETURN, fault, GONE)
    assert allows(POP, ASK, OK, ANEW, *ended, fault, RETURN)
    assert allows(POP, PASSED, *ended, GONE, fault, RETURN)


def test_a_reset_that_failed_changes_nothing() -> None:
    failed = ResetAnswered(4, Reply.FAILED)
    assert allows(POP, ANEW, failed, ASK, OK)
    assert not allows(POP, ASK, OK, ANEW, failed, RETURN)


def test_receipts_from_before_a_reset_are_expired() -> None:
    history = (POP, ANEW, RESET, AckAsked(5, "r1", at=5.0))
    assert allows(*history, AckAnswered(5, Reply.EXPIRED, at=5.0))
    assert broken(*history, AckAnswered(5, Reply.OK, at=5.0)).clause is Clause.RECEIPT_IS_EXACT


# --- dead letters -----------------------------------------------------------------------------------------------------


def after_attempts(count: int, most: int | None, *history: Event) -> Contract:
    """A contract for a message handed out so often, a minute apart, of a store that allows `most`."""
    contract = Contract(PAGE_CACHE, max_attempts=most)
    for number in range(count):
        contract.observe(Popped(f"r{number}", at=60.0 * number, deadline=60.0 * number + 30.0))
    for event in history:
        contract.observe(event)
    return contract


@pytest.mark.parametrize(
    ("attempts", "event", "possible"),
    [
        (1, RETURN, True),
        (1, Absent(at=99.0, dead=True), False),
        (1, DeadLettered(at=99.0), False),
        (2, Popped("r9", at=199.0, deadline=229.0), False),
        (2, Absent(at=199.0, dead=True), True),
        (2, Absent(at=199.0), True),
        (2, Absent(at=199.0, dead=False), False),
        (2, DeadLettered(at=199.0), True),
        (2, DeadLettered(at=89.0), False),
    ],
)
def test_after_its_last_attempt_a_message_is_dead(attempts: int, event: Event, possible: bool) -> None:
    contract = after_attempts(attempts, 2)
    if possible:
        contract.observe(event)
        return
    with pytest.raises(ContractBroken) as caught:
        contract.observe(event)
    assert caught.value.clause is Clause.NO_LIMBO


def test_without_a_limit_there_are_no_dead_letters() -> None:
    with pytest.raises(ContractBroken, match="no-limbo"):
        after_attempts(20, None, Absent(at=9999.0))


def test_a_crash_forgets_no_attempt_and_a_power_loss_may() -> None:
    again = Popped("r9", at=199.0, deadline=229.0)
    with pytest.raises(ContractBroken, match=r"no-limbo: handed out again at 199\.0, though it had been handed out 2"):
        after_attempts(2, 2, CRASH, again)
    after_attempts(2, 2, POWER, again)
    with pytest.raises(ContractBroken, match="no-limbo"):
        after_attempts(2, 2, Secured("r1"), POWER, again)


UNHEARD = (AckAsked(5, "r1", at=91.0), AckAnswered(5, Reply.UNKNOWN, at=95.0))
CALLED_BACK = MadeDurable("callback", at=99.0)


@pytest.mark.parametrize("ended", [(), UNHEARD[:1], UNHEARD], ids=["not asked", "no answer", "UNKNOWN"])
def test_a_dead_letter_that_an_ack_met_may_be_what_is_durable(ended: tuple[Event, ...]) -> None:
    contract = after_attempts(2, 2, *ended, CALLED_BACK, POWER, DeadLettered(at=199.0))
    with pytest.raises(ContractBroken, match="no-limbo"):
        contract.observe(Popped("r9", at=200.0, deadline=230.0))


def test_a_callback_tells_of_no_dead_letter_before_the_last_attempt_has_ended() -> None:
    for attempts, at in ((2, 89.9), (1, 99.0)):
        with pytest.raises(ContractBroken, match=r"reply-never-false: said to be durable \(callback\)"):
            after_attempts(attempts, 2, MadeDurable("callback", at=at))


def test_a_released_last_attempt_is_dead_at_once() -> None:
    released = (ReleaseAsked(3, "r1", at=61.0), ChangeAnswered(3, Reply.OK, at=61.0))
    after_attempts(2, 2, *released, DeadLettered(at=62.0))


def test_what_was_acknowledged_is_no_dead_letter() -> None:
    acked = (AckAsked(5, "r1", at=61.0), AckAnswered(5, Reply.OK, at=61.0))
    for event in (DeadLettered(at=199.0), Absent(at=199.0, dead=True)):
        with pytest.raises(ContractBroken, match=r"no-return: a dead letter at 199\.0, though its ack was answered OK"):
            after_attempts(2, 2, *acked, event)


def test_a_dead_letter_counts_as_settled() -> None:
    assert after_attempts(2, 2, DeadLettered(at=199.0)).certainly_settled
    assert not after_attempts(2, 2).certainly_unsettled
    assert after_attempts(1, 2).certainly_unsettled


@pytest.mark.parametrize("reply", [Reply.FAILED, Reply.BUSY])
@pytest.mark.parametrize("fault", [None, *FAULTS], ids=str)
def test_an_ack_that_was_refused_leaves_the_message_to_return(reply: Reply, fault: Event | None) -> None:
    history = [POP, ASK, AckAnswered(1, reply, at=1.0), *([fault] if fault else [])]
    assert allows(*history, RETURN)
    assert broken(*history, GONE).clause is Clause.REPLY_NEVER_FALSE
