"""The clauses that are judged on a whole store, from what it shows of itself and of its I/O.

`ackmodel.observe.contract` judges one message by its replies alone. A store that can be looked into (the capability
"observation") shows more: its offsets, what it holds for flushed, what is outstanding. Each function here is named as
its clause, and returns why the clause is broken, or None.

>>> commit_is_monotone(Sighting(committed=3, persisted=2), Sighting(committed=1, persisted=1), kept=2, restarted=True)
'the offset went back to 1, though 2 was on the disk'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from attrs import frozen

from ..spec.stages import Level


@frozen
class Sighting:
    """What a store shows of one queue: the offset in memory, and the offset it holds to be on the disk."""

    committed: int
    persisted: int


@frozen
class IoCounts:
    """How many writes, syncs and directory syncs have returned success so far, and how many syncs had begun.

    `covered` counts the writes that had returned when the newest successful sync began.
    """

    writes: int = 0
    covered: int = 0


def commit_is_monotone(before: Sighting | None, now: Sighting, *, kept: int, restarted: bool) -> str | None:
    """Check that neither offset ever goes back, but at a restart: then to no less than the most that was held to be on
    the disk, which is `kept`. What is on the disk a store that was restarted may first have to prove.
    """
    if now.committed < kept:
        return f"the offset went back to {now.committed}, though {kept} was on the disk"
    if before is None or restarted:
        return None
    if now.committed < before.committed:
        return f"the offset went back from {before.committed} to {now.committed}"
    if now.persisted < before.persisted:
        return f"the offset on the disk went back from {before.persisted} to {now.persisted}"
    return None


def commit_is_safe(now: Sighting, *, unsettled: Iterable[int], unflushed: Iterable[int]) -> str | None:
    """Check that the offset passes no message that is certainly not acknowledged, nor one whose ack is unflushed yet.

    For the policy `ack`; under the policy `checkpoint` only the contract can tell, when the message does not return.
    """
    for index in sorted(unflushed):
        if index < now.committed:
            return f"the offset is {now.committed}, and the ack of message {index} is not flushed"
    return derived_never_ahead(now, unsettled)


def derived_never_ahead(now: Sighting, unsettled: Iterable[int]) -> str | None:
    """Check that the offset with which a store comes up has passed no message that is certainly not acknowledged."""
    for index in sorted(unsettled):
        if index < now.committed:
            return f"the offset is {now.committed}, and message {index} is not acknowledged"
    return None


def flush_degrades(refused: str | None) -> str | None:
    """Check that on a disk that works again the store answers again: `refused` is the reply that says otherwise."""
    return f"still answered {refused}, on a disk that works" if refused else None


def commit_progresses(now: Sighting, settled: int, end: int) -> str | None:
    """Check that with nothing to do the offset has passed the first `settled` of `end` messages, which are settled and
    flushed, and is on the disk: with messages in hand too, and at the end if none is left.
    """
    if settled <= now.committed <= end and now.persisted == now.committed:
        return None
    which = f"all {end} messages" if settled == end else f"the first {settled} messages"
    return f"{which} are settled and flushed, and the offset is {now.committed} ({now.persisted} on the disk)"


def quiescence_is_zero(outstanding: Mapping[str, float]) -> str | None:
    """Check that with nothing to do every counter, buffer and queue is at zero."""
    left = {name: count for name, count in outstanding.items() if count}
    return "nothing is outstanding, and yet: " + ", ".join(f"{k} = {v}" for k, v in left.items()) if left else None


def flush_when_idle(unflushed: int, idle: float, interval: float) -> str | None:
    """Check that with a disk that works nothing stays unflushed for longer than the flush interval."""
    if unflushed and idle > interval:
        return f"{unflushed} records are unflushed after {idle:g} s on a working disk; the interval is {interval:g} s"
    return None


def reply_after_stage(level: Level, asked: IoCounts, answered: IoCounts) -> str | None:
    """Check that before an OK something was written; at DISK, a sync that began after that returned success."""
    if answered.writes <= asked.writes:
        return "answered OK, and nothing was written since it was asked"
    if level is Level.DISK and answered.covered <= asked.writes:
        return "answered OK, and no sync that began after a write of it has returned success"
    return None


def close_drains(reply: str, unanswered: int, unflushed: int) -> str | None:
    """Check that a close that has answered left no operation without an answer; after OK, no record unflushed."""
    if unanswered:
        return f"close was answered {reply}, and {unanswered} operations were not"
    if unflushed and reply == "OK":
        return f"close was answered OK, and {unflushed} records are unflushed"
    return None


def memory_is_bounded(outstanding: Mapping[str, float], limits: Mapping[str, float]) -> str | None:
    """Check that what is outstanding stays within the limits, whatever the disk does."""
    over = [
        f"{name} = {outstanding[name]:g} (at most {most:g})"
        for name, most in limits.items()
        if outstanding[name] > most
    ]
    return "over its limit: " + ", ".join(over) if over else None


def submitted_is_written(submitted: Set[str], written: Set[str], answered: Set[str]) -> str | None:
    """Check, by receipt, that no ack is written that nobody submitted, and none answered OK that was not written."""
    if strange := written - submitted:
        return f"the ack of {min(strange)} was written, and nobody submitted it"
    if lost := answered - written:
        return f"the ack of {min(lost)} was answered OK, and no write held it"
    return None


def reply_exactly_once(op: int, answers: int) -> str | None:
    """Check that no operation is answered twice."""
    return f"operation {op} was answered {answers} times" if answers > 1 else None


SLOW = 0.2
"""Seconds after which a store may have given up an I/O, or said that it does not know what becomes of it (clause
unknown-has-a-cause)."""


def unknown_has_a_cause(what: str, *, trouble: bool) -> str | None:
    """Check that UNKNOWN is said only of what was under way while some I/O failed, or took long."""
    return None if trouble else f"{what} was answered UNKNOWN, and meanwhile no I/O had failed, nor taken long"


def written_once(receipt: str, copies: int, causes: int) -> str | None:
    """Check that an ack is written once, and again only for a cause: an I/O that failed or took long, or a stop."""
    if copies <= 1 + causes:
        return None
    return f"the ack of {receipt} was written {copies} times, and {causes} times something had happened that is a cause"


def space_is_bounded(held: float, most: float) -> str | None:
    """Check that a store with nothing to keep takes up no more room than it says, whatever went through it."""
    if held <= most:
        return None
    return f"nothing is left to keep, and the directory holds {held:.0f} bytes; it is said to hold at most {most:.0f}"
