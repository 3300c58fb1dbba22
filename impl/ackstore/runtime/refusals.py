"""Why a store does no more for a caller, in words that say what to do.

>>> from pathlib import Path
>>> refusal(Path("acks"), StoreClosed("closed while a write hung"), opened_by=7)
StoreClosed('the store is closed: open it again')
>>> print(stalled(Path("acks"), 2.0))
the store at acks has been in a write for 2.0 seconds, and nothing was done: see to the disk, and try again
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb

from ackstore.words.errors import StoreBroken, StoreClosed, StoreForked, StoreStalled


def left_behind(path: Path, opened_by: int) -> StoreForked:
    """Return why a child of the process that opened the store does nothing."""
    return StoreForked(f"the store at {path} belongs to process {opened_by}, not to its child")


def refusal(path: Path, broken: BaseException | None, opened_by: int) -> StoreBroken | StoreClosed | StoreForked:
    """Return what a call of a store raises that does nothing any more; `broken` says why it does not."""
    if isinstance(broken, StoreForked):
        return StoreForked(
            f"the store at {path} was opened by process {opened_by}, and this is process {os.getpid()}, forked from "
            "it: ask that process, or open a store in another directory"
        )
    if isinstance(broken, StoreClosed):
        return StoreClosed("the store is closed: open it again")
    return StoreBroken(f"the store at {path} is broken: close it, and open it again")


def stalled(path: Path, seconds: float) -> StoreStalled:
    """Return what a call raises that nobody could let in."""
    return StoreStalled(
        f"the store at {path} has been in a write for {seconds} seconds, and nothing was done: see to the disk, and "
        "try again"
    )


def forget_frames(broken: BaseException | None) -> None:
    """Let go of what the frames of a store's own functions hold, where it broke: an open file, for as long as anybody
    has the exception. Those of its callers keep theirs, for whoever looks into it."""
    for frame, _line in walk_tb(broken.__traceback__ if broken else None):
        if str(frame.f_globals.get("__name__")).startswith("ackstore."):
            with suppress(RuntimeError):  # it is still running
                frame.clear()
