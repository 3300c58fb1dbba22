"""What was added to a pop and an ack, looked at step by step: what each step does, and where it is not possible."""

from typing import Any

import pytest
from attrs import evolve

from ackmodel import Config, Message, Mode, Offset, Phase, Power, Promise, Record, Stage, Syncing, Truth, moves
from ackmodel.spec.catalogue import LOCAL
from model_moves import actions, after, beside, only

ABSENT, PENDING = Record(), Record(Stage.PENDING)
CACHED, ON_DISK = Record(Stage.CACHED, Truth.DIRTY), Record(Stage.FLUSHED, Truth.DISK)
SUSPECT = Record(Stage.SUSPECT, Truth.DIRTY)
DELIVERED = Message(index=0, phase=Phase.DELIVERED, delivery=1, checkpoint=CACHED)
SETTLED = Message(index=0, phase=Phase.SETTLED, delivery=1, asked=True)


# --- renewing and releasing -----------------------------------------------------------------------------------------


def test_a_renewal_is_written_and_answered_once_a_delivery() -> None:
    config = Config(renewals=2, deliveries=2)
    shared, asked = only(config, beside(config, DELIVERED), "ask_renewal")
    assert (asked.phase, asked.renewal, shared.budget.renewals) == (Phase.RENEWING, PENDING, 1)
    assert "answer_renewal" not in actions(config, (shared, (asked,)))
    assert "expire" not in actions(config, (shared, (asked,)))
    shared, written = only(config, (shared, (asked,)), "write_renewal")
    _, answered = only(config, (shared, (written,)), "answer_renewal")
    assert (answered.phase, answered.renewed) == (Phase.DELIVERED, Promise.SURVIVES_PROCESS_CRASH)
    assert "ask_renewal" not in actions(config, (shared, (answered,)))


def test_the_deadline_that_passes_is_the_one_the_store_knows_of() -> None:
    config = Config(deliveries=2)
    promised = evolve(DELIVERED, renewed=Promise.SURVIVES_PROCESS_CRASH)
    _, known = only(config, beside(config, evolve(promised, renewal=CACHED)), "expire")
    assert known.renewed is Promise.NOTHING
    _, forgotten = only(config, beside(config, promised), "expire")
    assert forgotten.renewed is Promise.SURVIVES_PROCESS_CRASH


def test_recovery_knows_a_delivery_by_its_renewal_alone() -> None:
    config = Config(renewals=1, power_losses=1)
    lost = evolve(DELIVERED, delivery=2, checkpoint=ABSENT, renewal=ON_DISK)
    _, found = only(config, beside(config, lost, power=Power.LOST), "recover")
    assert (found.phase, found.delivery, found.renewal.stage) == (Phase.DELIVERED, 2, Stage.SUSPECT)


def test_a_next_delivery_falls_back_on_the_renewal_of_the_last() -> None:
    config = Config(deliveries=2)
    due = evolve(DELIVERED, phase=Phase.DUE, checkpoint=SUSPECT, renewal=ON_DISK)
    _, popped = only(config, beside(config, due), "pop")
    assert (popped.earlier, popped.renewal) == (ON_DISK, ABSENT)


def test_a_renewal_that_fails_leaves_the_deadline_there_was() -> None:
    config = Config(renewals=1, write_failures=1)
    asked = evolve(DELIVERED, phase=Phase.RENEWING, renewal=PENDING)
    _, kept = only(config, beside(config, asked), "fail_renewal_write")
    assert (kept.phase, kept.renewal, kept.renewed) == (Phase.DELIVERED, ABSENT, Promise.NOTHING)


def test_at_disk_a_renewal_that_cannot_be_flushed_is_answered_unknown() -> None:
    config = Config(renewals=1, level="disk")
    asked = evolve(DELIVERED, phase=Phase.RENEWING, renewal=SUSPECT)
    _, unknown = only(config, beside(config, asked), "answer_unknown")
    assert (unknown.phase, unknown.renewal, unknown.renewed) == (Phase.DELIVERED, SUSPECT, Promise.NOTHING)


@pytest.mark.parametrize(("deliveries", "dead_letters", "possible"), [(1, False, 0), (2, False, 1), (1, True, 1)])
def test_what_is_given_back_needs_somebody_to_have_it_next(deliveries: int, dead_letters: bool, possible: int) -> None:
    config = Config(deliveries=deliveries, dead_letters=dead_letters, releases=1)
    released = after(config, beside(config, DELIVERED), "release")
    assert len(released) == possible
    for shared, (message,) in released:
        assert (message.phase, message.released, shared.budget.releases) == (Phase.RENEWING, True, 0)


def test_what_was_given_back_is_due_once_it_is_answered_and_after_any_crash_that_its_record_survives() -> None:
    config = Config(deliveries=2, releases=1, renewals=1, careless=True, write_failures=1)
    shared, asked = only(config, beside(config, DELIVERED), "release")
    assert not actions(config, (shared, (asked,))) & {"ask_ack", "pop", "expire"}
    assert only(config, (shared, (asked,)), "fail_renewal_write")[1] == DELIVERED
    shared, written = only(config, (shared, (asked,)), "write_renewal")
    assert "answer_renewal" not in actions(config, (shared, (written,)))
    _, due = only(config, (shared, (written,)), "answer_release")
    assert (due.phase, due.released, due.renewed) == (Phase.DUE, True, Promise.NOTHING)
    crashed = evolve(shared, power=Power.CRASHED)
    _, found = only(config, (crashed, (due,)), "recover")
    assert (found.phase, found.released) == (Phase.DUE, True)
    _, forgotten = only(config, (crashed, (evolve(due, renewal=ABSENT),)), "recover")
    assert (forgotten.phase, forgotten.released) == (Phase.DELIVERED, False)
    assert only(config, (shared, (due,)), "pop")[1].released is False


def test_at_disk_a_release_that_cannot_be_flushed_is_answered_unknown() -> None:
    config = Config(releases=1, deliveries=2, level="disk")
    asked = evolve(DELIVERED, phase=Phase.RENEWING, renewal=SUSPECT, released=True)
    assert only(config, beside(config, asked), "answer_unknown")[1].phase is Phase.DUE


# --- careless consumers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (evolve(DELIVERED, phase=Phase.DUE), "late_ack"),
        (evolve(DELIVERED, phase=Phase.DUE, released=True), "late_ack"),
        (evolve(SETTLED, ack=CACHED, promise=Promise.SURVIVES_PROCESS_CRASH), "duplicate_ack"),
        (evolve(SETTLED, unrecorded=True), "duplicate_ack"),
        (evolve(DELIVERED, phase=Phase.ACKING, ack=PENDING, asked=True), "reuse_buffer"),
    ],
)
def test_what_careless_consumers_do_changes_nothing(message: Message, action: str) -> None:
    state = beside(Config(careless=True), message)
    assert after(Config(careless=True), state, action) == [state]
    assert after(Config(), state, action) == []


def test_settled_promises_what_ok_does_and_waits_as_long() -> None:
    disk = Config(careless=True, level="disk")
    unknown = evolve(SETTLED, ack=SUSPECT)  # its first ack was answered UNKNOWN
    assert "duplicate_ack" not in actions(disk, beside(disk, unknown))
    _, flushed = only(disk, beside(disk, evolve(SETTLED, ack=ON_DISK)), "duplicate_ack")
    assert flushed.promise is Promise.SURVIVES_POWER_LOSS
    cached = Config(careless=True)
    _, told = only(cached, beside(cached, unknown), "duplicate_ack")
    assert told.promise is Promise.SURVIVES_PROCESS_CRASH


# --- dead letters ---------------------------------------------------------------------------------------------------


def test_a_dead_letter_settles_once_it_is_stored() -> None:
    config = Config(dead_letters=True)
    _, due = only(config, beside(config, DELIVERED), "expire")
    shared, dying = only(config, beside(config, due), "bury")
    assert (dying.phase, dying.ack, dying.dead) == (Phase.ACKING, PENDING, True)
    assert not actions(config, (shared, (dying,))) & {"buried", "answer_ack", "pop"}
    _, stored = only(config, (shared, (dying,)), "write_ack")
    _, settled = only(config, (shared, (stored,)), "buried")
    assert (settled.phase, settled.promise) == (Phase.SETTLED, Promise.NOTHING)
    flushed = evolve(settled, ack=ON_DISK)
    assert not actions(config, (shared, (flushed,))) & {"durable_callback", "duplicate_ack"}
    assert "bury" not in actions(Config(deliveries=2, dead_letters=True), beside(config, due))


def test_what_was_given_back_is_due_after_a_crash_that_takes_its_dead_letter() -> None:
    config = Config(dead_letters=True, releases=1)
    due = evolve(DELIVERED, phase=Phase.DUE, released=True, renewal=CACHED)
    shared, dying = only(config, beside(config, due), "bury")
    crashed = evolve(shared, power=Power.CRASHED)
    assert only(config, (crashed, (evolve(dying, ack=ABSENT),)), "recover")[1].phase is Phase.DUE


def test_a_dead_letter_that_cannot_be_written_is_tried_again() -> None:
    config = Config(dead_letters=True, write_failures=1)
    dying = evolve(DELIVERED, phase=Phase.ACKING, ack=PENDING, dead=True)
    _, again = only(config, beside(config, dying), "fail_ack_write")
    assert (again.phase, again.ack, again.dead) == (Phase.DUE, ABSENT, False)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_operations_are_counted_where_there_is_a_limit_and_refused_at_it() -> None:
    config = Config(messages=2, limit=1)
    start = config.initial()
    [popped] = [move.after for move in moves(config, start) if move.action == "pop" and move.actor == 0]
    assert popped[0].inflight == 1
    assert [move.action for move in moves(config, popped) if move.actor == 1] == ["refuse"]
    assert after(config, popped, "refuse") == [popped]
    [written] = after(config, popped, "write_checkpoint")
    [delivered] = after(config, written, "deliver")
    assert delivered[0].inflight == 0
    assert all(move.after[0].inflight == 0 for move in moves(Config(), Config().initial()))


def test_after_enough_failures_nothing_new_is_taken_up_until_a_sync_succeeds() -> None:
    config = Config(refuse_after=2, degrade_after=1, deliveries=2, renewals=1)
    failing = beside(config, DELIVERED, failures=2, mode=Mode.SYNC)
    assert actions(config, failing) >= {"refuse", "expire"}
    assert not actions(config, failing) & {"ask_ack", "ask_renewal", "pop"}
    assert "ask_ack" in actions(config, beside(config, DELIVERED, failures=1, mode=Mode.SYNC))
    [syncing] = after(config, failing, "begin_sync")
    [healthy] = after(config, syncing, "sync_ok")
    assert (healthy[0].failures, healthy[0].mode) == (0, Mode.ASYNC)


def test_a_store_that_refuses_tries_a_sync_with_nothing_to_cover() -> None:
    config = Config(refuse_after=1)
    message = Message(index=0)
    assert "begin_sync" in actions(config, beside(config, message, failures=1))
    assert "begin_sync" not in actions(config, beside(config, message, failures=0))


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (evolve(DELIVERED, phase=Phase.POPPING, checkpoint=PENDING), "fail_checkpoint_write"),
        (evolve(DELIVERED, phase=Phase.ACKING, ack=PENDING), "fail_ack_write"),
        (evolve(DELIVERED, phase=Phase.RENEWING, renewal=PENDING), "fail_renewal_write"),
    ],
)
def test_an_operation_whose_write_fails_ends_and_leaves_nothing_in_flight(message: Message, action: str) -> None:
    config = Config(limit=2, write_failures=1, renewals=1)
    shared, ended = only(config, beside(config, message, inflight=1), action)
    assert (shared.inflight, shared.budget.write_failures, ended.in_flight) == (0, 0, False)
    broken = evolve(config, rules=frozenset({"failure-ends-operation"}))
    shared, left = only(broken, beside(broken, message, inflight=1), action)
    assert (shared.inflight, left.in_flight, left.ack, left.renewal) == (1, True, ABSENT, ABSENT)


# --- the merge buffer -----------------------------------------------------------------------------------------------

MERGING = Config(level="memory", merge_buffer=True, deliveries=2, write_failures=1, process_crashes=1, restarts=1)
BUFFERED = evolve(SETTLED, checkpoint=PENDING, ack=PENDING, promise=Promise.SURVIVES_RESTART)


def test_at_memory_an_ack_is_answered_before_it_is_written_and_promises_a_clean_restart() -> None:
    asked = evolve(DELIVERED, phase=Phase.ACKING, checkpoint=PENDING, ack=PENDING, asked=True)
    _, answered = only(MERGING, beside(MERGING, asked), "answer_ack")
    assert answered.promise is Promise.SURVIVES_RESTART
    assert "answer_ack" not in actions(MERGING, beside(MERGING, asked, mode=Mode.SYNC))


def test_a_checkpoint_and_an_ack_that_meet_are_never_written() -> None:
    shared, merged = only(MERGING, beside(MERGING, BUFFERED), "merge")
    assert (merged.checkpoint, merged.ack, merged.unrecorded) == (ABSENT, ABSENT, True)
    assert actions(MERGING, (shared, (merged,))) >= {"commit", "hand_over"}
    _, handed_over = only(MERGING, (shared, (merged,)), "hand_over")
    assert (handed_over.ack, handed_over.unrecorded) == (PENDING, False)


@pytest.mark.parametrize("stored", [{"checkpoint": CACHED}, {"earlier": ON_DISK}, {"renewal": CACHED}])
def test_what_is_stored_in_part_is_not_merged(stored: dict[str, Any]) -> None:
    assert "merge" not in actions(MERGING, beside(MERGING, evolve(BUFFERED, **stored)))


def test_what_was_answered_from_memory_stays_there_when_its_write_fails() -> None:
    state = beside(MERGING, BUFFERED)
    for action in ("fail_checkpoint_write", "fail_ack_write"):
        assert only(MERGING, state, action)[1] == BUFFERED
    renewing = evolve(DELIVERED, renewal=PENDING)
    assert only(MERGING, beside(MERGING, renewing), "fail_renewal_write")[1] == renewing


def test_a_process_crash_voids_what_was_promised_from_memory() -> None:
    _, crashed = only(MERGING, beside(MERGING, evolve(BUFFERED, renewed=Promise.SURVIVES_RESTART)), "process_crash")
    assert (crashed.promise, crashed.renewed) == (Promise.NOTHING, Promise.NOTHING)
    kept = evolve(SETTLED, ack=CACHED, promise=Promise.SURVIVES_PROCESS_CRASH)
    assert only(MERGING, beside(MERGING, kept), "process_crash")[1].promise is Promise.SURVIVES_PROCESS_CRASH


@pytest.mark.parametrize(("passed", "phase"), [(1, Phase.SETTLED), (0, Phase.WAITING)])
def test_of_what_was_merged_the_offset_alone_tells(passed: int, phase: Phase) -> None:
    merged = evolve(SETTLED, unrecorded=True)
    state = beside(MERGING, merged, power=Power.CRASHED, offset=Offset(0, passed, passed))
    _, found = only(MERGING, state, "recover")
    assert (found.phase, found.unrecorded, found.asked) == (phase, bool(passed), bool(passed))


# --- closing, resetting, retiring -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "shared", "possible"),
    [
        (evolve(SETTLED, ack=ON_DISK), {}, True),
        (evolve(SETTLED, ack=CACHED), {}, False),
        (evolve(SETTLED, ack=PENDING), {}, False),
        (evolve(DELIVERED, phase=Phase.ACKING, checkpoint=ON_DISK), {}, False),
        (evolve(DELIVERED, checkpoint=ON_DISK), {}, True),
        (evolve(SETTLED, unrecorded=True), {}, False),
        (evolve(SETTLED, unrecorded=True), {"offset": Offset(1, 1, 1)}, True),
        (evolve(SETTLED, ack=ON_DISK), {"offset": Offset(1, 1, 0)}, False),
        (evolve(SETTLED, ack=ON_DISK), {"syncing": (Syncing.RUNNING,)}, False),
    ],
)
def test_close_waits_until_nothing_is_pending(message: Message, shared: dict[str, Any], possible: bool) -> None:
    config = Config(restarts=1)
    closed = after(config, beside(config, message, **shared), "close")
    assert len(closed) == possible
    for found, _ in closed:
        assert (found.power, found.budget.restarts, found.offset.volatile) == (Power.CLOSED, 0, 0)


def test_one_message_that_has_not_drained_keeps_the_store_open() -> None:
    config = Config(messages=2, restarts=1)
    at_rest, pending = Message(index=0), Message(index=1, phase=Phase.POPPING, delivery=1, checkpoint=PENDING)
    assert after(config, (config.initial()[0], (at_rest, pending)), "close") == []
    assert len(after(config, (config.initial()[0], (at_rest, evolve(at_rest, index=1))), "close")) == 1


def test_a_reset_begins_afresh_and_waits_for_what_is_in_flight() -> None:
    config = Config(resets=1)
    passed = beside(config, evolve(SETTLED, ack=ON_DISK), offset=Offset(1, 1, 1), failures=1, mode=Mode.SYNC)
    shared, message = only(config, passed, "reset_offset")
    assert (shared.offset, shared.failures, shared.mode, shared.budget.resets) == (Offset(), 0, Mode.ASYNC, 0)
    assert message == Message(index=0)
    assert "reset_offset" not in actions(config, beside(config, evolve(DELIVERED, phase=Phase.ACKING)))


@pytest.mark.parametrize(
    ("message", "disk", "possible"),
    [
        (evolve(SETTLED, ack=ON_DISK), 1, True),
        (evolve(SETTLED, ack=ON_DISK), 0, False),
        (evolve(SETTLED, ack=CACHED), 1, False),
        (evolve(SETTLED, ack=ON_DISK, earlier=SUSPECT), 1, False),
        (evolve(DELIVERED, checkpoint=ON_DISK), 1, False),
    ],
)
def test_records_are_discarded_behind_the_offset_on_the_disk(message: Message, disk: int, possible: bool) -> None:
    config = Config(compaction=True)
    state = beside(config, message, offset=Offset(1, 1, disk))
    retired = after(config, state, "retire")
    assert len(retired) == possible
    for _, (found,) in retired:
        assert (found.records, found.unrecorded, found.phase) == ((ABSENT,) * 4, True, Phase.SETTLED)
    assert after(Config(), state, "retire") == []


EVERYTHING = Config(
    deliveries=2,
    renewals=1,
    releases=1,
    write_failures=1,
    limit=1,
    level="memory",
    merge_buffer=True,
    dead_letters=True,
    compaction=True,
    careless=True,
)


def test_nothing_local_happens_while_the_store_is_down() -> None:
    shared = evolve(EVERYTHING.initial()[0], power=Power.CLOSED)
    for message in (DELIVERED, BUFFERED, evolve(DELIVERED, phase=Phase.DUE), SETTLED, Message(index=0)):
        for rule in LOCAL:
            assert list(rule(EVERYTHING, shared, message)) == []
