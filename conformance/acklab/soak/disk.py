"""A real directory whose disk has faults: syncs that fail or hang, writes that are slow or find no room, and a cut.

Effects go to the real files, so that what the store does is what it would do anyway. Beside that it is kept what of
each file a successful sync has covered, so that a power loss can be played (`acklab.soak.truth`).

>>> import tempfile
>>> from acklab.soak.injection import Faults
>>> from ackstore.core.effects import Create, Sync, SyncDir, Write
>>> path = Path(tempfile.mkdtemp())
>>> disk = FaultyDisk(path, Random(1))
>>> _ = [disk.perform(effect) for effect in (Create("a"), SyncDir(), Write("a", 0, b"kept"), Sync("a"))]
>>> disk.injector.faults = Faults("syncs fail", sync_fails=1.0)
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
from pathlib import Path
from random import Random

from acklab.soak.injection import ALL_FAULTS, Injector
from acklab.soak.truth import Truth
from ackstore.core.effects import Create, Effect, Failed, Rename, Result, Sync, SyncDir, Unlink, Write
from ackstore.runtime.files import RealDisk

SLOW = 0.005
"""Seconds that a slow write takes, at most."""


class FaultyDisk:
    """The directory at `path`, every effect on which may fail."""

    may_have = ALL_FAULTS
    """The faults that there may be."""

    def __init__(self, path: Path, random: Random) -> None:
        self.path = path
        self.injector = Injector(random)
        self._real = RealDisk(path, drop_flushed=True)
        self._random = random
        self._lock = threading.Lock()
        """Guards what is known of the files."""
        self._files: dict[str, Truth] = {}
        for name in os.listdir(path):
            size = (path / name).stat().st_size
            self._files[name] = Truth(size, size, named=True)

    def perform(self, effect: Effect) -> Result:
        """Perform one effect, or fail it."""
        if self.injector.off.is_set():
            return Failed(errno.EIO)
        if isinstance(effect, Sync | SyncDir):
            return self._sync(effect)
        faults = self.injector.faults
        if faults.slow and self._random.random() < faults.slow:
            self.injector.note("slow write")
            time.sleep(self._random.uniform(0.0, SLOW))
        if faults.no_room and self._random.random() < faults.no_room and not isinstance(effect, Unlink):
            return self._without_room(effect)
        return self._do(effect)

    def _do(self, effect: Effect) -> Result:
        before = self._left_for_another(effect.target) if isinstance(effect, Rename) else None
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
                truth = self._files[effect.target] = self._files.pop(effect.source)
                truth.renamed(before)
            elif isinstance(effect, Unlink):
                self._files.pop(effect.file, None)
        return result

    def _left_for_another(self, name: str) -> bytes | None:
        old = self._files.get(name)
        return old.left_for_another(self.path / name) if old else None

    def _without_room(self, effect: Effect) -> Result:
        self.injector.note("no room")
        if not isinstance(effect, Write) or len(effect.data) < 2:
            return Failed(errno.ENOSPC)
        part = self._random.choice((0, self._random.randrange(len(effect.data))))
        if part:
            result = self._do(Write(effect.file, effect.at, effect.data[:part]))
            part = result.written if isinstance(result, Failed) else part
        return Failed(errno.ENOSPC, part)

    def _sync(self, effect: Sync | SyncDir) -> Result:
        with self._lock:
            covers = [(name, truth, truth.end, truth.renames) for name, truth in self._files.items()]
        result: Result = Failed(errno.EIO) if self.injector.sync_fails() else self._real.perform(effect)
        with self._lock:
            for name, truth, end, renames in covers:
                if isinstance(effect, SyncDir) and not isinstance(result, Failed):
                    truth.name_synced(renames)
                elif isinstance(effect, Sync) and effect.file == name:
                    if isinstance(result, Failed):
                        truth.sync_failed()
                    else:
                        truth.sync_succeeded(end)
        return result

    def close(self) -> None:
        """Close every descriptor."""
        self._real.close()

    def cut(self) -> None:
        """Let nothing reach the directory from now on: every effect fails; what hangs returns."""
        self.injector.off.set()

    def lose_power(self) -> None:
        """Take away what a power loss may take. The disk must have been cut, and closed."""
        for name, truth in self._files.items():
            if (self.path / name).exists():
                truth.lose_power(self.path / name, self._random)
