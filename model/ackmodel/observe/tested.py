"""What an observation puts to the test: the clauses that would be broken, had the store shown the opposite.

A check counts only if it could have failed. A message that stays away after its ack was answered OK tests the survival
of that ack where its return would have been forbidden, and nothing where it was allowed:

>>> from ..spec.stages import Level
>>> acked = frozenset({World(current="r1", deadline=30.0, settled=Settled.CACHED, by=2)})
>>> history = [events.Popped("r1", 0.0, 30.0), events.AckAsked(2, "r1", 1.0), events.AckAnswered(2, Reply.OK, 1.0)]
>>> [clause.value for clause in tested_by(history, events.Absent(99.0), acked, Claim(Level.PAGE_CACHE))]
['no-return']
>>> lost = frozenset({World(), World(settled=Settled.DURABLE)})     # the power was lost before any barrier
>>> tested_by([*history, events.PowerLost()], events.Absent(99.0), lost, Claim(Level.PAGE_CACHE))
()
"""

from __future__ import annotations

from ..spec.clauses import Clause
from . import events
from .blame import blame, index_of_promise, last_popped, read_back, was_reset
from .domination import drifted
from .events import Event, Reply
from .possible import possible_after
from .remembered import remembered
from .worlds import Claim, Settled, World

CERTAIN = (Reply.OK, Reply.SETTLED, Reply.EXPIRED, Reply.INVALID)
"""Replies that say what became of the message."""


def tested_by(history: list[Event], event: Event, worlds: frozenset[World], claim: Claim) -> tuple[Clause, ...]:
    """Return the clauses that a store would have broken that had shown the opposite of `event` after this history."""
    match event:
        case events.Popped(at=at):
            return _of_a_return(history, at, worlds, claim)
        case events.Absent(at=at):
            return _of_an_absence(history, at, worlds, claim)
        case events.DeadLettered():
            return (Clause.NO_LIMBO,)
        case events.AckAnswered(op=op, reply=reply) | events.ChangeAnswered(op=op, reply=reply):
            return _of_an_answer(op, reply, event, worlds, claim)
        case events.ResetAnswered(reply=reply) if reply is not Reply.UNKNOWN:
            return (Clause.RECEIPT_IS_EXACT if reply in CERTAIN else Clause.REPLY_NEVER_FALSE,)
    return ()


@remembered
def forbidden(event: Event, worlds: frozenset[World], claim: Claim) -> bool:
    """Tell whether no world allows an observation."""
    return not any(possible_after(event, now, claim) for now in drifted(worlds))


def _of_a_return(history: list[Event], at: float, worlds: frozenset[World], claim: Claim) -> tuple[Clause, ...]:
    """Return what a message tests that was handed out: it might stay away, or come before its deadline."""
    found: dict[Clause, None] = {}
    before = last_popped(history)
    if (before is not None or was_reset(history)) and forbidden(events.Absent(at), worlds, claim):
        found[blame(history, events.Absent(at), worlds, claim)[0]] = None
    if before is not None:
        popped = history[before]
        assert isinstance(popped, events.Popped)
        early = events.Popped("", at=popped.at, deadline=popped.deadline)
        if forbidden(early, worlds, claim):
            found[blame(history, early, worlds, claim)[0]] = None
    return tuple(found)


def _of_an_absence(history: list[Event], at: float, worlds: frozenset[World], claim: Claim) -> tuple[Clause, ...]:
    """Return what a message tests that stayed away: it might have come."""
    come = events.Popped("", at=at, deadline=at)
    if not forbidden(come, worlds, claim):
        return ()
    clause, _ = blame(history, come, worlds, claim)
    promised = index_of_promise(history)
    if clause is Clause.FLUSH_REWRITES and promised is not None and read_back(history, promised):
        return (clause, Clause.RECOVERED_IS_CACHED)
    return (clause,)


def _of_an_answer(
    op: int,
    reply: Reply,
    event: events.AckAnswered | events.ChangeAnswered,
    worlds: frozenset[World],
    claim: Claim,
) -> tuple[Clause, ...]:
    """Return what an answer about a message tests: it might say the contrary; UNKNOWN says nothing."""
    if reply is Reply.UNKNOWN:
        return ()
    if reply not in CERTAIN:
        open_ = any(op in world.asked or any(change.op == op for change in world.changes) for world in worlds)
        done = any(world.by == op and world.settled is not Settled.NO for world in worlds)
        return (Clause.REPLY_NEVER_FALSE,) if open_ or done else ()
    contrary = Reply.EXPIRED if reply in (Reply.OK, Reply.SETTLED) else Reply.OK
    other = type(event)(op, contrary, event.at)
    return (Clause.RECEIPT_IS_EXACT,) if forbidden(other, worlds, claim) else ()
