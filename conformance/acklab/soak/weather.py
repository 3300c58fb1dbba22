"""The weather on a disk: what befalls its syncs and writes, and how often each trouble really occurred.

>>> sky = Sky(Random(1))
>>> sky.sync_fails()
False
>>> sky.weather = Weather("every sync fails", sync_fails=1.0)
>>> sky.sync_fails(), sky.troubles["failed sync"]
(True, 1)
"""

from __future__ import annotations

import threading
from collections import Counter
from random import Random

from attrs import frozen


@frozen
class Weather:
    """How likely each trouble is, for each effect that could have it; `dead`: no sync returns while it lasts."""

    name: str
    sync_fails: float = 0.0
    sync_hangs: float = 0.0
    no_room: float = 0.0
    slow: float = 0.0
    dead: bool = False


FAIR = Weather("fair")

DEAD = Weather("dead disk", dead=True)

OF_SYNCS = (
    Weather("failing syncs", sync_fails=0.5),
    Weather("every sync fails", sync_fails=1.0),
    Weather("hanging syncs", sync_hangs=0.3, sync_fails=0.1),
)
"""Storms that leave writes alone."""

STORMS = (
    *OF_SYNCS,
    Weather("a full disk", no_room=0.3),
    Weather("slow writes", slow=0.05),
)

HANGS = 2.0
"""Seconds that a hanging sync takes, at most."""

NOTICED = 0.02
"""Seconds after which a sync on a dead disk notices that the disk is well again."""


class Sky:
    """The weather on one disk, which may be changed at any time, by any thread."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.weather = FAIR
        self.troubles: Counter[str] = Counter()
        """How often each really occurred."""
        self.hanging = 0
        """Syncs that hang now."""
        self.off = threading.Event()
        """Nothing reaches the disk any more."""
        self._lock = threading.Lock()

    def note(self, trouble: str) -> None:
        """Count a trouble."""
        with self._lock:
            self.troubles[trouble] += 1

    def sync_fails(self) -> bool:
        """Hold a sync up for as long as the weather has it; return whether it fails."""
        weather = self.weather
        if weather.dead:
            self._hang("sync on a dead disk", until_well=True)
        elif weather.sync_hangs and self.random.random() < weather.sync_hangs:
            self._hang("hanging sync", until_well=False)
        fails = self.off.is_set() or (weather.sync_fails > 0 and self.random.random() < weather.sync_fails)
        if fails:
            self.note("failed sync")
        return fails

    def _hang(self, trouble: str, *, until_well: bool) -> None:
        self.note(trouble)
        with self._lock:
            self.hanging += 1
        if until_well:
            while self.weather.dead and not self.off.wait(NOTICED):
                pass
        else:
            self.off.wait(self.random.uniform(0.1, HANGS))
        with self._lock:
            self.hanging -= 1
