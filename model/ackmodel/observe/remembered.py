"""What the oracle has reckoned once, and need not again: many messages are in the same worlds, and are observed alike.

Each function remembers so many results at most. Who measures the memory of a process that an oracle runs in can have
them forgotten first: until they are all there, a process grows by tens of MiB, the longer the slower it is.

>>> @remembered
... def square(number: int) -> int:
...     print(f"reckoned for {number}")
...     return number * number
>>> square(3), square(3)
reckoned for 3
(9, 9)
>>> forget_remembered(); square(3)
reckoned for 3
9
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = 10_000
"""Results that are remembered of each function; the one that was not asked for the longest goes first."""

_forget: list[Callable[[], Any]] = []


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """Have the results of a function remembered, whose arguments can be hashed."""
    cached = lru_cache(maxsize=MOST)(function)
    _forget.append(cached.cache_clear)
    return cast(Callable[P, T], cached)


def forget_remembered() -> None:
    """Forget all results; they are reckoned again when they are needed."""
    for forget in _forget:
        forget()
