"""The clauses as invariants, each a function named as its clause, and judged on truth.

Two kinds: a **state** invariant looks at one message in one state; a **step** invariant looks at one message before
and after a step. Both return whether the clause holds. All are local, so an engine judges each distinct pair of a
shared part and a message once.

>>> from attrs import evolve
>>> from ackmodel import Config, Record, Stage, Truth
>>> shared, (message,) = Config().initial()
>>> phantom = evolve(message, ack=Record(Stage.FLUSHED, Truth.PHANTOM))
>>> [clause.value for clause in broken_in_state(Config(), shared, phantom)]
['flush-is-real', 'flush-rewrites']
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from .clauses import Clause
from .config import CommitPolicy, Config
from .stages import Promise, Record, Stage, Truth
from .state import Message, Phase, Power, Shared


@frozen
class Seen:
    """One message before and after a step of that name; the two are equal to the model's own values."""

    action: str
    shared_before: Shared
    before: Message
    shared_after: Shared
    after: Message


StateInvariant = Callable[[Config, Shared, Message], bool]
StepInvariant = Callable[[Config, Seen], bool]


# --- state invariants -----------------------------------------------------------------------------------------------


def reply_after_stage(config: Config, shared: Shared, message: Message) -> bool:
    """No promise stands while the ack has yet to be written, or at level DISK to be flushed."""
    if message.promise is Promise.NOTHING or message.ack.stage is Stage.NONE:
        return True
    promised_disk = message.promise is Promise.SURVIVES_POWER_LOSS and shared.up
    return message.ack.stage is not Stage.PENDING and not (promised_disk and message.ack.truth is Truth.DIRTY)


def flush_is_real(config: Config, shared: Shared, message: Message) -> bool:
    """What is FLUSHED is on the disk."""
    return all(record.durable for record in message.records if record.stage is Stage.FLUSHED)


def flush_rewrites(config: Config, shared: Shared, message: Message) -> bool:
    """What a failed sync lost is never FLUSHED before it was written again."""
    return Record(Stage.FLUSHED, Truth.PHANTOM) not in message.records


def commit_is_safe(config: Config, shared: Shared, message: Message) -> bool:
    """What the offset has passed has an ack, or a checkpoint that can redeliver it, on the disk."""
    return not message.passed_by(shared.offset.volatile) or recoverable(config, message)


def derived_never_ahead(config: Config, shared: Shared, message: Message) -> bool:
    """What the offset file claims is on the disk, whichever copy of the file a crash leaves."""
    furthest = max(shared.offset.cached, shared.offset.disk)
    return not message.passed_by(furthest) or recoverable(config, message)


def recoverable(config: Config, message: Message) -> bool:
    """Return whether the disk alone can tell what is to become of the message."""
    if config.commit is CommitPolicy.ACK:
        return message.ack.durable
    return any(record.durable for record in message.records)


def no_limbo(config: Config, shared: Shared, message: Message) -> bool:
    """No message is held for settled that nobody asked to ack."""
    return message.phase is not Phase.SETTLED or message.asked


def receipt_is_exact(config: Config, shared: Shared, message: Message) -> bool:
    """No ack is accepted that the consumer of this very delivery did not ask for."""
    return message.ack.stage is not Stage.PENDING or message.asked


STATE: dict[Clause, StateInvariant] = {
    Clause.REPLY_AFTER_STAGE: reply_after_stage,
    Clause.FLUSH_IS_REAL: flush_is_real,
    Clause.FLUSH_REWRITES: flush_rewrites,
    Clause.COMMIT_IS_SAFE: commit_is_safe,
    Clause.DERIVED_NEVER_AHEAD: derived_never_ahead,
    Clause.NO_LIMBO: no_limbo,
    Clause.RECEIPT_IS_EXACT: receipt_is_exact,
}


# --- step invariants ------------------------------------------------------------------------------------------------

FAILURES = frozenset({"fail_checkpoint_write", "fail_ack_write", "sync_fails", "sync_times_out", "late_sync_fails"})
ANSWERS = {"deliver": "checkpoint", "answer_ack": "ack"}


def reply_never_false(config: Config, seen: Seen) -> bool:
    """A failed or timed-out write or sync moves no record up the ladder, and promises nothing."""
    if seen.action not in FAILURES:
        return True
    was, is_now = seen.before.records, seen.after.records
    stored = sum(record.stored for record in is_now) > sum(record.stored for record in was)
    flushed = sum(record.stage is Stage.FLUSHED for record in is_now) > sum(
        record.stage is Stage.FLUSHED for record in was
    )
    return not stored and not flushed and seen.after.promise <= seen.before.promise


def reply_exactly_once(config: Config, seen: Seen) -> bool:
    """The late result of an operation that has ended changes no belief."""
    if not seen.action.startswith("late_sync"):
        return True
    was, is_now = ([record.stage for record in message.records] for message in (seen.before, seen.after))
    return was == is_now


def flush_degrades(config: Config, seen: Seen) -> bool:
    """After the configured number of failed syncs, no answer comes before the flush."""
    degraded = seen.shared_before.failures >= config.degrade_after
    if not degraded or seen.action not in ANSWERS or seen.before == seen.after:
        return True
    record: Record = getattr(seen.before, ANSWERS[seen.action])
    return record.stage is Stage.FLUSHED


def survives_process_crash(config: Config, seen: Seen) -> bool:
    """After a process crash, what was promised is settled, and what was handed out is known to be."""
    if seen.action == "process_crash":
        return seen.before.promise is Promise.NOTHING or seen.after.ack.readable
    if seen.action != "recover" or seen.shared_before.power is not Power.CRASHED:
        return True
    settled = seen.before.promise is Promise.NOTHING or seen.after.phase is Phase.SETTLED
    handed_out = seen.before.phase in (Phase.DELIVERED, Phase.ACKING)
    return settled and not (handed_out and seen.after.phase is Phase.WAITING)


def survives_power_loss(config: Config, seen: Seen) -> bool:
    """After a power loss, what was promised to survive it is settled."""
    if seen.before.promise is not Promise.SURVIVES_POWER_LOSS:
        return True
    if seen.action == "power_loss":
        return seen.after.ack.readable
    recovering = seen.action == "recover" and seen.shared_before.power is Power.LOST
    return not recovering or seen.after.phase is Phase.SETTLED


def recovered_is_cached(config: Config, seen: Seen) -> bool:
    """Recovery takes nothing for FLUSHED."""
    return seen.action != "recover" or all(record.stage is not Stage.FLUSHED for record in seen.after.records)


def commit_is_monotone(config: Config, seen: Seen) -> bool:
    """No copy of the offset goes back but by the loss of what was above it: memory, then page cache, then disk."""
    before, after = seen.shared_before.offset, seen.shared_after.offset
    if after.disk < before.disk:
        return False
    return seen.action == "power_loss" or (
        after.cached >= before.cached and (not seen.shared_after.up or after.volatile >= after.disk)
    )


def no_return(config: Config, seen: Seen) -> bool:
    """A message whose ack was answered OK is not handed out again, unless a power loss voided the answer."""
    handed_out = seen.action == "pop" and seen.after.phase is Phase.POPPING
    return not handed_out or seen.before == seen.after or seen.before.promise is Promise.NOTHING


STEP: dict[Clause, StepInvariant] = {
    Clause.REPLY_NEVER_FALSE: reply_never_false,
    Clause.REPLY_EXACTLY_ONCE: reply_exactly_once,
    Clause.FLUSH_DEGRADES: flush_degrades,
    Clause.SURVIVES_PROCESS_CRASH: survives_process_crash,
    Clause.SURVIVES_POWER_LOSS: survives_power_loss,
    Clause.RECOVERED_IS_CACHED: recovered_is_cached,
    Clause.COMMIT_IS_MONOTONE: commit_is_monotone,
    Clause.NO_RETURN: no_return,
}


def broken_in_state(config: Config, shared: Shared, message: Message) -> tuple[Clause, ...]:
    """Return the clauses that one message breaks in one state."""
    return tuple(clause for clause, holds in STATE.items() if not holds(config, shared, message))


def broken_by_step(config: Config, seen: Seen) -> tuple[Clause, ...]:
    """Return the clauses that one message breaks in one step."""
    return tuple(clause for clause, holds in STEP.items() if not holds(config, seen))
