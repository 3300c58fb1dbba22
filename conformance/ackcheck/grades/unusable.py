"""A store that opens its files only when they are needed: at its first pop it is seen that it cannot.

A target that raises on a disk that works says nothing of what it keeps, and ends the run. But where it was stopped by a
fault, opened again, and raises before it has handed anything out, it is in the same case as one that cannot be opened:
SQLite opens a file that a power loss has torn, and says of it that it is malformed when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ackcheck.grades.session import Session
from ackcheck.rig.errors import FileSystemDead, TargetError
from ackcheck.rig.witness import why_dead


@contextmanager
def opens_at_its_first_pop(session: Session) -> Iterator[None]:
    """Raise `Broken` where a target raises at a pop, and has handed nothing out since a fault."""
    try:
        yield
    except TargetError as error:
        event = session.panel.since
        if event is None or error.operation != "pop" or session.traffic.ages.came_since:
            raise
        if reason := why_dead(session.directory):
            raise FileSystemDead(reason) from error
        session.panel.broke(session.panel.strictest.cannot_open(event, error))
