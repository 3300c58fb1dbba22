"""What each clause is about: the states in which it forbids something.

A clause that holds where it was never at stake has shown nothing. An explorer counts the states in which each was, and
says which were not; like the invariants, the predicates look at one message beside the shared part.

>>> from attrs import evolve
>>> from .. import Record, Truth
>>> shared, (message,) = Config().initial()
>>> at_stake(Config(), shared, message)
()
>>> flushed = evolve(message, ack=Record(Stage.FLUSHED, Truth.DISK))
>>> [clause.value for clause in at_stake(Config(), shared, flushed)]
['flush-is-real', 'submitted-is-written']
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .clauses import Clause
from .config import Config
from .invariants import HANDED_OUT
from .liveness import StatePredicate, next_to_pass, unflushed
from .stages import Promise, Stage
from .state import Message, Phase, Power, Shared


def promised(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether an answer has promised something of the ack or of the renewal."""
    return max(message.promise, message.renewed) is not Promise.NOTHING


def suspected(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a failure has touched a record that could now be taken for stored."""
    return any(record.stage is Stage.SUSPECT for record in message.records)


def given_up(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a sync that was given up may still end, with a record to change, or an operation under way."""
    return message.in_flight or (any(shared.late) and suspected(config, shared, message))


def crash_after_promise(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the process died, and a promise is to survive that."""
    return shared.power is Power.CRASHED and message.promise > Promise.SURVIVES_RESTART


def power_loss_after_promise(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the power was lost, and a promise is to survive that."""
    return shared.power is Power.LOST and message.promise is Promise.SURVIVES_POWER_LOSS


def readable_after_a_stop(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the store is down, and recovery will find a record."""
    return not shared.up and any(record.readable for record in message.records)


def flushed(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the store takes a record for flushed."""
    return any(record.stage is Stage.FLUSHED for record in message.records)


def lost_in_a_sync(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a failed sync has lost a record that the store believes it has."""
    return any(record.stored and record.truth is config.lost for record in message.records)


def over_the_threshold(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether as many syncs have failed as it takes to degrade."""
    return shared.failures >= config.degrade_after


def passed(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the offset in memory has passed the message."""
    return message.passed_by(shared.offset.volatile)


def passed_in_the_file(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a copy of the offset file has passed the message."""
    return message.passed_by(max(shared.offset.cached, shared.offset.disk))


def may_be_handed_out_again(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the message was handed out, and is not settled."""
    return message.delivery > 0 and message.phase is not Phase.SETTLED


def answered(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the ack was answered OK."""
    return message.promise is not Promise.NOTHING


def has_receipt(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether there is a receipt of the message, right or wrong, to ack with."""
    return message.delivery > 0 and shared.up


def ack_stored(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether an ack is stored."""
    return message.ack.stored


def delivered(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a consumer has the message, and its deadline runs."""
    return message.phase in HANDED_OUT


def at_a_limit(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether as many operations are in flight as may be, or too many syncs have failed not to refuse."""
    full = config.limit and shared.inflight >= config.limit
    return bool(full or (config.refuse_after and shared.failures >= config.refuse_after))


def closed_with_a_limit(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the store, which counts what is in flight, was closed."""
    return config.limit > 0 and shared.power is Power.CLOSED


def was_closed(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the store was closed, and the message had been handed out."""
    return shared.power is Power.CLOSED and message.delivery > 0


def retired(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether compaction has discarded the records of a settled message."""
    return config.compaction and message.unrecorded


AT_STAKE: Mapping[Clause, StatePredicate] = MappingProxyType(
    {
        Clause.REPLY_AFTER_STAGE: promised,
        Clause.REPLY_NEVER_FALSE: suspected,
        Clause.REPLY_EXACTLY_ONCE: given_up,
        Clause.SURVIVES_PROCESS_CRASH: crash_after_promise,
        Clause.SURVIVES_POWER_LOSS: power_loss_after_promise,
        Clause.RECOVERED_IS_CACHED: readable_after_a_stop,
        Clause.FLUSH_IS_REAL: flushed,
        Clause.FLUSH_REWRITES: lost_in_a_sync,
        Clause.FLUSH_WHEN_IDLE: unflushed,
        Clause.FLUSH_DEGRADES: over_the_threshold,
        Clause.COMMIT_IS_SAFE: passed,
        Clause.COMMIT_IS_MONOTONE: passed,
        Clause.COMMIT_PROGRESSES: next_to_pass,
        Clause.RETIRE_IS_SAFE: retired,
        Clause.DERIVED_NEVER_AHEAD: passed_in_the_file,
        Clause.NO_LIMBO: may_be_handed_out_again,
        Clause.NO_RETURN: answered,
        Clause.RECEIPT_IS_EXACT: has_receipt,
        Clause.SUBMITTED_IS_WRITTEN: ack_stored,
        Clause.DEADLINE_IS_EXACT: delivered,
        Clause.MEMORY_IS_BOUNDED: at_a_limit,
        Clause.QUIESCENCE_IS_ZERO: closed_with_a_limit,
        Clause.CLOSE_DRAINS: was_closed,
    }
)
"""Every clause that the model judges, and where it is at stake. The others are judged of running stores only: it has no
time-out that is not an I/O's, no record twice, and no bytes."""


def at_stake(config: Config, shared: Shared, message: Message) -> tuple[Clause, ...]:
    """Return the clauses that are at stake for one message in one state."""
    return tuple(clause for clause, holds in AT_STAKE.items() if holds(config, shared, message))
