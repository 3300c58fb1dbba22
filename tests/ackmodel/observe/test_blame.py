"""Which clause is named: by what lies between a promise and the moment at which it is seen to be broken."""

from __future__ import annotations

import pytest

from ackmodel import Clause, Contract, ContractBroken, Level
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    Damaged,
    Event,
    MadeDurable,
    Popped,
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
)

POP = Popped("r1", at=0.0, deadline=30.0, attempt=1)
ACKED = (POP, AckAsked(2, "r1", at=1.0), AckAnswered(2, Reply.OK, at=1.0))
RENEWED = (RenewAsked(2, "r1", 1.0, 90.0), ChangeAnswered(2, Reply.OK, 1.0))
AWAY = Absent(at=99.0)
AGAIN = Popped("r2", at=99.0, deadline=129.0)
AS_IF_NEW = Popped("r2", at=99.0, deadline=129.0, attempt=1)
SECURED = Secured("r1")
CLOSED = MadeDurable("close")


def broken(*history: Event, level: Level = Level.PAGE_CACHE, max_attempts: int | None = None) -> ContractBroken:
    contract = Contract(level, max_attempts=max_attempts)
    for event in history[:-1]:
        contract.observe(event)
    with pytest.raises(ContractBroken) as caught:
        contract.observe(history[-1])
    return caught.value


@pytest.mark.parametrize(
    ("clause", "history"),
    [
        (Clause.SURVIVES_PROCESS_CRASH, (*ACKED, ProcessCrashed(), AGAIN)),
        (Clause.CLOSE_DRAINS, (*ACKED, Restarted(), AGAIN)),
        # a crash that the ack was seen to survive has no part in what a clean restart lost
        (Clause.CLOSE_DRAINS, (*ACKED, ProcessCrashed(), AWAY, Restarted(), AGAIN)),
        (Clause.SURVIVES_PROCESS_CRASH, (*ACKED, Restarted(), AWAY, ProcessCrashed(), AGAIN)),
        (Clause.NO_RETURN, (*ACKED, ProcessCrashed(), AWAY, AGAIN)),
        # hidden still: nobody has seen whether it survived
        (Clause.SURVIVES_PROCESS_CRASH, (*ACKED, ProcessCrashed(), Absent(at=5.0), Restarted(), AGAIN)),
    ],
)
def test_what_has_happened_since_it_was_last_seen_to_be_kept_is_named(
    clause: Clause, history: tuple[Event, ...]
) -> None:
    assert broken(*history).clause is clause


@pytest.mark.parametrize("before", [(POP,), (POP, *RENEWED), (POP, *RENEWED, Restarted())])
def test_a_message_that_does_not_come_is_not_called_late(before: tuple[Event, ...]) -> None:
    assert broken(*before, AWAY).clause is Clause.NO_LIMBO


@pytest.mark.parametrize(
    ("clause", "between"),
    [
        (Clause.NO_LIMBO, ()),
        (Clause.SURVIVES_PROCESS_CRASH, (ProcessCrashed(),)),
        (Clause.CLOSE_DRAINS, (Restarted(),)),
        (Clause.SURVIVES_POWER_LOSS, (SECURED, PowerLost())),
        (Clause.FLUSH_IS_REAL, (SyncEnded("failed"), SECURED, PowerLost())),
        (Clause.FLUSH_REWRITES, (SyncEnded("failed"), SyncEnded("ok"), SECURED, PowerLost())),
    ],
)
def test_a_delivery_that_is_forgotten_is_put_down_to_what_it_was_to_survive(
    clause: Clause, between: tuple[Event, ...]
) -> None:
    assert broken(POP, *between, AS_IF_NEW).clause is clause


def test_a_number_that_is_too_high_is_a_wrong_count() -> None:
    told = broken(POP, SECURED, PowerLost(), Popped("r2", at=99.0, deadline=129.0, attempt=7))
    assert told.clause is Clause.NO_LIMBO


@pytest.mark.parametrize(
    "history",
    [(*ACKED, CLOSED, Damaged("a.log"), PowerLost(), AGAIN), (POP, SECURED, Damaged("a.log"), PowerLost(), AS_IF_NEW)],
)
def test_what_damage_took_and_nobody_refused_is_named_with_the_file(history: tuple[Event, ...]) -> None:
    told = broken(*history)
    assert told.clause is Clause.SURVIVES_POWER_LOSS
    assert str(told).endswith("; a.log had been damaged, and was not refused by its name")


def test_but_damage_excuses_no_wrong_answer() -> None:
    told = broken(POP, Damaged("a.log"), PowerLost(), AckAsked(9, "other", at=1.0), AckAnswered(9, Reply.OK, at=1.0))
    assert told.clause is Clause.RECEIPT_IS_EXACT


def test_a_message_whose_ack_was_lost_and_that_comes_with_the_next_number_is_not_called_misnumbered() -> None:
    """A reset of unknown outcome would have it come as number 1; but what is wrong is that it comes."""
    found = broken(ResetAsked(1, anew=True), ProcessCrashed(), *ACKED, Popped("r2", at=99.0, deadline=129.0, attempt=2))
    assert (found.clause, str(found)) == (
        Clause.NO_RETURN,
        "no-return: handed out again at 99.0, though its ack was answered OK",
    )


@pytest.mark.parametrize(
    ("why", "history", "reply"),
    [
        ("the message had been settled", ACKED, Reply.OK),
        ("nothing had settled it", (POP,), Reply.SETTLED),
        (
            "the delivery was over by then",
            (POP, ReleaseAsked(2, "r1", 1.0), ChangeAnswered(2, Reply.OK, 1.0)),
            Reply.OK,
        ),
    ],
)
def test_a_change_in_time_is_not_called_late(why: str, history: tuple[Event, ...], reply: Reply) -> None:
    found = broken(*history, ReleaseAsked(3, "r1", at=2.0), ChangeAnswered(3, reply, at=2.0))
    assert str(found) == f"receipt-is-exact: operation 3 was answered {reply.value}, but {why}"


@pytest.mark.parametrize("reply", [Reply.FAILED, Reply.OK])
def test_a_dead_letter_that_is_lost_is_not_put_down_to_a_reset(reply: Reply) -> None:
    asked, answered = ResetAsked(1, anew=reply is Reply.OK), ResetAnswered(1, reply)
    history = (answered, POP) if reply is Reply.FAILED else (POP, answered)
    found = broken(asked, *history, Absent(at=99.0, dead=False), max_attempts=1)
    assert found.clause is Clause.NO_LIMBO
    assert str(found).endswith("nor was it among the dead letters")


@pytest.mark.parametrize(
    ("clause", "history"),
    [
        (Clause.COMMIT_IS_MONOTONE, (POP, ResetAsked(1, anew=True))),
        (Clause.NO_LIMBO, (ResetAsked(1, anew=True), POP)),  # handed out as new, perhaps: then the reset did stick
    ],
)
def test_what_never_comes_is_put_down_to_a_reset_only_if_it_had_not_come_after_that(
    clause: Clause, history: tuple[Event, ...]
) -> None:
    assert broken(*history, ResetAnswered(1, Reply.OK), AWAY).clause is clause
