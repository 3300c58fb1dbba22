"""Disks for tests.

>>> import tempfile
>>> disk = HangingDisk(Path(tempfile.mkdtemp()) / "store")
>>> disk.go_on.is_set()
True
"""

from __future__ import annotations

import threading
from pathlib import Path

from ackstore.core.effects import Effect, Result, Sync
from ackstore.runtime.files import RealDisk


class HangingDisk(RealDisk):
    """A disk in a new directory, whose syncs, or other effects of some `kinds`, wait for `go_on`."""

    def __init__(self, path: Path, *kinds: type[Effect]) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.kinds = kinds or (Sync,)
        self.go_on = threading.Event()
        self.go_on.set()
        self.hangs = threading.Event()
        """Some effect hangs, or did."""

    def perform(self, effect: Effect) -> Result:
        """Perform one effect."""
        if isinstance(effect, self.kinds) and not self.go_on.is_set():
            self.hangs.set()
            self.go_on.wait(60.0)
        return super().perform(effect)
