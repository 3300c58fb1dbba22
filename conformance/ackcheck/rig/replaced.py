"""When a target makes, opens, renames or removes a file: the moments at which a power loss does most harm.

A store that writes a derived file in place, renames one that is not synced, or removes a log too early is wrong for the
few milliseconds until the next sync. A cut at a moment of our choosing seldom comes in between; one that waits for such
a change does. The kernel tells of it (inotify), whatever language the target is written in; of writes into a file that
is open already, which are what a log lives of, nothing is told.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder, Changes(Path(folder)) as changes:
...     log = (Path(folder) / "log").open("wb", buffering=0)
...     made, _, written = changes.come(1.0), log.write(b"an ack"), changes.come(0.0)
...     _ = (Path(folder) / "log").write_bytes(b"")
...     made, written, changes.come(1.0), log.close()
(True, False, True, None)
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attrs import define, field

IN_OPEN: Final = 0x20
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_ONLYDIR: Final = 0x01000000
IN_DONT_FOLLOW: Final = 0x02000000

HEAD: Final = struct.Struct("iIII")
"""Watch, mask, cookie, and the length of the name that follows; no name for the directory itself, which is opened for
each sync of it."""

MOST_BYTES: Final = 1 << 16


@define(eq=False)
class Changes:
    """The changes of the files of one directory, from entering on. Raises `OSError` where the kernel has no room."""

    directory: Path
    _descriptor: int = field(default=-1, init=False)

    def __enter__(self) -> Self:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = _checked(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        wanted = IN_OPEN | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW
        try:
            _checked(library.inotify_add_watch(self._descriptor, os.fsencode(self.directory), wanted))
        except OSError:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def come(self, seconds: float) -> bool:
        """Wait for a change for so many seconds; return whether there was one, also since the last time."""
        while select.select([self._descriptor], [], [], seconds)[0]:
            told, at, named = os.read(self._descriptor, MOST_BYTES), 0, 0
            while at < len(told):
                *_, length = HEAD.unpack_from(told, at)
                at += HEAD.size + length
                named += length
            if named:
                return True
        return False


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
