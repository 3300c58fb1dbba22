"""A short write that keeps the interpreter's lock (GIL).

`os.pwrite` lets other threads run while it writes. For the microsecond in which a short record goes to the page cache
that is a bad bargain: the writer holds the store's lock, so whoever runs meanwhile soon wants that lock, sleeps, and
has to be woken, at a price of many writes; threads that ack at once would be slower together than one alone. While a
sync is running the kernel may make a write wait for the disk: then `os.pwrite` is the right one, and the rest of the
process goes on (see `ackstore.runtime.files.RealDisk.write`).

>>> import tempfile
>>> with tempfile.TemporaryFile() as file:
...     wrote = short_pwrite(file.fileno(), b"abc", 3, 4), os.pread(file.fileno(), 9, 0)
>>> wrote
(3, b'\\x00\\x00\\x00\\x00abc')
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable

SHORT = 4096
"""Bytes: what is longer is worth letting others run."""
LOW = 1 << 30
"""Writes are short only where all of their positions fit in a C int, as ctypes passes a number that it was not told
the type of. (Telling it costs more than it is worth.)"""


def system_pwrite() -> Callable[[int, bytes, int, int], int] | None:
    """Return the system's `pwrite(fd, data, size, at)`, called without letting go of the GIL: it returns the bytes
    written, or -1. None where its arguments are not known to be widened as they need to be."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return None
    try:
        found: Callable[[int, bytes, int, int], int] = ctypes.PyDLL(None).pwrite
    except (OSError, AttributeError):
        return None
    return found


def releasing_pwrite(fd: int, data: bytes, _size: int, at: int) -> int:
    """Do the same by `os.pwrite`, for where there is no other."""
    try:
        return os.pwrite(fd, data, at)
    except OSError:
        return -1


short_pwrite = system_pwrite() or releasing_pwrite
"""Write `size` bytes of `data`, at most `SHORT`, at byte `at`, below `LOW`: the bytes written, or -1."""
