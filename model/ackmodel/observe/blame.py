"""Which clause an impossible observation breaks, told from what had been observed before it.

>>> from .events import Absent, Popped
>>> blame([Popped("r1", at=0.0, deadline=30.0)], Absent(at=99.0), frozenset({World()}), Claim(Level.DISK))[0].value
'no-limbo'
"""

from __future__ import annotations

from attrs import evolve

from ..spec.clauses import Clause
from ..spec.stages import Level
from . import events
from .events import Event, Reply
from .possible import possible_after
from .worlds import Claim, Settled, World, drift

STOPS = (events.ProcessCrashed, events.PowerLost, events.Restarted)

LOSES = (
    Clause.SURVIVES_PROCESS_CRASH,
    Clause.SURVIVES_POWER_LOSS,
    Clause.RECOVERED_IS_CACHED,
    Clause.FLUSH_IS_REAL,
    Clause.FLUSH_REWRITES,
    Clause.REPLY_NEVER_FALSE,
    Clause.CLOSE_DRAINS,
    Clause.NO_RETURN,
    Clause.DEADLINE_IS_EXACT,
    Clause.NO_LIMBO,
    Clause.COMMIT_IS_MONOTONE,
    Clause.RETIRE_IS_SAFE,
)
"""Clauses that a store seems to break that goes on without what damage has taken."""


def blame(history: list[Event], event: Event, worlds: frozenset[World], claim: Claim) -> tuple[Clause, str]:
    """Return the clause that an impossible `event` breaks, and why, from what had been observed before it."""
    clause, why = _blame(history, event, worlds, claim)
    if clause in LOSES and events.Damaged in map(type, history):
        hurt = [seen.file for seen in history if isinstance(seen, events.Damaged)]
        return Clause.SURVIVES_POWER_LOSS, f"{why}; {hurt[-1]} had been damaged, and was not refused by its name"
    return clause, why


def _blame(history: list[Event], event: Event, worlds: frozenset[World], claim: Claim) -> tuple[Clause, str]:
    """Return the same of a store whose files nothing has damaged."""
    match event:
        case events.Popped(attempt=attempt) if _misnumbered(event, worlds, claim):
            why = f"handed out at {event.at} as delivery number {attempt}, and it is not that"
            return _blame_number(history, event, worlds), why
        case events.Popped(attempt=attempt) if _came_anew(history, event, worlds, claim):
            why = f"handed out at {event.at} as delivery number {attempt}, before its deadline: the one of that number"
            return _blame_number(history, event, worlds), f"{why} was lost"
        case events.Popped():
            return _blame_return(history, event, worlds, claim)
        case events.Absent():
            return _blame_absence(history, event, is_lost_dead_letter(event, worlds, claim))
        case events.DeadLettered(at=at) if index_of_promise(history) is None:
            return Clause.NO_LIMBO, f"a dead letter at {at}, though it had attempts left, or time"
        case events.DeadLettered(at=at):
            clause, why = _blame_return(history, events.Popped("", at=at, deadline=at), frozenset(), claim)
            return clause, why.replace("handed out again", "a dead letter")
        case events.AckAnswered() | events.ChangeAnswered() | events.ResetAnswered():
            return _blame_answer(history, event, worlds)
        case events.MadeDurable():
            return Clause.REPLY_NEVER_FALSE, f"said to be durable ({event.by}), but it was not even settled"
    raise AssertionError(f"{event!r} is possible in every world")


def _misnumbered(event: events.Popped, worlds: frozenset[World], claim: Claim) -> bool:
    """Tell whether it could be handed out now under another number, and never under this one: not even if it were not
    settled where it is."""
    if event.attempt is None:
        return False
    drifted = [now for world in worlds for now in drift(world)]
    another, later = evolve(event, attempt=None), evolve(event, at=float("inf"))
    unsettled = [evolve(now, settled=Settled.NO, by=None) for now in drifted]
    return any(possible_after(another, now, claim) for now in drifted) and not any(
        possible_after(later, now, claim) for now in unsettled
    )


def _came_anew(history: list[Event], event: events.Popped, worlds: frozenset[World], claim: Claim) -> bool:
    """Tell whether it came after a stop before its deadline, and under a number that was given before: then it is not
    its deadline alone that was forgotten. Not where it is known what took it."""
    if event.attempt is None or not _forgot(event, worlds):
        return False
    drifted = [now for world in worlds for now in drift(world)]
    if all(world.gone for world in drifted):
        return False
    stopped = any(isinstance(seen, STOPS) for seen in _since_popped(history))
    ever = any(possible_after(evolve(event, at=float("inf")), now, claim) for now in drifted)
    return stopped and not ever and not _discarded(history) and not was_reset(history)


def _forgot(event: events.Popped, worlds: frozenset[World]) -> bool:
    """Tell whether the number is that of a delivery of which the store had known."""
    return event.attempt is not None and all(event.attempt <= world.least for world in worlds)


def _blame_number(history: list[Event], event: events.Popped, worlds: frozenset[World]) -> Clause:
    """Return the clause that a wrong number breaks: a delivery is forgotten that was to survive what has happened
    since, or was never counted right."""
    recent = _since_popped(history)
    if not _forgot(event, worlds) or not any(isinstance(seen, STOPS) for seen in recent):
        return Clause.NO_LIMBO
    if events.PowerLost() in recent:
        before = recent[: recent.index(events.PowerLost())]
        secured = [index for index, seen in enumerate(before) if isinstance(seen, events.Secured)]
        promised = before[: secured[-1] + 1] if secured else before
        by_close = isinstance(promised[-1], events.Secured) and promised[-1].by == "close"
        return Clause.CLOSE_DRAINS if by_close else _blame_power_loss(promised)
    return Clause.SURVIVES_PROCESS_CRASH if events.ProcessCrashed() in recent else Clause.CLOSE_DRAINS


def is_lost_dead_letter(event: events.Absent, worlds: frozenset[World], claim: Claim) -> bool:
    """Tell whether all that is wrong is that it is not among the dead letters: it had its last delivery."""
    unseen = evolve(event, dead=None)
    drifted = (now for world in worlds for now in drift(world))
    return event.dead is False and any(possible_after(unseen, now, claim) for now in drifted)


def _blame_absence(history: list[Event], event: events.Absent, lost_dead_letter: bool) -> tuple[Clause, str]:
    """Return why a message should have come, or should not be listed as it is."""
    if event.dead and index_of_promise(history) is not None:
        return _blame(history, events.DeadLettered(event.at), frozenset(), Claim(Level.DISK))
    if event.dead:
        return Clause.NO_LIMBO, f"a dead letter at {event.at}, though it had attempts left, or time"
    why = f"not settled, and yet it did not come though the queue was popped empty at {event.at}"
    if event.dead is False:
        why += ", nor was it among the dead letters"
    if _made_as_new(history) and not lost_dead_letter:
        return Clause.COMMIT_IS_MONOTONE, why + ": the reset of the offset did not stick"
    if _discarded(history):
        return Clause.RETIRE_IS_SAFE, why + ": the file with its last record had been removed"
    if _renewed(history):
        why += ", after its renewed deadline"
    return Clause.NO_LIMBO, why  # late or lost: nobody has seen it come


def _blame_answer(
    history: list[Event],
    event: events.AckAnswered | events.ChangeAnswered | events.ResetAnswered,
    worlds: frozenset[World],
) -> tuple[Clause, str]:
    """Return what is wrong with an answer."""
    answered = f"operation {event.op} was answered {event.reply.value}"
    if event.reply in (Reply.OK, Reply.SETTLED):
        return Clause.RECEIPT_IS_EXACT, f"{answered}, {_why_over(history, event.op, event.reply)}"
    effective = any(world.settled is not Settled.NO or event.op in world.unconfirmed for world in worlds)
    if event.reply in (Reply.EXPIRED, Reply.INVALID) and not effective:
        return Clause.RECEIPT_IS_EXACT, f"{answered}, though it had the current receipt, in time"
    return Clause.REPLY_NEVER_FALSE, f"{answered}, but had taken effect"


def _why_over(history: list[Event], op: int, reply: Reply) -> str:
    """Return why the receipt of an operation settles, moves and gives back nothing, as far as is known."""
    asking = (events.AckAsked, events.RenewAsked, events.ReleaseAsked)
    asked = next((seen for seen in history if isinstance(seen, asking) and seen.op == op), None)
    given = [seen for seen in history if isinstance(seen, events.Popped)]
    if asked is None or not given or all(seen.receipt != asked.receipt for seen in given):
        return "but its receipt names nothing"
    if asked.receipt != given[-1].receipt:
        return "but its receipt is of an earlier delivery: the message has been handed out again"
    if index_of_promise(history) is not None:
        return "but the message had been settled"
    if asked.at < given[-1].deadline and not _renewed(history):
        return "but nothing had settled it" if reply is Reply.SETTLED else "but the delivery was over by then"
    when = "its renewed deadline had passed" if _renewed(history) else f"the deadline was {given[-1].deadline}"
    return f"but came too late: it was asked for at {asked.at}, and {when}"


def _blame_return(
    history: list[Event], event: events.Popped, worlds: frozenset[World], claim: Claim
) -> tuple[Clause, str]:
    """Return why a message should not have come again."""
    why = f"handed out again at {event.at}"
    open_worlds = [world for world in worlds if not world.gone]
    if was_reset(history):
        return Clause.COMMIT_IS_MONOTONE, f"{why}, though the offset was reset to beyond it"
    if open_worlds and _discarded(history):
        return Clause.RETIRE_IS_SAFE, f"{why}, before its deadline: the file with its last record had been removed"
    limit = claim.max_attempts
    spent = limit is not None and all(world.gone or world.least >= limit for world in worlds)
    if spent and (open_worlds or any(world.dead for world in worlds)):
        return Clause.NO_LIMBO, f"{why}, though it had been handed out {limit} times, and that is the limit"
    if open_worlds:
        renewed = "renewed " if _renewed(history) else ""
        return Clause.DEADLINE_IS_EXACT, f"{why}, before its {renewed}deadline"
    promised = index_of_promise(history)
    if promised is None:
        return Clause.NO_RETURN, f"{why}, though it was seen to be settled"
    by = history[promised]
    how = "made durable" if isinstance(by, events.MadeDurable) and by.by != "answer" else "answered OK"
    return _broken_promise(history, promised, f"{why}, though its ack was {how}")


def _broken_promise(history: list[Event], promised: int, why: str) -> tuple[Clause, str]:
    """Return the clause that falls if the promise made at `promised` is not kept."""
    since, told = history[_last_kept(history, promised) :], history[: promised + 1]
    before = told[max(index for index, seen in enumerate(told) if isinstance(seen, events.AckAsked)) :]
    if _discarded(history):
        return Clause.RETIRE_IS_SAFE, why + ", and the file with its last record had been removed"
    if history[promised] == events.MadeDurable(by="close"):
        return Clause.CLOSE_DRAINS, why + " by the close"
    if events.PowerLost() in since:
        return _blame_power_loss(before), why + " before the power was lost"
    if events.WriteFailed() in before:
        return Clause.REPLY_NEVER_FALSE, why + ", and a write had failed"
    if events.ProcessCrashed() in since:
        return Clause.SURVIVES_PROCESS_CRASH, why
    if events.Restarted in map(type, since):
        return Clause.CLOSE_DRAINS, why + " before a clean restart"
    return Clause.NO_RETURN, why


def _last_kept(history: list[Event], promised: int) -> int:
    """Return where the promise was last seen to be kept: the message stayed away though no deadline hid it."""
    hidden = [seen.deadline for seen in _since_popped(history) if isinstance(seen, events.Popped | events.RenewAsked)]
    until = max(hidden, default=float("-inf"))
    stayed = (index for index, seen in enumerate(history) if isinstance(seen, events.Absent) and seen.at >= until)
    return max([promised, *stayed])


def last_popped(history: list[Event]) -> int | None:
    """Return where the message was last handed out; None where it never was."""
    for at in range(len(history) - 1, -1, -1):
        if isinstance(history[at], events.Popped):
            return at
    return None


def _since_popped(history: list[Event]) -> list[Event]:
    """Return what was observed since the message was last handed out, that included."""
    return history[last_popped(history) or 0 :]


def was_reset(history: list[Event]) -> bool:
    """Tell whether a reset was answered OK, and the message was not handed out since."""
    return any(isinstance(seen, events.ResetAnswered) and seen.reply is Reply.OK for seen in _since_popped(history))


def _made_as_new(history: list[Event]) -> bool:
    """Tell whether a reset was asked for since the message was last handed out, and answered OK. One that had been
    asked for before may have been over by then."""
    recent = _since_popped(history)
    asked = {seen.op for seen in recent if isinstance(seen, events.ResetAsked)}
    answered = (seen for seen in recent if isinstance(seen, events.ResetAnswered) and seen.reply is Reply.OK)
    return any(seen.op in asked for seen in answered)


def _renewed(history: list[Event]) -> bool:
    """Tell whether the newest delivery was renewed, as far as is known."""
    recent = _since_popped(history)
    asked = {seen.op for seen in recent if isinstance(seen, events.RenewAsked)}
    answered = (seen for seen in recent if isinstance(seen, events.ChangeAnswered) and seen.reply is Reply.OK)
    return any(seen.op in asked for seen in answered)


def _discarded(history: list[Event]) -> bool:
    """Tell whether the last record on the disk was removed since the newest delivery, before a stop of the store."""
    recent = _since_popped(history)
    removed = [index for index, seen in enumerate(recent) if isinstance(seen, events.Discarded)]
    return bool(removed) and any(isinstance(seen, STOPS) for seen in recent[removed[0] :])


def index_of_promise(history: list[Event]) -> int | None:
    """Return where the strongest promise that still stands was made, if any was: the last barrier, or else the OK."""
    popped = last_popped(history) or 0
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


def read_back(history: list[Event], promised: int) -> bool:
    """Return whether the promise was made after a process crash that the ack had come through."""
    asked = max(index for index, seen in enumerate(history[:promised]) if isinstance(seen, events.AckAsked))
    return events.ProcessCrashed() in history[asked:promised]
