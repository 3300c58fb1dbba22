"""A real directory whose disk has weather: syncs that fail or hang, writes that are slow or find no room, and a cut.

Effects go to the real files, so that what the store does is what it would do anyway. Beside that it is kept what of
each file a successful sync has covered, so that a power loss can be played: what was not covered goes, all of it or a
part, and what a failed sync covered goes for good (PostgreSQL's fsyncgate). Of all that a power loss may leave this is
one choice, and where it is not known what was safe, the kinder one.

>>> import tempfile
>>> from ackstore.effects import Create, Sync, SyncDir, Write
>>> path = Path(tempfile.mkdtemp())
>>> disk = StormyDisk(path, Random(1))
>>> _ = [disk.perform(effect) for effect in (Create("a"), SyncDir(), Write("a", 0, b"kept"), Sync("a"))]
>>> disk.weather = Weather("syncs fail", sync_fails=1.0)
>>> _ = disk.perform(Write("a", 4, b" lost")); disk.perform(Sync("a"))
Failed(errno=5, written=0)
>>> disk.cut(); disk.close(); disk.lose_power()
>>> (path / "a").read_bytes().rstrip(bytes(1))
b'kept'
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from attrs import Factory, define, frozen

from ackstore.effects import Create, Effect, Failed, Rename, Result, Sync, SyncDir, Unlink, Write
from ackstore.files import RealDisk


@frozen
class Weather:
    """How likely each trouble is, for each effect that could have it."""

    name: str
    sync_fails: float = 0.0
    sync_hangs: float = 0.0
    no_room: float = 0.0
    slow: float = 0.0


FAIR = Weather("fair")

STORMS = (
    Weather("failing syncs", sync_fails=0.5),
    Weather("a dead disk", sync_fails=1.0),
    Weather("hanging syncs", sync_hangs=0.3, sync_fails=0.1),
    Weather("a full disk", no_room=0.3),
    Weather("slow writes", slow=0.05),
)

HANGS = 2.0
"""Seconds that a hanging sync takes, at most."""

SLOW = 0.005
"""Seconds that a slow write takes, at most."""


@define
class Truth:
    """What of one file is on the disk: all below `synced`, but for the parts `lost` to failed syncs."""

    end: int = 0
    synced: int = 0
    lost: list[tuple[int, int]] = Factory(list)
    named: bool = False
    """Its directory entry is on the disk."""

    def written(self, at: int, size: int) -> None:
        """Bytes were written, the last ones there are."""
        self.end = at + size
        self.synced = min(self.synced, at)
        self.lost = [(start, min(end, at)) for start, end in self.lost if start < at]

    def sync_failed(self) -> None:
        """What was not safe is clean now, and never will be."""
        if self.end > self.synced:
            self.lost.append((self.synced, self.end))
        self.synced = self.end


class StormyDisk:
    """The directory at `path`. `weather` may be changed at any time, by any thread."""

    def __init__(self, path: Path, random: Random) -> None:
        self.path = path
        self.weather = FAIR
        self.troubles: Counter[str] = Counter()
        """How often each really occurred."""
        self._real = RealDisk(path, drop_flushed=True)
        self._random = random
        self._lock = threading.Lock()
        """Guards what is known of the files."""
        self._files: dict[str, Truth] = {}
        self._off = threading.Event()
        for name in os.listdir(path):
            size = (path / name).stat().st_size
            self._files[name] = Truth(size, size, named=True)

    def perform(self, effect: Effect) -> Result:
        """Perform one effect, or fail it."""
        if self._off.is_set():
            return Failed(errno.EIO)
        if isinstance(effect, Sync | SyncDir):
            return self._sync(effect)
        weather = self.weather
        if weather.slow and self._random.random() < weather.slow:
            self._note("slow write")
            time.sleep(self._random.uniform(0.0, SLOW))
        if weather.no_room and self._random.random() < weather.no_room and not isinstance(effect, Unlink):
            return self._without_room(effect)
        return self._do(effect)

    def _do(self, effect: Effect) -> Result:
        result = self._real.perform(effect)
        written = result.written if isinstance(result, Failed) else None
        with self._lock:
            if isinstance(effect, Write):
                self._files[effect.file].written(effect.at, len(effect.data) if written is None else written)
            elif written is not None:
                return result
            elif isinstance(effect, Create):
                self._files[effect.file] = Truth()
            elif isinstance(effect, Rename):
                self._files[effect.target] = self._files.pop(effect.source)
            elif isinstance(effect, Unlink):
                self._files.pop(effect.file, None)
        return result

    def _without_room(self, effect: Effect) -> Result:
        self._note("no room")
        if not isinstance(effect, Write) or len(effect.data) < 2:
            return Failed(errno.ENOSPC)
        part = self._random.choice((0, self._random.randrange(len(effect.data))))
        if part:
            result = self._do(Write(effect.file, effect.at, effect.data[:part]))
            part = result.written if isinstance(result, Failed) else part
        return Failed(errno.ENOSPC, part)

    def _sync(self, effect: Sync | SyncDir) -> Result:
        weather = self.weather
        with self._lock:
            covers = {name: truth.end for name, truth in self._files.items()}
        if weather.sync_hangs and self._random.random() < weather.sync_hangs:
            self._note("hanging sync")
            self._off.wait(self._random.uniform(0.1, HANGS))
        if self._off.is_set() or (weather.sync_fails and self._random.random() < weather.sync_fails):
            self._note("failed sync")
            result: Result = Failed(errno.EIO)
        else:
            result = self._real.perform(effect)
        with self._lock:
            for name, end in covers.items():
                truth = self._files.get(name)
                if truth is not None and isinstance(effect, SyncDir):
                    truth.named = truth.named or not isinstance(result, Failed)
                elif truth is not None and isinstance(effect, Sync) and effect.file == name:
                    if isinstance(result, Failed):
                        truth.sync_failed()
                    else:
                        truth.synced = max(truth.synced, min(end, truth.end))
        return result

    def _note(self, trouble: str) -> None:
        with self._lock:
            self.troubles[trouble] += 1

    def close(self) -> None:
        """Close every descriptor."""
        self._real.close()

    def cut(self) -> None:
        """From now on nothing reaches the directory any more, and every effect fails; what hangs returns."""
        self._off.set()

    def lose_power(self) -> None:
        """Take away what a power loss may take. The disk must have been cut, and closed."""
        for name, truth in self._files.items():
            path = self.path / name
            if not path.exists():
                continue
            if not truth.named and self._random.random() < 0.5:
                path.unlink()
                continue
            with path.open("r+b") as file:
                for start, end in truth.lost:
                    file.seek(start)
                    file.write(bytes(end - start))
                if truth.end > truth.synced:
                    file.truncate(self._random.choice((truth.synced, self._random.randint(truth.synced, truth.end))))
