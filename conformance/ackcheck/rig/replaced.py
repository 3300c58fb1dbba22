"""When a target makes, opens, renames or removes a file: the moments at which a power loss does most harm.

A store that writes a derived file in place, renames one that is not synced, or removes a log too early is wrong for the
few milliseconds until the next sync. A cut at a moment of our choosing seldom comes in between; one that waits for such
a change does. The kernel tells of it (inotify), whatever language the target is written in; of writes into a file that
is open already, which are what a log lives of, nothing is told. Folders below the directory count as it does, those
too that are made later.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder, Changes(Path(folder)) as changes:
...     log = (Path(folder) / "log").open("wb", buffering=0)
...     made, _, written = changes.come(1.0), log.write(b"an ack"), changes.come(0.0)
...     _ = (Path(folder) / "log").write_bytes(b"")
...     made, written, changes.come(1.0), log.close()
(True, False, True, None)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
from collections.abc import Iterable
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
IN_ISDIR: Final = 0x40000000

CHANGE: Final = IN_OPEN | IN_MOVED_TO | IN_CREATE | IN_DELETE
NEW_FOLDER: Final = IN_MOVED_TO | IN_CREATE

HEAD: Final = struct.Struct("iIII")
"""Watch, mask, cookie, and the length of the name that follows; no name for the directory itself, which is opened for
each sync of it."""

MOST_BYTES: Final = 1 << 16
MOST_FOLDERS: Final = 256
"""Watched at once; a user has 8,192 watches or more (`fs.inotify.max_user_watches`), and not for us alone."""


@define(eq=False)
class Changes:
    """The changes of the files below one directory, from entering on. Raises `OSError` where the kernel has no room."""

    directory: Path
    _descriptor: int = field(default=-1, init=False)
    _watched: dict[int, Path] = field(factory=dict, init=False)
    """By the number of its watch."""

    def __enter__(self) -> Self:
        self._descriptor = _checked(_library().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            self._watch(self.directory)
            for folder, folders, _ in os.walk(self.directory):
                self._watch_all(Path(folder, name) for name in folders)
        except OSError:
            os.close(self._descriptor)
            raise
        return self

    def _watch(self, folder: Path) -> None:
        wanted = CHANGE | IN_ONLYDIR | IN_DONT_FOLLOW
        self._watched[_checked(_library().inotify_add_watch(self._descriptor, os.fsencode(folder), wanted))] = folder

    def _watch_all(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            if len(self._watched) < MOST_FOLDERS:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # it is gone, or a link
                    self._watch(folder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def come(self, seconds: float) -> bool:
        """Wait for a change for so many seconds; return whether there was one, also since the last time."""
        while select.select([self._descriptor], [], [], seconds)[0]:
            told, at, changed = os.read(self._descriptor, MOST_BYTES), 0, False
            while at < len(told):
                watch, mask, _, length = HEAD.unpack_from(told, at)
                at += HEAD.size
                changed |= self._is_change(watch, mask, told[at : at + length].rstrip(b"\0"))
                at += length
            if changed:
                return True
        return False

    def _is_change(self, watch: int, mask: int, name: bytes) -> bool:
        """Tell whether that is a change of a file or a folder; watch a folder that is new."""
        if not mask & IN_ISDIR:
            return bool(mask & CHANGE and name)
        if mask & NEW_FOLDER and watch in self._watched:
            self._watch_all([self._watched[watch] / os.fsdecode(name)])
        return bool(mask & CHANGE & ~IN_OPEN and name)  # a folder is opened by who looks what is in it, as we do


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
