"""The store's clock.

>>> clock = wall_clock()
>>> abs(clock() - time.time()) < 1.0
True
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ackstore.fastpath import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fastpath.plain.basics import Clock
else:
    from ackstore.fastpath.compiled.basics import Clock


def wall_clock(at_least: float = 0.0) -> Callable[[], float]:
    """Return a clock that shows wall time when made, or `at_least` that, and from then on only goes forward, also
    while the machine sleeps: nobody who sets the system's clock can delay a sync or bring a deadline nearer."""
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Clock(max(time.time(), at_least) - time.clock_gettime(source), source)
