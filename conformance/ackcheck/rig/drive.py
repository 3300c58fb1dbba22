"""Keeps a target busy until a chosen point, so that requests are in flight when the fault comes.

    >>> import random
    >>> choose_kill(random.Random(1), requests=100) == choose_kill(random.Random(1), requests=100)
    True

A kill point is either a count of replies, which finds the order of effects, or a delay, which finds
the middle of one: a delay below a millisecond ends inside a write or a sync.
"""

import random
import time
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from ackcheck.rig.child import Child, Exchange, Killed

WINDOW = 32
"""Requests kept in flight, unless told otherwise."""


@frozen
class AfterReplies:
    """As soon as this many replies have been received."""

    count: int


@frozen
class AfterDelay:
    """This long after the first request was sent."""

    seconds: float


WATCHED = 0.002
"""Seconds before a delay ends that are spent awake; sleeping is not exact to the microsecond."""

KillPoint = AfterReplies | AfterDelay


def choose_kill(rng: random.Random, *, requests: int, longest: float = 0.005) -> KillPoint:
    """Return a kill point for a run of `requests` requests, by seed; half are counts, half are delays.

    Delays run from 0 to `longest` seconds, evenly on a logarithmic scale above 10 microseconds, so
    that every seed family tries the very short ones.
    """
    if rng.random() < 0.5:
        return AfterReplies(rng.randint(0, requests))
    return AfterDelay(1e-5 * (longest / 1e-5) ** rng.random())


def drive(
    child: Child,
    requests: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    until: KillPoint,
    window: int = WINDOW,
) -> tuple[Exchange, ...]:
    """Pipeline requests, up to `window` at once, until the point; returns what was answered.

    At the point it returns at once and leaves the rest in flight, for `Child.kill` to account for;
    replies that come together may overshoot a count, by less than a window.
    Requests that run out before the point end the run early, when the last reply is in. Raises as
    `Child.receive` does.
    """
    coming = iter(requests)
    exhausted = False
    answered: list[Exchange] = []
    began = time.perf_counter()
    while not _reached(until, began, len(answered)):
        room = not exhausted and child.in_flight < window
        if room:
            following = next(coming, None)
            exhausted = following is None
            if following is not None:
                child.send(following[0], **following[1])
        answered += child.poll(0.0 if room else _patience(until, began))
        if exhausted and not child.in_flight:
            break
        if not room and not _reached(until, began, len(answered)) and isinstance(until, AfterReplies):
            answered.append(child.receive())
    return tuple(answered)


def _patience(point: KillPoint, began: float) -> float:
    """Return how long to sleep on the pipes: the last milliseconds before a delay ends are watched."""
    if isinstance(point, AfterReplies):
        return 0.0
    return max(0.0, point.seconds - (time.perf_counter() - began) - WATCHED)


def _reached(point: KillPoint, began: float, answered: int) -> bool:
    if isinstance(point, AfterReplies):
        return answered >= point.count
    return time.perf_counter() - began >= point.seconds


def run_until_killed(
    child: Child,
    requests: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    at: KillPoint,
    window: int = WINDOW,
) -> Killed:
    """`drive` until the point, then SIGKILL. Says what was answered, in order, and what was not."""
    answered = drive(child, requests, until=at, window=window)
    killed = child.kill()
    return evolve(killed, answered=(*answered, *killed.answered))
