"""A `RealDisk` in all but its syncs, which have faults: the store writes to it as it writes to any real disk.

So acks take the compiled fast path, where there is one (`ackstore.fastpath`), which asks no disk of its own kind
to perform a write. What a store writes is not seen here, then: how long a file is says the file itself, and files are
known by their inode, whatever they are renamed to.

It is cut off by having every descriptor lead nowhere: what was written before is in the page cache, and nothing is
after.

>>> import tempfile
>>> from ackstore.core.effects import Create, Sync, SyncDir, Write
>>> path = Path(tempfile.mkdtemp())
>>> disk = PlainDisk(path, Random(1))
>>> disk.writes_at_once()
True
>>> _ = [disk.perform(effect) for effect in (Create("a"), SyncDir(), Write("a", 0, b"kept"), Sync("a"))]
>>> disk.cut(); disk.perform(Write("a", 4, b" lost"))
Failed(errno=9, written=0)
>>> disk.close(); disk.lose_power(); (path / "a").read_bytes()
b'kept'
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from random import Random

from acklab.soak.injection import SYNC_FAULTS, Injector
from acklab.soak.truth import Truth
from ackstore.core.effects import Rename
from ackstore.runtime.files import RealDisk


class PlainDisk(RealDisk):
    """The directory at `path`, the syncs of which may fail."""

    may_have = SYNC_FAULTS
    """The faults that there may be."""

    def __init__(self, path: Path, random: Random) -> None:
        super().__init__(path, drop_flushed=True)
        self.path = path
        self.injector = Injector(random)
        self._random = random
        self._closed = False
        self._known = threading.Lock()
        """Guards what is known of the files."""
        self._inodes: dict[int, Truth] = {}
        for name in os.listdir(path):
            found = (path / name).stat()
            self._inodes[found.st_ino] = Truth(found.st_size, found.st_size, named=True)

    def _create(self, file: str) -> None:
        super()._create(file)
        with self._known:
            self._inodes[os.fstat(self.files[file].fd).st_ino] = Truth()
        if self.injector.off.is_set():
            self.cut()  # it may have come too late for this one

    def _rename(self, effect: Rename) -> None:
        target = self.path / effect.target
        with self._known:
            old = self._inodes.get(target.stat().st_ino) if target.exists() else None
            before = old.left_for_another(target) if old else None
            super()._rename(effect)
            self._inodes[target.stat().st_ino].renamed(before)

    def fsync(self, fd: int) -> None:
        """Wait for what was written to a file, or to the directory, for as long as the faults have it."""
        began = os.fstat(fd)
        with self._known:
            names = [(truth, truth.renames) for truth in self._inodes.values() if fd == self._directory]
        fails = self.injector.sync_fails()
        super().fsync(fd)
        with self._known:
            truth = self._inodes.get(began.st_ino)
            if truth is not None:
                truth.end = max(truth.end, began.st_size, os.fstat(fd).st_size)  # it may have been cut off by now
                if fails:
                    truth.sync_failed()
                else:
                    truth.sync_succeeded(began.st_size)
            for named, renames in () if fails else names:
                named.name_synced(renames)
        if fails:
            raise OSError(errno.EIO, "injected")

    def cut(self) -> None:
        """Let nothing reach the directory from now on: every effect fails; what hangs returns."""
        self.injector.off.set()
        if self._closed:
            return  # its descriptors may be somebody else's by now
        nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        with self._lock:
            for fd in (self._directory, *(file.fd for file in self.files.values())):
                os.dup2(nowhere, fd, inheritable=False)
        os.close(nowhere)

    def close(self) -> None:
        """Close every descriptor."""
        self._closed = True
        super().close()

    def lose_power(self) -> None:
        """Take away what a power loss may take. The disk must have been cut, and closed."""
        for path in self.path.iterdir():
            found = path.stat()
            truth = self._inodes.get(found.st_ino)
            if truth is not None:
                truth.end = found.st_size
                truth.lose_power(path, self._random)
