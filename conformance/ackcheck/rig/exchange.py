"""A request to a target and its reply, and what was left of both when the target was killed.

>>> asked = Exchange(id=7, op="ack", arguments={"receipt": "r1"}, sent_ns=0, error=("OSError", "no space left"))
>>> asked.value()
Traceback (most recent call last):
...
ackcheck.rig.errors.TargetError: the target's 'ack' raised OSError: no space left
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ackcheck.hits import Fault, Hit
from ackcheck.rig.errors import TargetError


@frozen(kw_only=True)
class Exchange:
    """A request and, once it is there, its reply. Times are `time.monotonic_ns`."""

    id: int
    op: str
    arguments: Mapping[str, Any]
    sent_ns: int
    replied_ns: int | None = None
    result: Any = None
    error: tuple[str, str] | None = None
    """The type and message of the exception that the target answered with."""

    def value(self) -> Any:
        """Return the result; raises `TargetError` where the target raised."""
        if self.error is not None:
            raise TargetError(self.op, *self.error)
        return self.result


@frozen(kw_only=True)
class Killed:
    """What a killed target had answered (and nobody had received yet), and what it had not.

    An unanswered request may have taken effect or not. The rest is what the kill hit.
    """

    answered: tuple[Exchange, ...]
    unanswered: tuple[Exchange, ...]
    processes: tuple[int, ...] = ()
    """The numbers of the processes that were ended; none is left."""
    held_by: str = ""
    """By what they were held together."""
    wrote: int = 0
    """Files of the target's directory that were made, changed or removed since `Child.mark`, or its start."""
    strangers: tuple[str, ...] = ()
    """Processes that the target did not start, and that have files of its directory open for writing."""

    def hit(self, fault: Fault, *, lost: int = 0, refused: int = 0, peers: tuple[str, ...] = ()) -> Hit:
        """Return the fault of which this kill was a part, as it was seen to hit."""
        missed = ""
        if fault is Fault.FAILED_SYNC and not refused:
            missed = (
                "the disk refused no sync, though it was full: the target did not sync meanwhile, or wrote only to "
                "blocks that it had before (a log that is made in advance)"
            )
        if fault is Fault.STALLED_SYNC and not refused:
            missed = "the disk held no sync, though it would have held any: the target asked for none meanwhile"
        if self.strangers:
            missed = (
                f"{', '.join(self.strangers)} did not come of the target's command, has files of its directory open, "
                "and lived on: have the target start it, or name it with --server"
            )
        return Hit(fault, self.held_by, len(self.processes), self.wrote, lost, refused, missed, peers)


@frozen
class SecondAnswer:
    """An answer to a request that had been answered before."""

    id: int
    result: Any
    """What it says; of an error, its type."""
