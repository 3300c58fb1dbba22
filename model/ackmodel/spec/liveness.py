"""What a store must do in the end: leads-to properties, a pair of functions each, and what must be fair for them.

A property says: after every state where its trigger holds, every fair run comes to a state where its goal holds. Like
the invariants, both look at one message beside the shared part, so that they are asked once for each distinct pair; an
explorer judges them on its graph.

Fair means: the protocol does not put off for ever what it can do (write, answer, bury, rewrite, sync, commit, recover),
a running sync that no fault ends succeeds in the end, or ends by being told of an old error, somebody asks for
messages, and time passes. Consumers need not ack; nothing need be merged, discarded or called back. Faults need not
happen, and their budgets are finite, so that every run has a last fault.

>>> from attrs import evolve
>>> shared, (message,) = Config().initial()
>>> degraded = PROPERTIES[Clause.FLUSH_DEGRADES].trigger
>>> degraded(Config(), shared, message), degraded(Config(), evolve(shared, mode=Mode.SYNC), message)
(False, True)
>>> [group.name for group in fair_actions(Config(messages=2, logs=2))][-6:]
['begin_sync', 'sync_ok', 'begin_sync[1]', 'sync_ok[1]', 'write_offset', 'sync_directory']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from attrs import frozen

from .catalogue import LOCAL, STEPS, names
from .clauses import Clause
from .config import Config
from .environment.consumers import may_return
from .facts import Facts, Kind
from .stages import Stage
from .state import Message, Mode, Phase, Shared
from .steps import of_log

StatePredicate = Callable[[Config, Shared, Message], bool]


@frozen(kw_only=True)
class LeadsTo:
    """`trigger ~> goal`, which a clause asks for of each message, or, with `of_store`, of the shared part alone."""

    clause: Clause
    trigger: StatePredicate
    goal: StatePredicate
    of_store: bool = False


# --- what must end --------------------------------------------------------------------------------------------------


def unflushed(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a record about the message is not on the disk, as the store believes (clause flush-when-idle)."""
    return any(record.unflushed or record.stage is Stage.PENDING for record in message.records)


def next_to_pass(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the message is settled, and the offset on the disk right before it (clause commit-progresses)."""
    settled = message.phase is Phase.SETTLED and (message.ack.stored or message.unrecorded)
    return settled and shared.offset.disk == message.index and not config.uncommitted


def handed_out(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether a consumer has the message, or let it go: something may yet become of it (clause no-limbo)."""
    return message.phase in (Phase.DELIVERED, Phase.DUE) and may_return(config, message)


def asked_for(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether an operation about the message has not ended (clause reply-exactly-once)."""
    return message.in_flight


def degraded(config: Config, shared: Shared, message: Message) -> bool:
    """Tell whether the store answers at DISK level since syncs have failed (clause flush-degrades)."""
    return shared.mode is Mode.SYNC


def _ends(holds: StatePredicate) -> StatePredicate:
    def ended(config: Config, shared: Shared, message: Message) -> bool:
        return not holds(config, shared, message)

    return ended


PROPERTIES: Mapping[Clause, LeadsTo] = MappingProxyType(
    {
        clause: LeadsTo(clause=clause, trigger=holds, goal=_ends(holds), of_store=clause is Clause.FLUSH_DEGRADES)
        for clause, holds in (
            (Clause.FLUSH_WHEN_IDLE, unflushed),
            (Clause.COMMIT_PROGRESSES, next_to_pass),
            (Clause.NO_LIMBO, handed_out),
            (Clause.REPLY_EXACTLY_ONCE, asked_for),
            (Clause.FLUSH_DEGRADES, degraded),
        )
    }
)
"""Every property by its clause: what must end, whenever it has begun."""


# --- what is fair ---------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class FairActions:
    """Steps of which one is not put off for ever while any of them is possible; of one message only, if it is given."""

    name: str
    actions: frozenset[str]
    message: int | None = None


def fair_actions(config: Config) -> Iterator[FairActions]:
    """Yield what is assumed not to be put off for ever, all weakly fair: a step of each message, log or store."""
    fair = [facts for facts in STEPS.values() if facts.fair and facts.impossible(config) is None]
    local = {rule.__name__ for rule in LOCAL}
    for facts in fair:
        if facts.name in local:
            for index in range(config.messages):
                yield FairActions(name=facts.name, actions=frozenset({facts.name}), message=index)
    for log in range(config.logs):
        for facts in fair:
            if facts.each_log:
                yield FairActions(name=of_log(facts.name, log), actions=_ending_alike(config, facts, log))
    for facts in fair:
        if facts.name not in local and not facts.each_log:
            yield FairActions(name=facts.name, actions=frozenset({facts.name}))


def _ending_alike(config: Config, facts: Facts, log: int) -> frozenset[str]:
    """Return a step of a log, and what it may be in its place: a sync that is told of an error that is owed, or told
    again, ends by that, and cannot succeed."""
    told = names(lambda other: other.told is config.sync_error) if facts.kind is Kind.SYNC_SUCCEEDED else frozenset()
    return frozenset(of_log(name, log) for name in {facts.name} | told)
