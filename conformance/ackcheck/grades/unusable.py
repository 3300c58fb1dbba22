"""A store that opens its files only when they are needed: at its first use it is seen that it cannot.

A target that raises, or ends, on a disk that works says nothing of what it keeps, and ends the run. But where it was
stopped by a fault, opened again, and does so before it has handed anything out, it is in the same case as one that
cannot be opened: SQLite opens a file that a power loss has torn, and says of it that it is malformed when it is read;
bbolt maps one, and the program ends at its first pop by a failed assertion. RocketMQ may start on a timer that runs in
a ring, and end a minute later, without memory, whatever it is asked for then: so of one that ends it does not matter.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ackcheck.grades.failing import why_full
from ackcheck.grades.session import Session
from ackcheck.rig.errors import FileSystemDead, TargetDied, TargetError
from ackcheck.rig.witness import why_dead


@contextmanager
def opens_once_it_is_used(session: Session) -> Iterator[None]:
    """Raise `Broken` where a target raises at a pop, or ends, and has handed nothing out since a fault."""
    try:
        yield
    except (TargetError, TargetDied) as error:
        event = session.panel.since
        if event is None or session.traffic.ages.came_since or not _is_its_own(error):
            raise
        if why_full(session.directory):
            raise
        if reason := why_dead(session.directory):
            raise FileSystemDead(reason) from error
        session.panel.broke(session.panel.strictest.cannot_open(event, error))


def _is_its_own(error: TargetError | TargetDied) -> bool:
    """Whether it raised at a pop, or ended and was not killed, as by a machine without memory."""
    if isinstance(error, TargetError):
        return error.operation == "pop"
    return error.returncode not in (None, -signal.SIGKILL)
