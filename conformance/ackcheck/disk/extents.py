"""Which blocks of the disk a file lies in, and of which kind they are, as the file system tells (FIEMAP).

>>> import tempfile
>>> with tempfile.NamedTemporaryFile() as file:
...     _ = file.write(b"x" * 8192); file.flush(); _ = os.fsync(file.fileno())
...     isinstance(extents_of(Path(file.name)), list)
True
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from attrs import frozen

from ackcheck.disk.blocks import BLOCK

_FIEMAP: Final = 0xC020660B  # FS_IOC_FIEMAP
_HEADER: Final = struct.Struct("<QQIIII")
_EXTENT: Final = struct.Struct("<QQQ16xI12x")
_AT_ONCE: Final = 256
_LAST, _NO_PLACE, _UNWRITTEN = 1, 2 | 4 | 8 | 0x200, 0x800
MOST_FILES: Final = 65536


@frozen
class Extent:
    """Some blocks in a row: of which file, and whether they were promised to it only, or also written."""

    name: str
    first: int
    count: int
    unwritten: bool

    @property
    def label(self) -> str:
        """What it is called where images are told apart."""
        return f"{self.name} (unwritten)" if self.unwritten else self.name


def extents_of(path: Path, name: str | None = None) -> list[Extent]:
    """Return where a file lies, not waiting for what is not written; nothing where the file system cannot say."""
    found: list[Extent] = []
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        start = 0
        while True:
            room = bytearray(_HEADER.size + _AT_ONCE * _EXTENT.size)
            _HEADER.pack_into(room, 0, start, (1 << 63) - start, 0, 0, _AT_ONCE, 0)
            try:
                fcntl.ioctl(file.fileno(), _FIEMAP, room)
            except OSError as error:
                if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                    return []
                raise
            mapped = _HEADER.unpack_from(room)[3]
            for number in range(mapped):
                logical, physical, length, flags = _EXTENT.unpack_from(room, _HEADER.size + number * _EXTENT.size)
                start = logical + length
                if not flags & _NO_PLACE:
                    first, last = physical // BLOCK, (physical + length - 1) // BLOCK
                    found.append(Extent(name or path.name, first, last - first + 1, bool(flags & _UNWRITTEN)))
                if flags & _LAST:
                    return found
            if not mapped:
                return found
    return found


def extents_below(directory: Path, pattern: str = "*") -> list[Extent]:
    """Return where the files below a directory lie whose name, seen from there, fits a pattern."""
    found: list[Extent] = []
    for number, (folder, _, names) in enumerate(os.walk(directory)):
        if number > MOST_FILES:
            break
        for name in sorted(names):
            path = Path(folder, name)
            inside = str(path.relative_to(directory))
            if fnmatch(inside, pattern) and path.is_file() and not path.is_symlink():
                found += extents_of(path, inside)
    return found
