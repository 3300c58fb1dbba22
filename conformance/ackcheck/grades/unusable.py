"""A store that opens its files only when they are needed: at its first use it is seen that it cannot.

A target that raises, or ends, on a disk that works says nothing of what it keeps, and ends the run. But where it was
stopped by a fault, opened again, and raises at a pop before it has handed anything out, it is in the same case as one
that cannot be opened: SQLite opens a file that a power loss has torn, and says of it that it is malformed when it is
read. So is one that ends by itself before it has been asked for all it has: bbolt maps such a file, and the program
ends at its first pop by a failed assertion; RocketMQ may start on a timer that runs in a ring, which brings nothing
back, and end a minute later, without memory. That it gave what was not in hand before says nothing of the rest.
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
    """Raise `Broken` where a target that a fault has stopped cannot be used afterwards."""
    try:
        yield
    except (TargetError, TargetDied) as error:
        event = session.panel.since
        if event is None:
            raise
        death = session.child.own_end()
        if not (_ends_when_it_is_asked(session, death) or _refuses_its_first_pop(session, error)):
            raise
        if why_full(session.directory):
            raise
        if reason := why_dead(session.directory):
            raise FileSystemDead(reason) from error
        session.panel.broke(session.panel.strictest.cannot_open(event, death or error))


def _ends_when_it_is_asked(session: Session, death: TargetDied | None) -> bool:
    """Whether it ended, and was not killed, as by a machine without memory, before it was asked for all it has."""
    ended = death is not None and death.returncode not in (None, -signal.SIGKILL)
    return ended and not session.traffic.ages.all_asked_for


def _refuses_its_first_pop(session: Session, error: TargetError | TargetDied) -> bool:
    return isinstance(error, TargetError) and error.operation == "pop" and not session.traffic.ages.came_since
