"""Several logs, and how a sync fails: what each profile of a file system leaves on the disk, and in the belief."""

from typing import Any

from attrs import evolve

from ackmodel import (
    Clause,
    Config,
    Message,
    Offset,
    Phase,
    Record,
    Stage,
    Syncing,
    Truth,
    broadcast_steps,
)
from ackmodel.spec.invariants import Seen, broken_by_step
from ackmodel.spec.system import State
from model_moves import actions, after, beside, only

CACHED, ON_DISK = Record(Stage.CACHED, Truth.DIRTY), Record(Stage.FLUSHED, Truth.DISK)
FLUSHING = Record(Stage.FLUSHING, Truth.DIRTY)


def test_each_log_is_synced_by_itself() -> None:
    config = Config(messages=2, logs=2, sync_failures=1)
    messages = tuple(Message(index=i, ack=CACHED) for i in range(2))
    state = (config.initial()[0], messages)
    [(shared, begun)] = after(config, state, "begin_sync[1]")
    assert shared.syncing == (Syncing.IDLE, Syncing.RUNNING)
    assert [message.ack.stage for message in begun] == [Stage.CACHED, Stage.FLUSHING]
    assert {"begin_sync", "sync_ok[1]", "sync_fails[1]"} <= actions(config, (shared, begun))
    [(_, done)] = after(config, (shared, begun), "sync_ok[1]")
    assert [message.ack for message in done] == [CACHED, ON_DISK]


def syncing(config: Config, ack: Record, **shared: Any) -> State:
    return beside(config, Message(index=0, ack=ack), **{"syncing": (Syncing.RUNNING,), **shared})


def test_a_reverted_page_is_not_even_readable() -> None:
    config = Config(sync_failures=1, failed_page="reverted")
    assert only(config, syncing(config, FLUSHING), "sync_fails")[1].ack == Record(Stage.SUSPECT, Truth.NOWHERE)


def test_an_error_told_to_each_forbids_success_until_the_bytes_are_written_again() -> None:
    config = Config(sync_failures=1, sync_error="each")
    phantom = syncing(config, Record(Stage.FLUSHING, Truth.PHANTOM))
    assert actions(config, phantom) & {"sync_ok", "sync_fails_again"} == {"sync_fails_again"}
    assert actions(config, syncing(config, FLUSHING)) & {"sync_ok", "sync_fails_again"} == {"sync_ok"}
    shared, told = only(config, phantom, "sync_fails_again")
    assert (told.ack.stage, shared.budget.sync_failures, shared.failures) == (Stage.SUSPECT, 1, 1)


def test_an_error_told_late_comes_with_the_next_sync() -> None:
    config = Config(sync_failures=1, sync_error="late")
    assert "sync_fails" not in actions(config, syncing(config, FLUSHING))
    shared, lied = only(config, syncing(config, FLUSHING), "sync_lies")
    assert (lied.ack, shared.owed) == (Record(Stage.FLUSHED, Truth.PHANTOM), (True,))
    owed = syncing(config, FLUSHING, owed=(True,))
    assert actions(config, owed) & {"sync_ok", "sync_lies", "sync_fails"} == {"sync_fails"}
    shared, told = only(config, owed, "sync_fails")
    assert (told.ack, shared.owed) == (Record(Stage.SUSPECT, Truth.DISK), (False,))
    assert "sync_lies" not in actions(config, syncing(config, ON_DISK))


def test_a_sync_that_has_to_be_confirmed_counts_the_second_time() -> None:
    config = Config(confirm_syncs=True)
    shared, once = only(config, syncing(config, FLUSHING), "sync_ok")
    assert (shared.syncing, once.ack) == ((Syncing.CONFIRMING,), Record(Stage.FLUSHING, Truth.DISK))
    shared, twice = only(config, (shared, (once,)), "sync_ok")
    assert (shared.syncing, twice.ack) == ((Syncing.IDLE,), ON_DISK)


def test_power_forgets_an_error_that_is_owed_and_a_process_does_not() -> None:
    config = Config(power_losses=1, process_crashes=1, sync_failures=1, sync_error="late")
    owed = beside(config, Message(index=0), owed=(True,))
    assert only(config, owed, "process_crash")[0].owed == (True,)
    assert only(config, owed, "power_loss")[0].owed == (False,)


def test_a_reset_whose_sync_lied_is_undone_by_a_power_loss() -> None:
    config = Config(resets=1, sync_failures=1, sync_error="late", power_losses=1)
    settled = beside(config, Message(index=0, phase=Phase.SETTLED, ack=ON_DISK), offset=Offset(1, 1, 1))
    shared, message = only(config, settled, "reset_lies")
    assert (message, shared.owed, shared.offset) == (Message(index=0), (True,), Offset(0, 0, 1))
    seen = Seen("reset_lies", settled[0], settled[1][0], shared, message)
    assert broken_by_step(config, seen) == (Clause.COMMIT_IS_MONOTONE,)
    assert Offset(0, 1, 1) in [left.offset for left, _ in after(config, (shared, (message,)), "power_loss")]


def test_a_reset_whose_sync_went_wrong_and_that_is_noticed_has_changed_nothing() -> None:
    at_once = Config(resets=1, sync_failures=1)
    confirmed = Config(resets=1, sync_failures=1, sync_error="late", confirm_syncs=True)
    for config, action in ((at_once, "reset_fails"), (confirmed, "reset_lies")):
        settled = beside(config, Message(index=0, phase=Phase.SETTLED, ack=ON_DISK), offset=Offset(1, 1, 1))
        shared, message = only(config, settled, action)
        assert (message, shared.offset) == (settled[1][0], settled[0].offset)
        assert (shared.budget.resets, shared.budget.sync_failures) == (1, 0)


def test_no_configuration_has_more_broadcasts_than_the_engines_can_name() -> None:
    config = Config(
        messages=4,
        logs=4,
        process_crashes=1,
        power_losses=1,
        sync_failures=1,
        sync_timeouts=1,
        restarts=1,
        resets=1,
        sync_error="each",
        rules={"offset-file-is-atomic": False},
    )
    shared = evolve(config.initial()[0], syncing=(Syncing.RUNNING,) * 4, late=(True,) * 4, offset=Offset(3, 2, 1))
    assert len(list(broadcast_steps(config, shared))) < 64
