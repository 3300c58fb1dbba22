"""The contract: what may be observed of one message, and which clause is broken when something else is.

The contract is the black-box half of the specification. It keeps the set of worlds (`ackmodel.worlds`) that are still
possible; what the store may do unobserved widens the set, an observation narrows it, and an observation that empties
it is a violation.

>>> from ackmodel.events import AckAnswered, AckAsked, Popped, ProcessCrashed, Reply
>>> contract = Contract(Level.PAGE_CACHE)
>>> contract.observe(Popped("r1", at=0.0, deadline=30.0))
>>> contract.observe(AckAsked(1, "r1", at=1.0))
>>> contract.observe(AckAnswered(1, Reply.OK, at=1.0))
>>> contract.observe(ProcessCrashed())
>>> contract.observe(Popped("r2", at=99.0, deadline=129.0))
Traceback (most recent call last):
...
ackmodel.contract.ContractBroken: survives-process-crash: handed out again at 99.0, though its ack was answered OK
"""

from __future__ import annotations

from attrs import Factory, define

from . import events
from .clauses import Clause
from .events import Event, Reply
from .stages import Level
from .worlds import Settled, World, drift, possible_after


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
    """The worlds of one message that are still possible, for a store that claims `level`."""

    level: Level
    worlds: frozenset[World] = frozenset({World()})
    history: list[Event] = Factory(list)

    def observe(self, event: Event) -> None:
        """Take up one observation; raise `ContractBroken` if no world allows it."""
        left = frozenset(
            after for world in self.worlds for now in drift(world) for after in possible_after(event, now, self.level)
        )
        if not left:
            clause, why = blame(self.history, event, self.worlds)
            raise ContractBroken(clause, why, event, self.worlds, list(self.history))
        self.worlds = left
        self.history.append(event)

    def stakes(self, event: Event) -> tuple[Clause, ...]:
        """Return the clauses that observing `event` next would put to the test, whether they hold or not."""
        promised = _index_of_promise(self.history) is not None
        match event:
            case events.Popped():
                handed_out = any(isinstance(seen, events.Popped) for seen in self.history)
                return (Clause.NO_LIMBO, Clause.DEADLINE_IS_EXACT) if handed_out else ()
            case events.Absent() if promised:
                returned = events.Popped("", at=event.at, deadline=event.at)
                clause, _ = _blame_return(self.history, returned, frozenset())
                read_back = clause is Clause.FLUSH_REWRITES and _read_back(self.history)
                return (clause, Clause.RECOVERED_IS_CACHED) if read_back else (clause,)
            case events.Absent():
                return (Clause.NO_LIMBO,)
            case events.AckAnswered(reply=Reply.FAILED | Reply.BUSY | Reply.UNKNOWN):
                return (Clause.REPLY_NEVER_FALSE,)
            case events.AckAnswered():
                return (Clause.RECEIPT_IS_EXACT,)
        return ()

    @property
    def certainly_settled(self) -> bool:
        """Whether every world left has the message settled."""
        return all(world.settled is not Settled.NO for world in self.worlds)

    @property
    def certainly_unsettled(self) -> bool:
        """Whether no world left has the message settled, nor an ack that may still take effect."""
        return all(world.settled is Settled.NO and not world.asked for world in self.worlds)


def blame(history: list[Event], event: Event, worlds: frozenset[World]) -> tuple[Clause, str]:
    """Return the clause that an impossible `event` breaks, and why, from what had been observed before it."""
    match event:
        case events.Popped():
            return _blame_return(history, event, worlds)
        case events.Absent():
            return (
                Clause.NO_LIMBO,
                f"not settled, and yet it did not come though the queue was popped empty at {event.at}",
            )
        case events.AckAnswered(reply=Reply.OK | Reply.SETTLED):
            return (
                Clause.RECEIPT_IS_EXACT,
                f"operation {event.op} was answered {event.reply.value}, but did not name it",
            )
        case events.AckAnswered(reply=Reply.EXPIRED | Reply.INVALID) if all(w.settled is Settled.NO for w in worlds):
            return (
                Clause.RECEIPT_IS_EXACT,
                f"operation {event.op} had the current receipt in time, and was answered {event.reply.value}",
            )
        case events.AckAnswered():
            return (
                Clause.REPLY_NEVER_FALSE,
                f"operation {event.op} was answered {event.reply.value}, but had taken effect",
            )
        case events.MadeDurable():
            return Clause.REPLY_NEVER_FALSE, f"said to be durable ({event.by}), but it was not even settled"
    raise AssertionError(f"{event!r} is possible in every world")


def _blame_return(history: list[Event], event: events.Popped, worlds: frozenset[World]) -> tuple[Clause, str]:
    if any(world.settled is Settled.NO for world in worlds):
        return Clause.DEADLINE_IS_EXACT, f"handed out again at {event.at}, before its deadline"
    promised = _index_of_promise(history)
    if promised is None:
        return Clause.NO_RETURN, f"handed out again at {event.at}, though it was seen to be settled"
    since, told = history[promised:], history[: promised + 1]
    how = "made durable" if isinstance(history[promised], events.MadeDurable) else "answered OK"
    why = f"handed out again at {event.at}, though its ack was {how}"
    before = told[max(index for index, seen in enumerate(told) if isinstance(seen, events.AckAsked)) :]
    if events.PowerLost() in since:
        return _blame_power_loss(before), why + " before the power was lost"
    if events.WriteFailed() in before:
        return Clause.REPLY_NEVER_FALSE, why + ", and a write had failed"
    if events.ProcessCrashed() in since:
        return Clause.SURVIVES_PROCESS_CRASH, why
    if events.Restarted() in since:
        return Clause.CLOSE_DRAINS, why + " before a clean restart"
    return Clause.NO_RETURN, why


def _index_of_promise(history: list[Event]) -> int | None:
    """Return where the strongest promise that still stands was made, if any was: the last barrier, or else the OK."""
    popped = max((index for index, seen in enumerate(history) if isinstance(seen, events.Popped)), default=0)
    durable, answered = [], []
    for index, seen in enumerate(history[popped:], popped):
        if isinstance(seen, events.MadeDurable):
            durable.append(index)
        elif isinstance(seen, events.AckAnswered) and seen.reply in (Reply.OK, Reply.SETTLED):
            answered.append(index)
    return max(durable or answered, default=None)


def _blame_power_loss(before: list[Event]) -> Clause:
    """Return the clause by what was seen from the asking of the ack to the promise that it would survive."""
    if events.ProcessCrashed() in before:  # the promise was made by a store that had read the ack from the log
        return _recovered_too_soon(before)
    outcomes = [seen.outcome for seen in before if isinstance(seen, events.SyncEnded)]
    if "failed" in outcomes:
        later = outcomes[outcomes.index("failed") + 1 :]
        return Clause.FLUSH_REWRITES if "ok" in later else Clause.FLUSH_IS_REAL
    if "timed out" in outcomes and "ok" not in outcomes:
        return Clause.REPLY_NEVER_FALSE
    return Clause.FLUSH_IS_REAL if before[-1] == events.MadeDurable(by="stage") else Clause.SURVIVES_POWER_LOSS


def _recovered_too_soon(before: list[Event]) -> Clause:
    """Return the clause that a promise breaks which was made on a record that recovery had read."""
    since_crash = before[::-1][: before[::-1].index(events.ProcessCrashed())]
    return Clause.FLUSH_REWRITES if events.SyncEnded("ok") in since_crash else Clause.RECOVERED_IS_CACHED


def _read_back(history: list[Event]) -> bool:
    """Return whether the strongest promise was made after a process crash that the ack had come through."""
    promised = _index_of_promise(history)
    asked = max(index for index, seen in enumerate(history[:promised]) if isinstance(seen, events.AckAsked))
    return events.ProcessCrashed() in history[asked:promised]
