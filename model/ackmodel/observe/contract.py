"""The contract: what may be observed of one message, and which clause is broken when something else is.

The contract is the black-box half of the specification. It keeps the set of worlds (`ackmodel.observe.worlds`) that are
still possible; what the store may do unobserved widens the set, an observation (`ackmodel.observe.possible`) narrows
it, and one that empties it is a violation, which `ackmodel.observe.blame` puts down to a clause.

>>> from .events import AckAnswered, AckAsked, Popped, ProcessCrashed, Reply
>>> contract = Contract(Level.PAGE_CACHE)
>>> contract.observe(Popped("r1", at=0.0, deadline=30.0))
>>> contract.observe(AckAsked(1, "r1", at=1.0))
>>> contract.observe(AckAnswered(1, Reply.OK, at=1.0))
>>> contract.observe(ProcessCrashed())
>>> try:
...     contract.observe(Popped("r2", at=99, deadline=129.0))
... except ContractBroken as error:
...     print(error)
survives-process-crash: handed out again at 99, though its ack was answered OK
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import Factory, define, evolve, field

from ..spec.clauses import Clause
from ..spec.stages import Level
from .blame import blame, is_lost_dead_letter, was_reset
from .domination import drifted, undominated
from .events import (
    Absent,
    AckAnswered,
    ChangeAnswered,
    ClockSetBack,
    DeadLettered,
    Event,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    RenewAsked,
    Reply,
    ResetAnswered,
)
from .possible import UNAFFECTED, possible_after
from .remembered import remembered
from .tested import tested_by
from .worlds import UNSEEN, Claim, Settled, World

DENIALS = (Reply.FAILED, Reply.BUSY, Reply.EXPIRED, Reply.INVALID)
"""Replies that say that an operation took no effect."""

Answered: TypeAlias = AckAnswered | ChangeAnswered | ResetAnswered

ASKED: dict[type[Answered], str] = {
    AckAnswered: "an ack",
    ChangeAnswered: "a renewal or a release",
    ResetAnswered: "a reset",
}


@remembered
def _worlds_after(event: Event, worlds: frozenset[World], claim: Claim) -> frozenset[World]:
    """Return the worlds that an observation would leave. Many messages are in the same ones, and are observed alike."""
    return undominated(after for now in drifted(worlds) for after in possible_after(event, now, claim))


@remembered
def _certainly_unsettled(worlds: frozenset[World], limit: int | None) -> bool:
    return all(
        world.settled is Settled.NO
        and not (world.asked or world.resets or world.shaky)
        and not (limit is not None and world.most >= limit)
        for world in worlds
    )


def _overtaken(world: World, event: Event) -> World:
    """Return what a world is when an answer came that is of before a reset."""
    if not isinstance(event, AckAnswered | ChangeAnswered):
        return world
    return evolve(world.without(event.op), asked=world.asked - {event.op})


class ContractBroken(AssertionError):
    """An observation that no world allows.

    `clause` is the clause it breaks, `event` the observation, `worlds` the last set of worlds that was not empty, and
    `history` all that had been observed of the message before.
    """

    def __init__(self, clause: Clause, why: str, event: Event, worlds: frozenset[World], history: list[Event]):
        super().__init__(f"{clause.value}: {why}")
        self.clause = clause
        self.event = event
        self.worlds = worlds
        self.history = history


@define
class Contract:
    """The worlds of one message that are still possible, for a store that claims `level`.

    `max_attempts` is the number of deliveries after which it says to dead-letter a message; None: never.
    """

    level: Level
    worlds: frozenset[World] = frozenset({World()})
    history: list[Event] = Factory(list)
    max_attempts: int | None = None
    claim: Claim = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.claims(self.level)

    def claims(self, level: Level) -> None:
        """Hold what is answered from here on to what an OK promises at this level."""
        self.level = level
        self.claim = Claim(level, self.max_attempts)

    def observe(self, event: Event) -> None:
        """Take up one observation; raise `ContractBroken` if no world allows it."""
        if not isinstance(event, UNAFFECTED):
            left = self.worlds_after(event)
            if not left:
                clause, why = self._false_answer(event) or blame(self.history, event, self.worlds, self.claim)
                raise ContractBroken(clause, why, event, self.worlds, list(self.history))
            self.worlds = left
        self.history.append(event)

    def clock_set_back(self, at: float) -> None:
        """Take up that while the store was closed its clock was set back to this time."""
        again: dict[tuple[str, float], None] = {}
        lost = False
        for seen in self.history:
            match seen:
                case Popped(receipt=receipt, deadline=deadline) | RenewAsked(receipt=receipt, deadline=deadline):
                    again |= {(receipt, deadline): None} if deadline > at else {}
                case PopUnanswered(deadline=deadline):
                    again |= {(UNSEEN, deadline): None} if deadline > at else {}
                case PowerLost():
                    lost = lost or bool(again)
                case ProcessCrashed() if self.level is Level.MEMORY:
                    lost = lost or bool(again)
        if again:
            self.observe(ClockSetBack(tuple(again), lost))

    def perhaps(self, event: Event) -> None:
        """Take up an observation that may be of what came before a reset which was answered OK: then it says nothing of
        the message, and the operation has no effect any more."""
        possible = self.worlds_after(event)
        before = frozenset(_overtaken(world, event) for world in self.worlds)
        if possible:
            self.history.append(event)
        self.worlds = undominated(possible | before)

    def worlds_after(self, event: Event) -> frozenset[World]:
        """Return the worlds that an observation would leave, without taking it up."""
        return _worlds_after(event, self.worlds, self.claim)

    def _false_answer(self, event: Event) -> tuple[Clause, str] | None:
        """Return what falls if an operation took effect whose answer says that it did not: with an answer that says
        nothing in its place, the event would be possible.
        """
        may_have: tuple[type[Answered], ...]
        match event:
            case Popped(at=at):  # no ack brings a message back
                may_have, came = (ChangeAnswered, ResetAnswered), f"handed out at {at:g}"
            case Absent() if is_lost_dead_letter(event, self.worlds, self.claim):
                return None
            case Absent(at=at) | DeadLettered(at=at):
                may_have, came = tuple(ASKED), f"it did not come at {at:g}"
            case _:
                return None
        for index, seen in reversed(list(enumerate(self.history))):
            if isinstance(seen, may_have) and seen.reply in DENIALS:
                unsaid = [*self.history[:index], evolve(seen, reply=Reply.UNKNOWN), *self.history[index + 1 :]]
                if self._allows(unsaid, event):
                    what = f"{ASKED[type(seen)]} was answered {seen.reply.value}, and took effect"
                    return Clause.REPLY_NEVER_FALSE, f"{what}: {came}"
        return None

    def _allows(self, history: list[Event], event: Event) -> bool:
        """Tell whether an event would be possible after another history than that which was observed."""
        other = Contract(self.level, max_attempts=self.max_attempts)
        for seen in history:
            other.worlds = other.worlds_after(seen)
        return bool(other.worlds_after(event))

    def tested_by(self, event: Event) -> tuple[Clause, ...]:
        """Return the clauses that a store would break that showed the opposite of `event` next."""
        return tested_by(self.history, event, self.worlds, self.claim)

    @property
    def reset(self) -> bool:
        """Whether the offset of its queue was reset, for certain, and the message was not handed out since."""
        return was_reset(self.history)

    @property
    def certainly_settled(self) -> bool:
        """Whether every world left has the message settled, or a dead letter."""
        return all(world.gone for world in self.worlds)

    @property
    def certainly_durable(self) -> bool:
        """Whether every world left has it settled on the disk, by an ack or by a reset."""
        return all(world.settled is Settled.DURABLE for world in self.worlds)

    @property
    def certainly_unsettled(self) -> bool:
        """Whether no world left has the message settled, nor dead, nor an ack or a reset that may still take effect."""
        return _certainly_unsettled(self.worlds, self.max_attempts)
