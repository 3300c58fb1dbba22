"""The compiled parts of the store where there are any, and the plain ones elsewhere.

`ackstore.fastpath._fast` is built with the package where a C compiler is there. Nothing but speed depends on it; the
environment variable ACKSTORE_PURE, set to anything, keeps it out.

>>> clock = wall_clock()
>>> abs(clock() - time.time()) < 1.0, type(COMPILED)
(True, <class 'bool'>)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ackstore.fastpath.plain import (
    Clock,
    CoreFields,
    DiskFields,
    EntryFields,
    FileFields,
    FlusherFields,
    LaneFields,
    LogFields,
    MergeFields,
    QueueFields,
    RecordFields,
    SegmentFields,
    StoreFields,
    ack,
    ack_many,
    bytes_of,
    first_unsettled,
    replay_acks,
    settle,
    settle_run,
    settled_run,
    take_turns,
    timers_of,
    whole_records,
)

__all__ = [
    "COMPILED",
    "Clock",
    "CoreFields",
    "DiskFields",
    "EntryFields",
    "FileFields",
    "FlusherFields",
    "LaneFields",
    "LogFields",
    "MergeFields",
    "QueueFields",
    "RecordFields",
    "SegmentFields",
    "StoreFields",
    "ack",
    "ack_many",
    "bytes_of",
    "first_unsettled",
    "replay_acks",
    "settle",
    "settle_run",
    "settled_run",
    "take_turns",
    "timers_of",
    "wall_clock",
    "whole_records",
]

COMPILED = False
"""Whether acks go the compiled way."""

if not TYPE_CHECKING and not os.environ.get("ACKSTORE_PURE"):
    try:
        from ackstore.fastpath import _fast
    except ImportError:
        pass  # not built
    else:
        COMPILED = True
        globals().update({name: each for name in __all__ if (each := getattr(_fast, name, None)) is not None})


def wall_clock() -> Callable[[], float]:
    """A clock that shows wall time when it is made, and from then on only ever goes forward: nobody
    who sets the system's clock can delay a sync or bring a deadline nearer."""
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Clock(time.time() - time.clock_gettime(source), source)
