"""Whether UNKNOWN has a cause, as far as that can be seen from outside (clause `unknown-has-a-cause`).

Nobody outside sees the store's I/O. But where no disk was made to fail, and every call since the store was opened was
answered at once, there was nothing that a store could have given up:

>>> from ackmodel import Level
>>> panel, causes = Panel((Level.DISK,)), Causes(judged=True)
>>> causes.opened()
>>> causes.answered(panel, "operation 1", "UNKNOWN", took=0.3)      # something may have hung
>>> causes.answered(panel, "operation 2", "UNKNOWN", took=0.01)     # and may hang still
>>> causes.opened()
>>> causes.answered(panel, "operation 3", ["OK", "UNKNOWN"], took=0.01)
Traceback (most recent call last):
...
ackmodel.observe.broken.Broken: unknown-has-a-cause: operation 3 was answered UNKNOWN, and meanwhile no I/O had \
failed, nor taken long

So a machine that is slow makes no finding: where it stands still a call takes long, and nothing is asked any more.
"""

from __future__ import annotations

from typing import Any

from attrs import define

from ackcheck.panel import Panel
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import SLOW


@define
class Causes:
    """What may be a cause of UNKNOWN, since the store was opened."""

    judged: bool = False
    """Whether its answers wait for its own I/O only, and mean what the strict protocol says."""
    own_io: bool = False
    """Whether no server stands between the target and its disk."""
    trouble: bool = False
    """Whether the disk was made to fail, or something took long."""
    _disk_failed: bool = False

    def disk_fails(self) -> None:
        """Note that the disk is made to fail, or to hang: what comes of that may come much later."""
        self.trouble = self._disk_failed = True

    def opened(self) -> None:
        """Note that the store was opened: what waited for something before is gone."""
        self.trouble = self._disk_failed

    def answered(self, panel: Panel, what: str, result: Any, *, took: float) -> None:
        """Judge what a call was answered; what is under way, or was until now, has been so for so long at the most: it
        may have waited for I/O that hangs."""
        self.trouble = self.trouble or took >= SLOW
        said = result if isinstance(result, list) else [result]
        if Reply.UNKNOWN.value in said and self.judged and not self.trouble:
            panel.each(lambda oracle: oracle.saw_unknown(what, trouble=False))
