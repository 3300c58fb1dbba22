"""Disks for tests.

>>> import tempfile
>>> disk = HangingDisk(Path(tempfile.mkdtemp()) / "store")
>>> disk.go_on.is_set()
True
"""

from __future__ import annotations

import threading
from pathlib import Path

from ackstore.effects import Effect, Result, Sync
from ackstore.files import RealDisk


class HangingDisk(RealDisk):
    """A disk in a new directory, whose syncs wait for `go_on`."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        super().__init__(path)
        self.go_on = threading.Event()
        self.go_on.set()

    def perform(self, effect: Effect) -> Result:
        """Perform one effect."""
        if isinstance(effect, Sync):
            self.go_on.wait(20.0)
        return super().perform(effect)
