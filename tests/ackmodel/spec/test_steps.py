"""Some steps looked at closely: what the steps of the model mean for belief and truth."""

from attrs import evolve

from ackmodel import Config, Message, Phase, Promise, Record, Shared, Stage, Syncing, Truth, moves
from ackmodel.spec.environment.crashes import unpowered
from ackmodel.spec.protocol.answering import may_answer
from ackmodel.spec.system import State

SYNCING = Shared(syncing=(Syncing.RUNNING,))


def after(config: Config, state: State, action: str) -> list[State]:
    """The states after every move of that name."""
    return [move.after for move in moves(config, state) if move.action == action]


def test_a_failed_sync_leaves_phantoms_and_suspicion() -> None:
    config = Config(sync_failures=1)
    shared = evolve(config.initial()[0], syncing=(Syncing.RUNNING,))
    message = Message(index=0, checkpoint=Record(Stage.FLUSHING, Truth.DIRTY), ack=Record(Stage.CACHED, Truth.DIRTY))
    outcomes = after(config, (shared, (message,)), "sync_fails")
    assert {found[1][0].checkpoint for found in outcomes} == {Record(Stage.SUSPECT, Truth.PHANTOM)}
    assert {found[1][0].ack.truth for found in outcomes} == {Truth.DIRTY, Truth.PHANTOM}
    assert {found[1][0].ack.stage for found in outcomes} == {Stage.SUSPECT}
    assert {found[0].budget.sync_failures for found in outcomes} == {0}


def test_a_sync_does_not_cover_what_was_written_after_it_began() -> None:
    message = Message(index=0, checkpoint=Record(Stage.FLUSHING, Truth.DIRTY), ack=Record(Stage.CACHED, Truth.DIRTY))
    [(_, (found,))] = after(Config(), (SYNCING, (message,)), "sync_ok")
    assert found.checkpoint == Record(Stage.FLUSHED, Truth.DISK)
    assert found.ack == Record(Stage.CACHED, Truth.DIRTY)


def test_a_rewrite_makes_a_phantom_dirty_and_leaves_the_disk_alone() -> None:
    for truth, expected in ((Truth.PHANTOM, Truth.DIRTY), (Truth.DIRTY, Truth.DIRTY), (Truth.DISK, Truth.DISK)):
        message = Message(index=0, ack=Record(Stage.SUSPECT, truth))
        [(_, (found,))] = after(Config(), (Shared(), (message,)), "retry_ack")
        assert found.ack == Record(Stage.CACHED, expected)


def test_a_power_loss_takes_any_subset_of_what_was_not_synced() -> None:
    dirty, disk = Record(Stage.CACHED, Truth.DIRTY), Record(Stage.FLUSHED, Truth.DISK)
    phantom = Record(Stage.SUSPECT, Truth.PHANTOM)
    left = unpowered(
        Message(index=0, checkpoint=dirty, earlier=phantom, ack=dirty, promise=Promise.SURVIVES_PROCESS_CRASH)
    )
    assert {(m.checkpoint.readable, m.earlier.readable, m.ack.readable) for m in left} == {
        (False, False, False),
        (False, False, True),
        (True, False, False),
        (True, False, True),
    }
    assert {m.promise for m in left} == {Promise.NOTHING}
    [kept] = unpowered(Message(index=0, ack=disk, promise=Promise.SURVIVES_POWER_LOSS))
    assert (kept.ack.durable, kept.promise) == (True, Promise.SURVIVES_POWER_LOSS)


def test_the_outcomes_of_two_messages_are_multiplied_out() -> None:
    config = Config(messages=2, power_losses=1)
    shared = config.initial()[0]
    messages = tuple(Message(index=i, ack=Record(Stage.CACHED, Truth.DIRTY)) for i in range(2))
    assert len(after(config, (shared, messages), "power_loss")) == 4


def test_a_settled_message_is_handed_out_by_nobody() -> None:
    config = Config(deliveries=2)
    settled = Message(index=0, phase=Phase.SETTLED, delivery=1, asked=True)
    actions = {move.action for move in moves(config, (Shared(), (settled,)))}
    assert actions & {"pop", "expire", "deliver"} == set()


def test_a_store_that_answers_before_the_write_still_waits_for_the_disk_where_it_must() -> None:
    early = Config(level="disk", rules={"answer-after-write": False})
    neither = Config(level="disk", rules={"answer-after-write": False, "answer-after-flush": False})
    for stage in (Stage.PENDING, Stage.CACHED, Stage.FLUSHED):
        record = Record(stage)
        assert may_answer(early, Shared(), record) == (stage is Stage.FLUSHED)
        assert may_answer(neither, Shared(), record)
