"""Targets that are started ahead, one for each image of a power cut, and open their directory once it is there.

Most of what judging an image takes is the start of a process. So while one image is judged, the target for the next is
started already, in whatever language it is written. It learns of its directory when it is asked to open it. A target
that is told on its command line could look there too early, and is started when the image is there.

>>> from pathlib import Path
>>> child = Child.python("acklab.reference.files:async_store", Path("/tmp"))
>>> with Spares(child) as spares:
...     one, other = spares.take(), spares.take()
...     one.pid != other.pid
True
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

from ackcheck.rig import namespace
from ackcheck.rig.child import Child
from ackcheck.rig.errors import RigUnavailable

SECONDS: Final = 60.0
"""For a start that is under way: longer than its own limits."""


class Spares:
    """Starts children as `child` is one, which does not run when they are taken.

    Use as a context manager: leaving it kills all of them.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._ahead = not child.knows_directory()
        self._undo = contextlib.ExitStack()
        self._next: Future[Child] | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            if self._ahead:
                self._starter = undo.enter_context(ThreadPoolExecutor(1, initializer=_enter))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._undo:
            if self._next is not None:
                self._next.result(SECONDS).end()

    def take(self) -> Child:
        """Return the next one: running, or to be started. Raises `TargetNotStarted`."""
        if not self._ahead:
            return self._child.another()
        child = (self._next or self._started_ahead()).result(SECONDS)
        self._undo.callback(child.end)
        self._next = self._started_ahead()
        child.mark()
        return child

    def _started_ahead(self) -> Future[Child]:
        return self._starter.submit(self._child.another().start, ahead=True)


def _enter() -> None:
    """See the disks that are mounted."""
    with contextlib.suppress(RigUnavailable):
        namespace.enter()
