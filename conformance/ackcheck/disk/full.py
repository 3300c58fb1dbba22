"""A file system without a free block: what a store asks to be written is refused by the file system, not by the disk.

A disk that refuses a block is heard of at the next sync. A file system that is full refuses at the `write` itself,
the whole of it or what does not fit, and `open` and `rename` may fail too. A file of ours, beside the target's
directory, takes all the room; it gives it back durably, as after a power loss it would be there again otherwise.

>>> with full(Path("/"), most=0):
...     pass
Traceback (most recent call last):
    ...
ackcheck.disk.errors.BadFault: ... bytes are free below /, more than the 0 that are filled: this is no disk for tests
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.errors import BadFault

STEP: Final = 16 << 20
NAME: Final = "filler"


@contextlib.contextmanager
def full(mountpoint: Path, *, most: int) -> Iterator[None]:
    """Take all the room of a file system, and give it back at the end.

    `most` are the bytes of its disk: whoever has more free is somebody else's. Raises `BadFault` for that, `OSError`.
    """
    found = os.statvfs(mountpoint)
    if (free := found.f_bfree * found.f_frsize) > most:
        raise BadFault(
            f"{free} bytes are free below {mountpoint}, more than the {most} that are filled: this is no disk for tests"
        )
    path = mountpoint / NAME
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take_all(descriptor)
        yield
    finally:
        with contextlib.suppress(OSError):  # a file system that has given up
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()


def _take_all(descriptor: int) -> None:
    """Make a file longer by less and less, until there is no block left for it."""
    step, length = STEP, 0
    while step >= BLOCK:
        try:
            os.posix_fallocate(descriptor, length, step)
            length += step
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            step //= 2
