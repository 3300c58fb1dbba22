"""The clauses as invariants, each a function named as its clause, and judged on truth.

Two kinds: a **state** invariant looks at one message in one state; a **step** invariant looks at one message before
and after a step. Both return whether the clause holds. All are local, so an engine judges each distinct pair of a
shared part and a message once.

>>> from attrs import evolve
>>> shared, (message,) = Config().initial()
>>> phantom = evolve(message, ack=Record(Stage.FLUSHED, Truth.PHANTOM))
>>> [clause.value for clause in broken_in_state(Config(), shared, phantom)]
['flush-is-real', 'flush-rewrites']
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from .catalogue import STEPS, names
from .clauses import Clause
from .config import CommitPolicy, Config
from .facts import Kind
from .stages import Level, Promise, Record, Stage, Truth
from .state import Message, Offset, Phase, Power, Shared
from .steps import kind_of


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
    """Require that no promise stands while its record is yet to be written, or, at DISK in a running store, flushed."""
    return _has_reached(shared, message.promise, message.ack) and _has_reached(shared, message.renewed, message.renewal)


def _has_reached(shared: Shared, promise: Promise, record: Record) -> bool:
    """Tell whether a record is where a promise needs it; a promise to survive a clean restart needs nothing yet."""
    if promise <= Promise.SURVIVES_RESTART or record.stage is Stage.NONE:
        return True
    promised_disk = promise is Promise.SURVIVES_POWER_LOSS and shared.up
    return record.stage is not Stage.PENDING and not (promised_disk and record.truth is Truth.DIRTY)


def flush_is_real(config: Config, shared: Shared, message: Message) -> bool:
    """Require that what is FLUSHED is on the disk."""
    return all(record.durable for record in message.records if record.stage is Stage.FLUSHED)


def flush_rewrites(config: Config, shared: Shared, message: Message) -> bool:
    """Require that what a failed sync lost (PHANTOM, or reverted) is never FLUSHED before it was written again."""
    return Record(Stage.FLUSHED, config.lost) not in message.records


def commit_is_safe(config: Config, shared: Shared, message: Message) -> bool:
    """Require that what the offset has passed has, on the disk, an ack or a checkpoint that can redeliver it."""
    return not message.passed_by(shared.offset.volatile) or recoverable(config, message)


def derived_never_ahead(config: Config, shared: Shared, message: Message) -> bool:
    """Require that what the offset file claims is on the disk, whichever copy of the file a crash leaves."""
    furthest = max(shared.offset.cached, shared.offset.disk)
    return not message.passed_by(furthest) or recoverable(config, message)


def recoverable(config: Config, message: Message) -> bool:
    """Return whether the disk, or for what is settled without a record the offset, can tell what is to become of it."""
    if message.unrecorded:
        return True
    if config.commit is CommitPolicy.ACK:
        return message.ack.durable
    return any(record.durable for record in message.records)


def no_limbo(config: Config, shared: Shared, message: Message) -> bool:
    """Require that no message is taken for settled that nobody asked to ack, and of which no dead letter is stored."""
    buried = message.dead and (message.ack.stored or message.unrecorded or not shared.up)
    return message.phase is not Phase.SETTLED or message.asked or buried


def receipt_is_exact(config: Config, shared: Shared, message: Message) -> bool:
    """Require that no ack is accepted that the consumer of this delivery did not ask for, or of what is settled."""
    if message.ack.stage is not Stage.PENDING or message.dead:
        return True
    return message.asked and (message.phase is not Phase.ACKING or message.promise is Promise.NOTHING)


def submitted_is_written(config: Config, shared: Shared, message: Message) -> bool:
    """Require that what was written is what was submitted."""
    return not (message.garbled and message.ack.stored)


STATE: dict[Clause, StateInvariant] = {
    Clause.REPLY_AFTER_STAGE: reply_after_stage,
    Clause.FLUSH_IS_REAL: flush_is_real,
    Clause.FLUSH_REWRITES: flush_rewrites,
    Clause.COMMIT_IS_SAFE: commit_is_safe,
    Clause.DERIVED_NEVER_AHEAD: derived_never_ahead,
    Clause.NO_LIMBO: no_limbo,
    Clause.RECEIPT_IS_EXACT: receipt_is_exact,
    Clause.SUBMITTED_IS_WRITTEN: submitted_is_written,
}


# --- step invariants ------------------------------------------------------------------------------------------------

FAILURES = names(lambda facts: facts.kind.is_failure)
LATE = names(lambda facts: facts.kind.is_late)
TAKING_UP = names(lambda facts: facts.kind is Kind.ASKED)
ANSWERS = names(lambda facts: facts.kind is Kind.ANSWERED_OK)
HANDED_OUT = frozenset({Phase.DELIVERED, Phase.RENEWING, Phase.ACKING})


def reply_never_false(config: Config, seen: Seen) -> bool:
    """Require that after a failed or timed-out write or sync nothing is promised, and nothing more stored or flushed.

    They are counted, since the record of an earlier delivery may take the place of one that could not be written.
    """
    if kind_of(seen.action) not in FAILURES:
        return True
    was, is_now = seen.before.records, seen.after.records
    stored = sum(record.stored for record in is_now) > sum(record.stored for record in was)
    flushed = sum(record.stage is Stage.FLUSHED for record in is_now) > sum(
        record.stage is Stage.FLUSHED for record in was
    )
    promised = seen.after.promise > seen.before.promise or seen.after.renewed > seen.before.renewed
    return not stored and not flushed and not promised


def reply_exactly_once(config: Config, seen: Seen) -> bool:
    """Require that the late result of an operation that has ended changes no belief."""
    if kind_of(seen.action) not in LATE:
        return True
    was, is_now = ([record.stage for record in message.records] for message in (seen.before, seen.after))
    return was == is_now


def flush_degrades(config: Config, seen: Seen) -> bool:
    """Require that after the configured number of failed syncs no answer comes before the flush."""
    degraded = seen.shared_before.failures >= config.degrade_after
    if not degraded or seen.action not in ANSWERS or seen.before == seen.after:
        return True
    record: Record = getattr(seen.before, STEPS[seen.action].record)
    return record.stage is Stage.FLUSHED


def survives_process_crash(config: Config, seen: Seen) -> bool:
    """Require that after a process crash what was promised is settled, what was handed out (not at MEMORY) known."""
    if seen.action == "process_crash":
        void = seen.before.promise <= Promise.SURVIVES_RESTART or seen.before.unrecorded
        return void or seen.after.ack.readable
    if seen.action != "recover" or seen.shared_before.power is not Power.CRASHED:
        return True
    settled = seen.before.promise <= Promise.SURVIVES_RESTART or seen.after.phase is Phase.SETTLED
    handed_out = seen.before.phase in HANDED_OUT and config.level is not Level.MEMORY
    return settled and not (handed_out and seen.after.phase is Phase.WAITING)


def survives_power_loss(config: Config, seen: Seen) -> bool:
    """Require that after a power loss what was promised to survive it is settled."""
    if seen.before.promise is not Promise.SURVIVES_POWER_LOSS:
        return True
    if seen.action == "power_loss":
        return seen.after.ack.readable or seen.before.unrecorded
    recovering = seen.action == "recover" and seen.shared_before.power is Power.LOST
    return not recovering or seen.after.phase is Phase.SETTLED


def recovered_is_cached(config: Config, seen: Seen) -> bool:
    """Require that recovery takes nothing for FLUSHED."""
    return seen.action != "recover" or all(record.stage is not Stage.FLUSHED for record in seen.after.records)


def commit_is_monotone(config: Config, seen: Seen) -> bool:
    """Require that a copy of the offset goes back only by the loss of what was above it: memory, page cache, disk.

    The one in memory goes back only with the process, and recovery starts at no less than the disk has. A reset, which
    is meant to go back, takes all copies with it: no restart may bring one of them back.
    """
    before, after = seen.shared_before.offset, seen.shared_after.offset
    if seen.action == "reset_offset":
        return after == Offset()
    if after.disk < before.disk or (after.cached < before.cached and seen.action != "power_loss"):
        return False
    least = before.volatile if seen.shared_before.up else before.disk
    return not seen.shared_after.up or after.volatile >= least


def no_return(config: Config, seen: Seen) -> bool:
    """Require that a message whose ack was answered OK does not return, unless a power loss voided the answer."""
    handed_out = seen.action == "pop" and seen.after.phase is Phase.POPPING
    return not handed_out or seen.before == seen.after or seen.before.promise is Promise.NOTHING


def deadline_is_exact(config: Config, seen: Seen) -> bool:
    """Require that a pop takes no message whose delivery has not ended, or whose deadline it was told is later."""
    if seen.action != "pop":
        return True
    return seen.before.phase in (Phase.WAITING, Phase.DUE) and seen.before.renewed is Promise.NOTHING


def memory_is_bounded(config: Config, seen: Seen) -> bool:
    """Require that no operation is taken up over the limit, nor by a store that refuses."""
    if seen.action not in TAKING_UP:
        return True
    full = config.limit and seen.shared_after.inflight > config.limit
    refusing = config.refuse_after and seen.shared_before.failures >= config.refuse_after
    return not full and not refusing


def quiescence_is_zero(config: Config, seen: Seen) -> bool:
    """Require that when the store has drained nothing is counted as in flight."""
    return seen.action != "close" or seen.before.in_flight or not seen.shared_before.inflight


def close_drains(config: Config, seen: Seen) -> bool:
    """Require that nothing is pending or unflushed when the store closes; what was answered OK stays settled after."""
    if seen.action == "close":
        offset = seen.shared_before.offset
        unfinished = any(record.unflushed or record.stage is Stage.PENDING for record in seen.before.records)
        return not (seen.before.in_flight or unfinished) and offset.volatile == offset.disk
    if seen.action != "recover" or seen.shared_before.power is not Power.CLOSED:
        return True
    return seen.before.promise is Promise.NOTHING or seen.after.phase is Phase.SETTLED


def retire_is_safe(config: Config, seen: Seen) -> bool:
    """Require that records are discarded only of what a record on the disk settles, and the offset there has passed."""
    if seen.action != "retire":
        return True
    return seen.before.ack.durable and seen.before.passed_by(seen.shared_before.offset.disk)


STEP: dict[Clause, StepInvariant] = {
    Clause.REPLY_NEVER_FALSE: reply_never_false,
    Clause.REPLY_EXACTLY_ONCE: reply_exactly_once,
    Clause.FLUSH_DEGRADES: flush_degrades,
    Clause.SURVIVES_PROCESS_CRASH: survives_process_crash,
    Clause.SURVIVES_POWER_LOSS: survives_power_loss,
    Clause.RECOVERED_IS_CACHED: recovered_is_cached,
    Clause.COMMIT_IS_MONOTONE: commit_is_monotone,
    Clause.NO_RETURN: no_return,
    Clause.DEADLINE_IS_EXACT: deadline_is_exact,
    Clause.MEMORY_IS_BOUNDED: memory_is_bounded,
    Clause.QUIESCENCE_IS_ZERO: quiescence_is_zero,
    Clause.CLOSE_DRAINS: close_drains,
    Clause.RETIRE_IS_SAFE: retire_is_safe,
}


def broken_in_state(config: Config, shared: Shared, message: Message) -> tuple[Clause, ...]:
    """Return the clauses that one message breaks in one state."""
    return tuple(clause for clause, holds in STATE.items() if not holds(config, shared, message))


def broken_by_step(config: Config, seen: Seen) -> tuple[Clause, ...]:
    """Return the clauses that one message breaks in one step."""
    return tuple(clause for clause, holds in STEP.items() if not holds(config, seen))
