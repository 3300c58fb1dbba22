"""The states that one message may be in, as far as an observer can know.

A `World` is one possibility. `ackmodel.observe.possible` gives what a world may have become when an event was observed;
`drift` adds what the store may have done unobserved since: an ack took effect or came closer to the disk, a delivery
was renewed or released, an offset was reset.

>>> asked = World(current="r1", deadline=30.0, changes=frozenset({Renewal(op=7, deadline=90.0)}))
>>> sorted(world.deadline for world in drift(asked))
[30.0, 90.0]
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar, cast

from attrs import fields, frozen

from ..spec.stages import Level

NEVER = float("-inf")
"""The deadline of what is in nobody's hands."""


class Settled(enum.IntEnum):
    """How firmly the ack of a message is kept; each is what survives less than the next."""

    NO = 0
    MEMORY = 1
    CACHED = 2
    DURABLE = 3


NEEDED = {Level.MEMORY: Settled.MEMORY, Level.PAGE_CACHE: Settled.CACHED, Level.DISK: Settled.DURABLE}
"""What an OK at a level says of the ack (the observable core, specs/README.md)."""

UNSEEN = "a delivery that was never answered"

UNHEARD = -1
"""Stands for each operation that nobody will be answered any more (it was answered, or the store stopped): what it may
still do does not depend on which of them it is. Operations that are under way have numbers from 0."""


@frozen(cache_hash=True)
class Claim:
    """What a store says of itself: the level at which it answers, and after how many attempts it dead-letters."""

    level: Level
    max_attempts: int | None = None


@frozen
class Renewal:
    """The deadline is to be this one, by operation `op`."""

    op: int
    deadline: float


@frozen
class Release:
    """The delivery is to be given back, by operation `op`."""

    op: int


@frozen
class Reset:
    """The offset is to be set, by operation `op`; `anew`: this message is then as never handed out, else settled.

    One that will get no answer stays possible when it has taken effect: recovery may read it, nobody sees how often.
    """

    op: int
    anew: bool


Change: TypeAlias = Renewal | Release | Reset


@frozen
class Lease:
    """What held the message before operation `ended_by`; a fault that undoes the operation brings it back.

    None: an operation of an earlier life of the process, that only a power loss can undo.
    """

    receipt: str | None
    deadline: float
    least: int
    ended_by: int | None
    most: int = 0


@frozen(cache_hash=True)
class World:
    """One possible state of one message.

    `current` is the receipt of the newest delivery the store knows (None: none), hidden until `deadline`; `asked` are
    the acks and `changes` the rest that may still take effect; `settled` is how firmly an ack is kept, by operation
    `by`.

    `unconfirmed` are the changes that took effect and were not answered OK, `older` what a fault may bring back, and
    `loose` says that a power loss may take the newest delivery. `shaky` are the resets that took effect and that a
    fault may undo, and then they may take effect again. `least` and `most` bound the deliveries that the store has
    counted, `sure` those that survive a power loss; `dead` says that they were too many.

    Nobody knows when the store made a delivery that was never answered (`UNSEEN`): it ends at `earliest` or later, and
    at `deadline` at the latest.
    """

    current: str | None = None
    deadline: float = NEVER
    asked: frozenset[int] = frozenset()
    settled: Settled = Settled.NO
    by: int | None = None
    changes: frozenset[Change] = frozenset()
    unconfirmed: frozenset[int] = frozenset()
    older: frozenset[Lease] = frozenset()
    loose: bool = False
    shaky: frozenset[Change] = frozenset()
    least: int = 0
    most: int = 0
    sure: int = 0
    dead: bool = False
    earliest: float = NEVER

    @property
    def free_at(self) -> float:
        """When the message may come again, at the earliest."""
        return self.earliest if self.current == UNSEEN else self.deadline

    @property
    def gone(self) -> bool:
        """Whether it is settled or dead: it never comes again."""
        return self.dead or self.settled is not Settled.NO

    @property
    def most_if_undone(self) -> int:
        """How many deliveries the store has counted at most, should a fault bring back what held the message before."""
        return max([self.most, *(lease.most for lease in self.older)])

    @property
    def resets(self) -> frozenset[Change]:
        """The changes that do not go with the delivery."""
        return (
            frozenset(change for change in self.changes if isinstance(change, Reset)) if self.changes else frozenset()
        )

    def exhausted(self, claim: Claim, at: float) -> bool:
        """Tell whether it may be a dead letter at that time: its last attempt may have ended."""
        return claim.max_attempts is not None and self.most >= claim.max_attempts and at >= self.free_at

    def unheard(self, *ops: int) -> World:
        """Return the same world when these operations get no answer any more: what they may do is as before."""
        if not ops:
            return self
        gone = frozenset(ops)
        return evolve(
            self,
            asked=frozenset(UNHEARD if op in gone else op for op in self.asked),
            by=UNHEARD if self.by in gone else self.by,
            changes=frozenset(_unheard(change, gone) for change in self.changes),
            unconfirmed=frozenset(UNHEARD if op in gone else op for op in self.unconfirmed),
            older=frozenset(
                evolve(lease, ended_by=UNHEARD)
                if lease.ended_by in gone and lease.ended_by in self.unconfirmed
                else lease
                for lease in self.older
            ),
            shaky=frozenset(_unheard(change, gone) for change in self.shaky),
        )

    @property
    def open_changes(self) -> int:
        """How many changes may still be answered or take effect, but for resets that nobody will be answered."""
        changes = [change for change in self.changes if change.op != UNHEARD or not isinstance(change, Reset)]
        return len(changes) + len(self.unconfirmed - {UNHEARD})

    @property
    def open_ops(self) -> frozenset[int]:
        """The operations that it knows of and that may still be answered."""
        by = frozenset() if self.by is None else frozenset({self.by})
        return (self.asked | by | self.unconfirmed | {change.op for change in self.changes | self.shaky}) - {UNHEARD}

    def without(self, op: int) -> World:
        """Return the same world with this change neither to come nor unconfirmed."""
        left = frozenset(change for change in self.changes if change.op != op)
        return evolve(self, changes=left, unconfirmed=self.unconfirmed - {op})


Value = TypeVar("Value", bound=World | Lease | Change)

_PLACES = {
    kind: {each.name: place for place, each in enumerate(fields(kind))}
    for kind in (World, Lease, Renewal, Release, Reset)
}
_VALUES = {kind: attrgetter(*places, "__class__") for kind, places in _PLACES.items()}


def evolve(value: Value, **changes: Any) -> Value:
    """Return a copy with these changes, as `attrs.evolve` does, in a fifth of the time."""
    kind: type[Any] = type(value)
    *values, _kind = _VALUES[kind](value)
    places = _PLACES[kind]
    for name, changed in changes.items():
        values[places[name]] = changed
    return cast("Value", kind(*values))


def _unheard(change: Change, ops: frozenset[int]) -> Change:
    return evolve(change, op=UNHEARD) if change.op in ops else change


def drift(world: World) -> tuple[World, ...]:
    """Return what a world may have become unobserved: an ack or a change took effect, or came closer to the disk."""
    if not world.changes and (world.settled is Settled.DURABLE or not (world.asked or world.settled)):
        return (world,)
    found, left = {world}, [world]
    while left:
        for reached in _next(left.pop()):
            if reached not in found:
                found.add(reached)
                left.append(reached)
    return tuple(found)


def _next(world: World) -> Iterator[World]:
    """Yield what may happen next in a world."""
    if world.settled is not Settled.NO:
        yield from (evolve(world, settled=kept) for kept in Settled if kept > world.settled)
    else:
        for op in world.asked:
            yield from (evolve(world, settled=kept, by=op) for kept in Settled if kept is not Settled.NO)
    for change in world.changes:
        if isinstance(change, Reset) or not world.gone:
            yield took_effect(world, change)


def took_effect(world: World, change: Change) -> World:
    """Return the world after a change."""
    older = world.older | {Lease(world.current, world.deadline, world.least, change.op, world.most)}
    unconfirmed = world.unconfirmed | {change.op}
    match change:
        case Renewal(deadline=deadline):
            left = world.changes - {change}
            return evolve(world, deadline=deadline, changes=left, unconfirmed=unconfirmed, older=older)
        case Release():
            return evolve(
                world,
                current=None,
                deadline=NEVER,
                earliest=NEVER,
                asked=frozenset(),
                changes=world.resets,
                unconfirmed=unconfirmed,
                older=older,
            )
        case Reset(anew=anew):
            settled = Settled.NO if anew else Settled.DURABLE
            left = world.resets if change.op == UNHEARD else world.resets - {change}
            shaky = world.shaky | {change}
            before = frozenset(evolve(lease, ended_by=change.op) for lease in older)
            return World(settled=settled, changes=left, unconfirmed=unconfirmed, older=before, shaky=shaky)
