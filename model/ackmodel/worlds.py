"""The states that one message may be in, as far as an observer can know.

A `World` is one possibility. `possible_after` gives what a world may have become when an event was observed: nothing,
if the event could not have happened in it. `drift` adds what the store may have done unobserved since.

>>> from ackmodel.events import Absent
>>> possible_after(Absent(at=1.0), World(), Level.PAGE_CACHE)     # never handed out, and yet it does not come
()
>>> possible_after(Absent(at=1.0), World(settled=Settled.CACHED), Level.PAGE_CACHE) != ()
True
"""

from __future__ import annotations

import enum
from functools import singledispatch

from attrs import evolve, frozen

from . import events
from .events import Event, Reply
from .stages import Level


class Settled(enum.IntEnum):
    """How firmly the ack of a message is kept; each is what survives less than the next."""

    NO = 0
    MEMORY = 1
    CACHED = 2
    DURABLE = 3


NEEDED = {Level.PAGE_CACHE: Settled.CACHED, Level.DISK: Settled.DURABLE}
"""What an OK at a level says of the ack (the observable core, specs/README.md)."""

UNSEEN = "a delivery that was never answered"


@frozen
class World:
    """One possible state of one message.

    `current` is the receipt of the newest delivery the store knows (None: none), hidden until `deadline`; `asked` are
    the acks that may still take effect; `settled` is how firmly an ack is kept, by operation `by`.
    """

    current: str | None = None
    deadline: float = float("-inf")
    asked: frozenset[int] = frozenset()
    settled: Settled = Settled.NO
    by: int | None = None


def drift(world: World) -> tuple[World, ...]:
    """Return what a world may have become unobserved: an ack took effect, or came closer to the disk."""
    if world.settled is not Settled.NO:
        return tuple(evolve(world, settled=kept) for kept in Settled if kept >= world.settled)
    effective = (
        evolve(world, settled=kept, by=op) for op in sorted(world.asked) for kept in Settled if kept is not Settled.NO
    )
    return (world, *effective)


@singledispatch
def possible_after(event: Event, world: World, level: Level) -> tuple[World, ...]:
    """Return the worlds that `world` may be when `event` has been observed; empty if it cannot have been."""
    raise TypeError(f"{event!r} is not an event of ackmodel.events")


@possible_after.register
def _(event: events.Popped, world: World, level: Level) -> tuple[World, ...]:
    """Handed out: only what is not settled, and has no running deadline (clauses no-return, deadline-is-exact)."""
    if world.settled is not Settled.NO or event.at < world.deadline:
        return ()
    return (World(current=event.receipt, deadline=event.deadline),)


@possible_after.register
def _(event: events.PopUnanswered, world: World, level: Level) -> tuple[World, ...]:
    if world.settled is not Settled.NO:
        return (world,)
    return (world, World(current=UNSEEN, deadline=max(world.deadline, event.deadline)))


@possible_after.register
def _(event: events.AckAsked, world: World, level: Level) -> tuple[World, ...]:
    if event.receipt != world.current or event.at >= world.deadline:
        return (world,)
    return (evolve(world, asked=world.asked | {event.op}),)


@possible_after.register
def _(event: events.AckAnswered, world: World, level: Level) -> tuple[World, ...]:
    """The answer to an ack (clauses reply-after-stage, reply-never-false, receipt-is-exact)."""
    ended = evolve(world, asked=world.asked - {event.op})
    settled = world.settled is not Settled.NO
    match event.reply:
        case Reply.OK | Reply.SETTLED:
            return (ended,) if world.settled >= NEEDED[level] else ()
        case Reply.UNKNOWN:
            return (world,)
        case Reply.FAILED | Reply.BUSY:
            return () if settled and world.by == event.op else (ended,)
        case Reply.EXPIRED | Reply.INVALID:
            due = event.op in world.asked and event.at < world.deadline
            return () if due or (settled and world.by == event.op) else (ended,)


@possible_after.register
def _(event: events.MadeDurable, world: World, level: Level) -> tuple[World, ...]:
    return (world,) if world.settled is Settled.DURABLE else ()


@possible_after.register
def _(event: events.Absent, world: World, level: Level) -> tuple[World, ...]:
    """Not handed out though all was popped: only what is settled, or hidden still (clause no-limbo)."""
    return (world,) if world.settled is not Settled.NO or event.at < world.deadline else ()


@possible_after.register
def _(event: events.ProcessCrashed, world: World, level: Level) -> tuple[World, ...]:
    """The memory goes (clause survives-process-crash)."""
    ended = evolve(world, asked=frozenset())
    if world.settled is Settled.MEMORY:
        return (evolve(ended, settled=Settled.NO, by=None), evolve(ended, settled=Settled.CACHED))
    return (ended,)


@possible_after.register
def _(event: events.PowerLost, world: World, level: Level) -> tuple[World, ...]:
    """The memory and any subset of the unsynced writes go (clause survives-power-loss)."""
    ended = evolve(world, asked=frozenset())
    known = [ended]
    if level is not Level.DISK:
        known.append(evolve(ended, current=None, deadline=float("-inf")))
    if world.settled is Settled.DURABLE:
        return tuple(known)
    gone = tuple(evolve(left, settled=Settled.NO, by=None) for left in known)
    if world.settled is Settled.NO:
        return gone
    return (*gone, *(evolve(left, settled=Settled.DURABLE) for left in known))


@possible_after.register(events.Restarted)
@possible_after.register(events.WriteFailed)
@possible_after.register(events.SyncEnded)
def _(event: Event, world: World, level: Level) -> tuple[World, ...]:
    return (world,)
