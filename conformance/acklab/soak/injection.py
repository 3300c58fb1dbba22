"""Injecting faults into a disk: what befalls its syncs and writes, and how often each fault really occurred.

>>> injector = Injector(Random(1))
>>> injector.sync_fails()
False
>>> injector.faults = Faults("every sync fails", sync_fails=1.0)
>>> injector.sync_fails(), injector.occurred["failed sync"]
(True, 1)
"""

from __future__ import annotations

import threading
from collections import Counter
from random import Random

from attrs import frozen


@frozen
class Faults:
    """How likely each fault is, for each effect that could have it; `dead`: no sync returns while it lasts."""

    name: str
    sync_fails: float = 0.0
    sync_hangs: float = 0.0
    no_room: float = 0.0
    slow: float = 0.0
    dead: bool = False


NO_FAULTS = Faults("none")

DEAD_DISK = Faults("dead disk", dead=True)

SYNC_FAULTS = (
    Faults("failing syncs", sync_fails=0.5),
    Faults("every sync fails", sync_fails=1.0),
    Faults("hanging syncs", sync_hangs=0.3, sync_fails=0.1),
)
"""Those that leave writes alone."""

ALL_FAULTS = (
    *SYNC_FAULTS,
    Faults("a full disk", no_room=0.3),
    Faults("slow writes", slow=0.05),
)

HANGS = 2.0
"""Seconds that a hanging sync takes, at most."""

NOTICED = 0.02
"""Seconds after which a sync on a dead disk notices that the disk is well again."""


class Injector:
    """Injects faults into one disk; what faults, may be changed at any time, by any thread."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.faults = NO_FAULTS
        self.occurred: Counter[str] = Counter()
        """How often each really occurred."""
        self.hanging = 0
        """Syncs that hang now."""
        self.off = threading.Event()
        """Nothing reaches the disk any more."""
        self._lock = threading.Lock()

    def note(self, fault: str) -> None:
        """Count a fault."""
        with self._lock:
            self.occurred[fault] += 1

    def sync_fails(self) -> bool:
        """Hold a sync up for as long as the faults have it; return whether it fails."""
        faults = self.faults
        if faults.dead:
            self._hang("sync on a dead disk", until_well=True)
        elif faults.sync_hangs and self.random.random() < faults.sync_hangs:
            self._hang("hanging sync", until_well=False)
        fails = self.off.is_set() or (faults.sync_fails > 0 and self.random.random() < faults.sync_fails)
        if fails:
            self.note("failed sync")
        return fails

    def _hang(self, fault: str, *, until_well: bool) -> None:
        self.note(fault)
        with self._lock:
            self.hanging += 1
        if until_well:
            while self.faults.dead and not self.off.wait(NOTICED):
                pass
        else:
            self.off.wait(self.random.uniform(0.1, HANGS))
        with self._lock:
            self.hanging -= 1
