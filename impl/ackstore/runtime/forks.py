"""Stores after a fork: they belong to the process that opened them.

A child has the memory of its parent as it was, and the same files, but none of its threads. Were it to go on with the
store, both would write at the same places of one file, and give equal receipts for different deliveries. So in the
child every store that was open is left behind: each call is refused by name (`StoreForked`), nothing is written, and
the child lets go of the directory, so that it keeps nobody out when its parent is gone.

Only forks that Python makes are seen (`os.fork`, and what is built on it, such as `multiprocessing`): not those of
C code that calls the system itself and runs Python in the child.

>>> from unittest.mock import Mock
>>> driver = Mock()
>>> watch(driver, os.getpid())
>>> leave_behind()
>>> driver.leave_behind.assert_called_once()
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """What a fork concerns."""

    def leave_behind(self) -> None:
        """Leave the store to the parent: this is the child."""


_opened: WeakSet[Forkable] = WeakSet()


def watch(store: Forkable, process: int) -> None:
    """Have a store of this process told in every child, now too if this is one: one that was forked in the midst of
    opening, and goes on with it."""
    _opened.add(store)
    if os.getpid() != process:
        store.leave_behind()


def leave_behind() -> None:
    """Tell all of them: this is a child."""
    for store in list(_opened):
        store.leave_behind()


os.register_at_fork(after_in_child=leave_behind)
