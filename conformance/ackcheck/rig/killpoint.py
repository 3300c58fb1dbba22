"""Until when a target is kept busy, so that calls are under way when the fault comes.

    >>> import random
    >>> choose_kill(random.Random(1), requests=100) == choose_kill(random.Random(1), requests=100)
    True

A kill point is either a count of replies, which finds the order of effects, or a delay, which finds the middle of one:
a delay below a millisecond ends inside a write or a sync.
"""

from __future__ import annotations

import random
from typing import TypeAlias

from attrs import frozen


@frozen
class AfterReplies:
    """As soon as this many replies have been received."""

    count: int


@frozen
class AfterDelay:
    """This long after the first request was sent."""

    seconds: float


KillPoint: TypeAlias = AfterReplies | AfterDelay


def choose_kill(rng: random.Random, *, requests: int, longest: float = 0.005) -> KillPoint:
    """Return a kill point for a run of `requests` requests, by seed; half are counts, half are delays.

    Delays run from 0 to `longest` seconds, evenly on a logarithmic scale above 10 microseconds, so that every seed
    family tries the very short ones.
    """
    if rng.random() < 0.5:
        return AfterReplies(rng.randint(0, requests))
    return AfterDelay(1e-5 * (longest / 1e-5) ** rng.random())
