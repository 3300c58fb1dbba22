"""The contract: what may return, every blame by the shortest history that earns it, and what each observation tests."""

import pytest
from attrs import evolve

from ackmodel import Clause, ContractBroken, Level
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Discarded,
    Event,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    RenewAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
    Secured,
    SyncEnded,
    WriteFailed,
)
from contract_histories import allows, broken, told

POP = Popped("r1", at=0.0, deadline=30.0)
ASK = AckAsked(1, "r1", at=1.0)
OK = AckAnswered(1, Reply.OK, at=1.0)
UNKNOWN = AckAnswered(1, Reply.UNKNOWN, at=1.0)
FAILED = AckAnswered(1, Reply.FAILED, at=1.0)
DURABLE = MadeDurable()
CRASH, POWER, RESTART = ProcessCrashed(), PowerLost(), Restarted()
RETURN = Popped("r2", at=99.0, deadline=129.0)
GONE = Absent(at=99.0)
BROKE, SYNCED, HUNG = SyncEnded("failed"), SyncEnded("ok"), SyncEnded("timed out")

RENEW, RENEWED = RenewAsked(2, "r1", at=2.0, deadline=90.0), ChangeAnswered(2, Reply.OK, at=2.0)
RELEASE, RELEASED = ReleaseAsked(3, "r1", at=3.0), ChangeAnswered(3, Reply.OK, at=3.0)
ANEW, PASSED, RESET = ResetAsked(4, anew=True), ResetAsked(4, anew=False), ResetAnswered(4, Reply.OK)
LATER = Absent(at=999.0)
REMOVED = Discarded("log-1")

MEMORY, PAGE_CACHE, DISK = Level.MEMORY, Level.PAGE_CACHE, Level.DISK
FAULTS = [RESTART, CRASH, POWER]


# --- the table: level, fault, answer ---------------------------------------------------------------------------------

MAY_RETURN = {
    (MEMORY, RESTART): False,
    (MEMORY, CRASH): True,
    (MEMORY, POWER): True,
    (PAGE_CACHE, RESTART): False,
    (PAGE_CACHE, CRASH): False,
    (PAGE_CACHE, POWER): True,
    (DISK, RESTART): False,
    (DISK, CRASH): False,
    (DISK, POWER): False,
}


@pytest.mark.parametrize(("level", "fault"), MAY_RETURN, ids=str)
def test_what_was_answered_ok_returns_only_where_the_table_says(level: Level, fault: Event) -> None:
    assert allows(POP, ASK, OK, fault, RETURN, level=level) is MAY_RETURN[level, fault]
    assert allows(POP, ASK, OK, fault, GONE, level=level)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("by", ["barrier", "callback", "stage"])
def test_what_was_made_durable_never_returns(level: Level, fault: Event, by: str) -> None:
    assert not allows(POP, ASK, OK, MadeDurable(by), fault, RETURN, level=level)
    assert allows(POP, ASK, OK, MadeDurable(by), fault, GONE, level=level)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_was_never_acked_always_returns(level: Level, fault: Event) -> None:
    assert allows(POP, fault, RETURN, level=level)
    assert broken(POP, fault, GONE, level=level).clause is Clause.NO_LIMBO


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("ending", [(), (UNKNOWN,)], ids=["unanswered", "UNKNOWN"])
def test_an_ack_without_an_answer_leaves_both_open(level: Level, fault: Event, ending: tuple[Event, ...]) -> None:
    assert allows(POP, ASK, *ending, fault, RETURN, level=level)
    assert allows(POP, ASK, *ending, fault, GONE, level=level)


# --- the same for a renewal and a release: what a fault may undo ------------------------------------------------------


@pytest.mark.parametrize(("level", "fault"), MAY_RETURN, ids=str)
def test_a_renewal_that_was_answered_ok_is_undone_only_where_the_table_says(level: Level, fault: Event) -> None:
    history = (POP, RENEW, RENEWED, fault)
    early = Popped("r2", at=31.0, deadline=61.0)
    assert allows(*history, early, level=level) is MAY_RETURN[level, fault]
    assert allows(*history, RETURN, level=level)
    assert broken(*history, GONE, level=level).clause is Clause.NO_LIMBO


@pytest.mark.parametrize(("level", "fault"), MAY_RETURN, ids=str)
def test_and_so_is_a_release(level: Level, fault: Event) -> None:
    history = (POP, RELEASE, RELEASED, fault)
    late = AckAsked(5, "r1", at=4.0)
    assert allows(*history, late, AckAnswered(5, Reply.OK, at=4.0), level=level) is MAY_RETURN[level, fault]
    assert allows(*history, late, AckAnswered(5, Reply.EXPIRED, at=4.0), level=level)
    assert allows(*history, Popped("r2", at=4.0, deadline=34.0), level=level)


def test_a_barrier_covers_the_delivery_and_its_renewal() -> None:
    early = Popped("r2", at=4.0, deadline=34.0)
    assert allows(POP, POWER, early)
    assert broken(POP, Secured("r1"), POWER, early).clause is Clause.DEADLINE_IS_EXACT
    history = (POP, RENEW, RENEWED, Secured("r1", frozenset({2})), POWER)
    assert broken(*history, Popped("r2", at=31.0, deadline=61.0)).clause is Clause.DEADLINE_IS_EXACT


@pytest.mark.parametrize("reply", [None, Reply.UNKNOWN])
def test_a_renewal_without_an_answer_leaves_both_open(reply: Reply | None) -> None:
    history: list[Event] = [POP, RENEW, *([ChangeAnswered(2, reply, at=2.0)] if reply else [])]
    assert allows(*history, Popped("r2", at=30.0, deadline=61.0))
    assert allows(*history, Absent(at=89.9))
    assert not allows(*history, Popped("r2", at=29.9, deadline=61.0))
    assert not allows(*history, Absent(at=90.0))


def test_a_renewal_may_bring_the_deadline_nearer() -> None:
    nearer = (POP, RenewAsked(2, "r1", at=2.0, deadline=5.0), RENEWED)
    assert allows(*nearer, Popped("r2", at=5.0, deadline=35.0))
    assert not allows(*nearer, Absent(at=5.0))


def test_a_renewal_and_an_ack_may_take_effect_in_either_order() -> None:
    assert allows(POP, RENEW, ASK, OK, RENEWED, LATER)
    assert allows(POP, ASK, RENEW, OK, ChangeAnswered(2, Reply.SETTLED, at=2.0), LATER)


def test_a_renewal_keeps_the_receipt_and_a_release_ends_it() -> None:
    ack = AckAsked(5, "r1", at=60.0)
    assert allows(POP, RENEW, RENEWED, ack, AckAnswered(5, Reply.OK, at=60.0))
    assert not allows(POP, RENEW, RENEWED, ack, AckAnswered(5, Reply.EXPIRED, at=60.0))
    assert not allows(POP, RELEASE, RELEASED, AckAsked(5, "r1", at=4.0), AckAnswered(5, Reply.OK, at=4.0))


# --- what narrows and what widens ------------------------------------------------------------------------------------


def test_an_ack_that_timed_out_may_take_effect_later() -> None:
    assert allows(POP, ASK, UNKNOWN, GONE)
    assert allows(POP, ASK, UNKNOWN, AckAsked(2, "r1", at=2.0), AckAnswered(2, Reply.SETTLED, at=2.0), GONE)


def test_once_it_returned_an_ack_of_the_earlier_delivery_is_without_effect() -> None:
    assert not allows(POP, ASK, UNKNOWN, RETURN, Absent(at=999.0))
    late = AckAsked(2, "r1", at=100.0)
    assert allows(POP, RETURN, late, AckAnswered(2, Reply.EXPIRED, at=100.0))
    assert broken(POP, RETURN, late, AckAnswered(2, Reply.OK, at=100.0)).clause is Clause.RECEIPT_IS_EXACT


def test_an_ack_at_its_deadline_comes_too_late() -> None:
    late = AckAsked(1, "r1", at=30.0)
    assert allows(POP, late, AckAnswered(1, Reply.EXPIRED, at=30.0))
    assert not allows(POP, late, AckAnswered(1, Reply.OK, at=30.0))
    in_time = AckAsked(1, "r1", at=29.9)
    assert allows(POP, in_time, AckAnswered(1, Reply.OK, at=30.1))
    assert allows(POP, in_time, AckAnswered(1, Reply.EXPIRED, at=30.0)), "the deadline passed before it was answered"


@pytest.mark.parametrize("reply", list(Reply))
def test_of_two_acks_of_one_delivery_the_second_may_fail_but_not_be_disowned(reply: Reply) -> None:
    twice = (POP, ASK, AckAsked(2, "r1", at=1.0), OK)
    assert allows(*twice, AckAnswered(2, reply, at=1.0)) is (reply not in (Reply.EXPIRED, Reply.INVALID))


@pytest.mark.parametrize("first", [Reply.OK, Reply.SETTLED])
def test_settled_and_ok_promise_the_same(first: Reply) -> None:
    assert not allows(POP, ASK, AckAnswered(1, first, at=1.0), RETURN)


def test_a_pop_without_an_answer_may_have_hidden_the_message_until_its_deadline() -> None:
    assert allows(PopUnanswered(50.0), Absent(at=49.0))
    assert not allows(PopUnanswered(50.0), Absent(at=50.0))
    assert allows(PopUnanswered(50.0), Popped("r1", at=1.0, deadline=30.0))
    assert not allows(POP, ASK, OK, PopUnanswered(50.0), RETURN)
    assert not allows(POP, PopUnanswered(20.0), Popped("r2", at=25.0, deadline=60.0)), "it shortens no deadline"


def test_when_a_pop_without_an_answer_took_the_message_nobody_knows() -> None:
    """It was asked for, the disk stalled, and the process was killed a second later."""
    hidden = (POP, PopUnanswered(62.0, earliest=60.0))
    again = Popped("r3", at=60.0, deadline=90.0, attempt=3)
    assert allows(*hidden, again)
    assert not allows(*hidden, evolve(again, at=59.0)), "it was hidden at least until 60"
    assert allows(*hidden, Absent(at=61.0), evolve(again, at=61.5)), "it had come later, and ends before 62"
    assert not allows(*hidden, Absent(at=62.0))
    assert not allows(POP, PopUnanswered(62.0), again), "the time at which it was taken is known"


def test_an_ack_after_a_pop_without_an_answer_may_be_answered_expired() -> None:
    history = (POP, PopUnanswered(90.0), AckAsked(1, "r1", at=1.0))
    assert allows(*history, AckAnswered(1, Reply.EXPIRED, at=1.0))
    assert allows(*history, OK)


def test_a_power_loss_may_take_the_delivery_with_it_but_not_at_level_disk() -> None:
    early = Popped("r2", at=2.0, deadline=32.0)
    assert allows(POP, POWER, early)
    assert broken(POP, POWER, early, level=DISK).clause is Clause.DEADLINE_IS_EXACT
    assert broken(POP, CRASH, early).clause is Clause.DEADLINE_IS_EXACT


def test_a_barrier_promises_nothing_for_an_ack_that_came_after_the_power_loss() -> None:
    again = (AckAsked(2, "r2", at=100.0), AckAnswered(2, Reply.OK, at=100.0))
    assert allows(POP, ASK, OK, DURABLE, POWER, GONE)
    assert allows(POP, POWER, RETURN, *again, POWER, Popped("r3", at=200.0, deadline=230.0))


# --- blame: which clause, for which history ---------------------------------------------------------------------------

SECOND, SECURED = Popped("r2", at=31.0, deadline=61.0, attempt=2), Secured("r1")
CLOSED, ANEW_ONE = Secured("r1", by="close"), Popped("r2", at=30.0, deadline=60.0, attempt=1)

BLAME: list[tuple[Clause, Level, tuple[Event, ...]]] = [
    (Clause.DEADLINE_IS_EXACT, PAGE_CACHE, (POP, Popped("r2", at=29.9, deadline=60.0))),
    (Clause.NO_RETURN, PAGE_CACHE, (POP, ASK, GONE, RETURN)),  # never answered, but seen to be settled
    (Clause.NO_RETURN, PAGE_CACHE, (POP, ASK, OK, RETURN)),
    (Clause.NO_RETURN, PAGE_CACHE, (POP, ASK, CRASH, GONE, RESTART, RETURN)),
    (Clause.CLOSE_DRAINS, PAGE_CACHE, (POP, ASK, OK, RESTART, RETURN)),
    (Clause.SURVIVES_PROCESS_CRASH, PAGE_CACHE, (POP, ASK, OK, CRASH, RETURN)),
    (Clause.SURVIVES_PROCESS_CRASH, PAGE_CACHE, (POP, ASK, OK, RESTART, CRASH, RETURN)),
    (Clause.SURVIVES_PROCESS_CRASH, PAGE_CACHE, (POP, WriteFailed(), ASK, OK, CRASH, RETURN)),  # failed before it
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, WriteFailed(), OK, CRASH, RETURN)),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, WriteFailed(), OK, RETURN)),
    (Clause.SURVIVES_POWER_LOSS, DISK, (POP, ASK, OK, POWER, RETURN)),
    (Clause.SURVIVES_POWER_LOSS, PAGE_CACHE, (POP, ASK, OK, DURABLE, POWER, RETURN)),
    (Clause.SURVIVES_POWER_LOSS, PAGE_CACHE, (POP, ASK, OK, HUNG, SYNCED, DURABLE, POWER, RETURN)),
    (Clause.SURVIVES_POWER_LOSS, PAGE_CACHE, (POP, BROKE, ASK, OK, DURABLE, POWER, RETURN)),  # failed before the ask
    (Clause.FLUSH_IS_REAL, PAGE_CACHE, (POP, ASK, OK, MadeDurable("stage"), POWER, RETURN)),
    (Clause.FLUSH_IS_REAL, PAGE_CACHE, (POP, ASK, OK, BROKE, DURABLE, POWER, RETURN)),
    (Clause.FLUSH_IS_REAL, PAGE_CACHE, (POP, ASK, OK, SYNCED, BROKE, DURABLE, POWER, RETURN)),
    (Clause.FLUSH_REWRITES, PAGE_CACHE, (POP, ASK, OK, BROKE, SYNCED, DURABLE, POWER, RETURN)),
    (Clause.REPLY_NEVER_FALSE, DISK, (POP, ASK, HUNG, OK, POWER, RETURN)),
    (Clause.RECOVERED_IS_CACHED, PAGE_CACHE, (POP, ASK, OK, CRASH, DURABLE, POWER, RETURN)),
    (Clause.RECOVERED_IS_CACHED, PAGE_CACHE, (POP, ASK, OK, SYNCED, CRASH, DURABLE, POWER, RETURN)),
    (Clause.FLUSH_REWRITES, PAGE_CACHE, (POP, ASK, OK, CRASH, SYNCED, DURABLE, POWER, RETURN)),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, GONE)),
    (Clause.NO_LIMBO, PAGE_CACHE, (GONE,)),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, OK)),  # its receipt was not among those asked
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, AckAsked(1, "r0", at=1.0), AckAnswered(1, Reply.SETTLED, at=1.0))),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, ASK, AckAnswered(1, Reply.EXPIRED, at=1.0))),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, ASK, AckAnswered(1, Reply.INVALID, at=1.0))),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, DURABLE, FAILED)),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, DURABLE, AckAnswered(1, Reply.BUSY, at=1.0))),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, DURABLE, AckAnswered(1, Reply.EXPIRED, at=1.0))),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, DURABLE)),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, FAILED, DURABLE)),
    (Clause.RETIRE_IS_SAFE, PAGE_CACHE, (POP, ASK, OK, DURABLE, REMOVED, POWER, RETURN)),
    (Clause.RETIRE_IS_SAFE, PAGE_CACHE, (POP, ASK, OK, REMOVED, CRASH, RETURN)),
    (Clause.RETIRE_IS_SAFE, PAGE_CACHE, (POP, REMOVED, CRASH, GONE)),
    (Clause.RETIRE_IS_SAFE, PAGE_CACHE, (POP, REMOVED, CRASH, Popped("r2", at=2.0, deadline=32.0))),
    (Clause.SURVIVES_PROCESS_CRASH, PAGE_CACHE, (POP, ASK, OK, CRASH, REMOVED, RETURN)),  # removed after the crash
    (Clause.CLOSE_DRAINS, MEMORY, (POP, ASK, OK, RESTART, RETURN)),
    (Clause.SURVIVES_POWER_LOSS, MEMORY, (POP, ASK, OK, DURABLE, POWER, RETURN)),
    (Clause.DEADLINE_IS_EXACT, PAGE_CACHE, (POP, RENEW, RENEWED, CRASH, Popped("r2", at=31.0, deadline=61.0))),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, RENEW, RENEWED, GONE)),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, RELEASE, RELEASED, Absent(at=4.0))),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, RenewAsked(2, "r0", at=2.0, deadline=90.0), RENEWED)),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, ReleaseAsked(3, "r1", at=30.0), RELEASED)),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, RENEW, ChangeAnswered(2, Reply.EXPIRED, at=2.0))),
    (Clause.RECEIPT_IS_EXACT, PAGE_CACHE, (POP, RENEW, ChangeAnswered(2, Reply.SETTLED, at=2.0))),
    (
        Clause.REPLY_NEVER_FALSE,
        PAGE_CACHE,
        (POP, RELEASE, Popped("r2", at=4.0, deadline=34.0), ChangeAnswered(3, Reply.FAILED, at=3.0)),
    ),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, PASSED, GONE, ResetAnswered(4, Reply.FAILED))),
    # what an operation did of which it was said that it did nothing
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, FAILED, GONE)),
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, ASK, AckAnswered(1, Reply.EXPIRED, at=30.0), CRASH, GONE)),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, AckAsked(1, "r0", at=1.0), FAILED, GONE)),  # it could not have done it
    (Clause.REPLY_NEVER_FALSE, PAGE_CACHE, (POP, RENEW, ChangeAnswered(2, Reply.FAILED, at=2.0), Absent(at=89.0))),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, RENEW, ChangeAnswered(2, Reply.FAILED, at=2.0), GONE)),
    (
        Clause.REPLY_NEVER_FALSE,
        PAGE_CACHE,
        (POP, RELEASE, ChangeAnswered(3, Reply.BUSY, at=3.0), Popped("r2", at=4.0, deadline=34.0)),
    ),
    (
        Clause.REPLY_NEVER_FALSE,
        PAGE_CACHE,
        (POP, PASSED, RESET, ResetAsked(5, anew=True), ResetAnswered(5, Reply.FAILED), RETURN),
    ),
    (Clause.NO_RETURN, PAGE_CACHE, (POP, ASK, OK, AckAsked(5, "r1", 2.0), AckAnswered(5, Reply.FAILED, 2.0), RETURN)),
    # deliveries are numbered
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, Popped("r2", at=30.0, deadline=60.0, attempt=1))),
    (Clause.NO_LIMBO, PAGE_CACHE, (POP, Popped("r2", at=30.0, deadline=60.0, attempt=3))),
    (Clause.NO_LIMBO, PAGE_CACHE, (Popped("r1", at=0.0, deadline=30.0, attempt=0),)),
    (Clause.DEADLINE_IS_EXACT, PAGE_CACHE, (POP, Popped("r2", at=29.9, deadline=60.0, attempt=2))),
    # a delivery that a stop has taken is not one that is misnumbered, nor early
    (Clause.SURVIVES_POWER_LOSS, DISK, (POP, POWER, ANEW_ONE)),
    (Clause.SURVIVES_POWER_LOSS, DISK, (POP, POWER, Popped("r2", at=3.0, deadline=60.0, attempt=1))),
    (Clause.SURVIVES_POWER_LOSS, DISK, (POP, SECOND, POWER, Popped("r3", at=61.0, deadline=90.0, attempt=1))),
    (Clause.SURVIVES_POWER_LOSS, DISK, (POP, ASK, POWER, ANEW_ONE)),
    (Clause.SURVIVES_POWER_LOSS, PAGE_CACHE, (POP, SECURED, POWER, ANEW_ONE)),
    (
        Clause.FLUSH_REWRITES,
        DISK,
        (POP, BROKE, SYNCED, SECURED, POWER, ANEW_ONE),
    ),
    (Clause.FLUSH_IS_REAL, DISK, (POP, BROKE, SECURED, POWER, ANEW_ONE)),
    (Clause.CLOSE_DRAINS, PAGE_CACHE, (POP, CLOSED, POWER, ANEW_ONE)),
    (Clause.SURVIVES_PROCESS_CRASH, PAGE_CACHE, (POP, CRASH, ANEW_ONE)),
    (Clause.CLOSE_DRAINS, MEMORY, (POP, RESTART, ANEW_ONE)),
    (Clause.DEADLINE_IS_EXACT, DISK, (POP, POWER, Popped("r2", at=3.0, deadline=60.0, attempt=2))),
    (Clause.NO_LIMBO, DISK, (POP, POWER, Popped("r2", at=30.0, deadline=60.0, attempt=3))),
    (Clause.NO_LIMBO, DISK, (POP, POWER, SECOND, Popped("r3", at=61.0, deadline=90.0, attempt=2))),
    (Clause.DEADLINE_IS_EXACT, PAGE_CACHE, (POP, PopUnanswered(90.0), Popped("r2", at=60.0, deadline=90.0, attempt=3))),
]


@pytest.mark.parametrize(("clause", "level", "history"), BLAME)
def test_the_blame_falls_on_the_clause(clause: Clause, level: Level, history: tuple[Event, ...]) -> None:
    found = broken(*history, level=level)
    assert found.clause is clause
    assert str(found).startswith(f"{clause.value}: ")
    assert (found.event, found.history) == (history[-1], list(history[:-1]))
    assert found.worlds


def test_a_broken_contract_keeps_the_worlds_it_had() -> None:
    contract = told(POP, ASK, OK)
    before = contract.worlds
    with pytest.raises(ContractBroken):
        contract.observe(RETURN)
    assert (contract.worlds, contract.history) == (before, [POP, ASK, OK])


def test_the_barrier_is_blamed_rather_than_the_answer_before_it() -> None:
    assert "made durable" in str(broken(POP, ASK, OK, DURABLE, RETURN))
    assert "answered OK" in str(broken(POP, ASK, OK, RETURN))


# --- what is at stake -----------------------------------------------------------------------------------------------

STAKES: list[tuple[tuple[Event, ...], Event, set[Clause]]] = [
    ((), POP, set()),
    ((POP,), RETURN, {Clause.NO_LIMBO, Clause.DEADLINE_IS_EXACT}),
    ((POP,), GONE, set()),  # broken, and counted where it is raised: the opposite is allowed
    ((POP,), Absent(at=1.0), {Clause.DEADLINE_IS_EXACT}),
    ((POP, ASK, OK), GONE, {Clause.NO_RETURN}),
    ((POP, ASK, OK, CRASH), GONE, {Clause.SURVIVES_PROCESS_CRASH}),
    ((POP, ASK, OK, DURABLE, POWER), GONE, {Clause.SURVIVES_POWER_LOSS}),
    ((POP, ASK, OK, RESTART), GONE, {Clause.CLOSE_DRAINS}),
    (
        (POP, ASK, OK, CRASH, SYNCED, DURABLE, POWER),
        GONE,
        {Clause.FLUSH_REWRITES, Clause.RECOVERED_IS_CACHED},
    ),
    ((POP, ASK, OK, BROKE, SYNCED, DURABLE, POWER), GONE, {Clause.FLUSH_REWRITES}),
    ((POP, ASK), FAILED, {Clause.REPLY_NEVER_FALSE}),
    ((POP, ASK), UNKNOWN, set()),
    ((POP, AckAsked(1, "r1", at=31.0)), AckAnswered(1, Reply.EXPIRED, at=32.0), {Clause.RECEIPT_IS_EXACT}),
    ((POP, AckAsked(1, "r0", at=1.0)), FAILED, set()),
    ((POP, ASK), OK, {Clause.RECEIPT_IS_EXACT}),
    ((POP, ASK, OK, POWER), GONE, set()),
    ((POP, ASK, OK, POWER), RETURN, set()),
    ((POP, ASK), CRASH, set()),
    ((POP, ASK, OK, REMOVED, CRASH), GONE, {Clause.RETIRE_IS_SAFE}),
    ((POP, REMOVED, CRASH), RETURN, {Clause.RETIRE_IS_SAFE}),
    ((POP, RENEW), RENEWED, {Clause.RECEIPT_IS_EXACT}),
    ((POP, RENEW), ChangeAnswered(2, Reply.FAILED, at=2.0), {Clause.REPLY_NEVER_FALSE}),
    ((POP, ANEW, RESET), RETURN, {Clause.COMMIT_IS_MONOTONE}),
    ((POP, PASSED, RESET), GONE, {Clause.COMMIT_IS_MONOTONE}),
    ((POP,), DeadLettered(at=9.0), {Clause.NO_LIMBO}),
    ((), Absent(at=9.0), set()),
]


@pytest.mark.parametrize(("history", "event", "clauses"), STAKES)
def test_what_an_observation_puts_to_the_test(history: tuple[Event, ...], event: Event, clauses: set[Clause]) -> None:
    assert set(told(*history).tested_by(event)) == clauses


RETURNED = [case for case in BLAME if case[2][-1] is RETURN and OK in case[2]]


@pytest.mark.parametrize(("clause", "level", "history"), RETURNED)
def test_a_return_breaks_what_its_absence_counts(clause: Clause, level: Level, history: tuple[Event, ...]) -> None:
    """A clause that was never counted as checked could not be reported as kept."""
    assert clause in told(*history[:-1], level=level).tested_by(GONE)


@pytest.mark.parametrize(
    ("history", "settled", "unsettled"),
    [
        ((POP,), False, True),
        ((POP, ASK), False, False),
        ((POP, ASK, UNKNOWN), False, False),
        ((POP, ASK, UNKNOWN, CRASH), False, False),
        ((POP, ASK, UNKNOWN, RETURN), False, True),
        ((POP, ASK, OK), True, False),
        ((POP, ASK, OK, POWER), False, False),
        ((POP, ASK, OK, POWER, GONE), True, False),
    ],
)
def test_what_is_certain(history: tuple[Event, ...], settled: bool, unsettled: bool) -> None:
    contract = told(*history)
    assert (contract.certainly_settled, contract.certainly_unsettled) == (settled, unsettled)
