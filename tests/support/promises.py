"""What a store owes the clients of a queue, and what the queue shows once it is recovered.

`Promises` notes what was asked for and what was answered. `look_at` asks a recovered queue when each of its messages is
handed out again, and in which attempt: it waits from deadline to deadline, and takes what there is.

>>> promises = Promises()
>>> pop = promises.ask(30.0)
>>> promises.deadlines(0, None) == {AT_ONCE, 30.0}
True
>>> promises.tell(pop, {0: 1})
>>> promises.told[0]
Held(attempt=1, deadline=30.0, move=0)
>>> _ = promises.ask(60.0, {0: 1})
>>> promises.deadlines(0, promises.told[0]) == {30.0, 60.0}
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import Factory, define, field, frozen

from ackstore.core.queues import Queue
from ackstore.format.records import DEAD
from ackstore.words.replies import DeadLetter

AT_ONCE = 0.0
"""The deadline of what nobody has: it was never handed out, or was given back."""


@define(eq=False)
class Move:
    """A pop, renewal or release that was asked for: it gives messages a deadline."""

    deadline: float
    attempts: Mapping[int, int] | None
    """In which attempt it left which message; None while nobody was told which."""

    def may_concern(self, offset: int) -> bool:
        """Whether it may have given this message its deadline."""
        return self.attempts is None or offset in self.attempts


@frozen
class Held:
    """A delivery, as the client knows that has it."""

    attempt: int
    deadline: float
    move: int
    """Which of the queue's moves gave it that deadline."""


@define
class Promises:
    """What the store owes its clients, of one queue."""

    cached: set[int] = Factory(set)
    """Answered OK: settled after a process crash."""
    durable: set[int] = Factory(set)
    """Told to be durable, or covered by a barrier: settled after a power loss too."""
    asked: set[int] = Factory(set)
    """An ack was asked for: may be settled."""
    moves: list[Move] = Factory(list)
    """All that was asked for and moves deadlines, in that order."""
    told: dict[int, Held] = Factory(dict)
    """Deliveries whose pop, renewal or release was answered OK."""
    kept: dict[int, Held] = Factory(dict)
    """The same of what was answered at DISK, or before a barrier: so it is after a power loss too."""
    dead: dict[int, DeadLetter] = Factory(dict)
    """Listed as dead letters."""
    offset: int = 0
    """The highest offset that was on disk since the last reset."""
    resets: int = 0
    """Resets answered OK."""
    reset_asked: bool = False
    """A reset is on its way: what it changes cannot be judged."""

    def ask(self, deadline: float, attempts: Mapping[int, int] | None = None) -> Move:
        """Note that messages are to have a deadline; without `attempts` it is not known which."""
        self.moves.append(Move(deadline, attempts))
        return self.moves[-1]

    def tell(self, move: Move, attempts: Mapping[int, int]) -> None:
        """Note that this was answered: these messages have the deadline, no others, and they are in that attempt."""
        move.attempts = attempts
        if move in self.moves:  # it was asked for since the last reset
            number = self.moves.index(move)
            self.told.update({offset: Held(attempt, move.deadline, number) for offset, attempt in attempts.items()})

    def keep(self, told: Mapping[int, Held]) -> None:
        """Note that these deliveries are on the disk, or later ones of the same messages."""
        for offset, held in told.items():
            if offset not in self.kept or self.kept[offset].move < held.move:
                self.kept[offset] = held

    def lose_power(self) -> None:
        """Let go of what need not survive that."""
        self.cached &= self.durable
        self.told = dict(self.kept)

    def deadlines(self, offset: int, held: Held | None) -> set[float]:
        """What a message's deadline may be that is `held`: that one, or one that was asked for later."""
        later = self.moves if held is None else self.moves[held.move + 1 :]
        first = AT_ONCE if held is None else held.deadline
        return {first, *(move.deadline for move in later if move.may_concern(offset))}

    def may_be_settled(self, offset: int, most: int | None, now: float) -> bool:
        """Whether an ack was asked for, or the last of at most this many attempts may be over."""
        if offset in self.asked or most is None:
            return offset in self.asked
        moves = [move for move in self.moves if move.may_concern(offset)]
        known = max((move.attempts[offset] for move in moves if move.attempts is not None), default=0)
        unknown = sum(move.attempts is None for move in moves)
        return known + unknown >= most and any(move.deadline <= now for move in moves)


@frozen
class Back:
    """How a message comes back: when, and in which attempt."""

    due: float
    attempt: int


@frozen
class Seen:
    """What a recovered queue shows of itself."""

    generation: int
    floor: int
    committed: int
    next_new: int
    dead: Mapping[int, DeadLetter]
    """Listed as dead letters, or to be listed once the DEAD record that was read is proved."""
    taken: frozenset[int] = field(repr=False)
    """Messages from the floor on that are settled, or of which an ack was read that is not proved yet."""
    returns: Mapping[int, Back] = field(repr=False)
    """When each of the others was handed out, or had its last attempt behind it."""

    def never_returns(self, offset: int) -> bool:
        """Whether nobody gets the message again."""
        return offset < self.floor or offset in self.taken

    def back(self, offset: int) -> Back | None:
        """How the message comes back; None for never, though it is not settled."""
        return self.returns.get(offset) or (Back(AT_ONCE, 1) if offset >= self.next_new else None)


def look_at(queue: Queue) -> Seen:
    """Return what a queue shows, and hand out all of its messages doing so."""
    entries = queue.entries.values()
    dying = [(entry, entry.ack.value) for entry in entries if entry.ack is not None and entry.ack.kind == DEAD]
    seen = Seen(
        queue.generation,
        queue.floor,
        queue.committed,
        queue.next_new,
        queue.dead | {entry.offset: DeadLetter(entry.offset, entry.attempt, when) for entry, when in dying},
        frozenset(entry.offset for entry in entries if entry.settled or entry.ack is not None),
        returns := {},
    )
    for deadline in sorted({AT_ONCE, *(entry.deadline for entry in entries)}):
        for now in (math.nextafter(deadline, -math.inf), deadline):
            due = max(now, AT_ONCE)
            for claim in queue.claim(1000, now=now, deadline=math.inf, epoch=0, limit=1 << 30):
                returns[claim.entry.offset] = Back(due, claim.entry.attempt)
            for entry in queue.exhausted(now, 1000):
                returns[entry.offset] = Back(due, entry.attempt + 1)
    return seen
