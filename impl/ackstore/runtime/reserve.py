"""A file that only takes up space, so that there is some when it is removed.

>>> import tempfile
>>> directory = os.open(tempfile.mkdtemp(), os.O_RDONLY)
>>> reserve(directory, "reserve", 10_000), os.stat("reserve", dir_fd=directory).st_blocks * 512 >= 10_000
(10000, True)
>>> room = reserve(directory, "reserve", 1 << 60)     # more than half of any disk: left as it was
>>> 10_000 <= room < 1 << 60, os.stat("reserve", dir_fd=directory).st_size
(True, 10000)
>>> os.close(directory)
"""

from __future__ import annotations

import errno
import os
import stat

from ackstore.runtime.descriptors import Descriptor, opened

LEAST = 4096
"""No less is tried."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NOT_OURS = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES)
"""No file is there, or it is a link, or of another user."""
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK


def reserve(directory: int, name: str, size: int) -> int:
    """Have file `name` of the directory take up `size` bytes, if that is at most half of what would be free without it.
    Returns how many could be had: fewer than `size` where the file was left as it was."""
    fd = _own(directory, name)
    try:
        had = os.fstat(fd).st_size
        most = min(size, max(_free(fd, had) // 2, had))
        if most >= size:
            most = _grown(fd, had, size)
        return most
    finally:
        if not os.fstat(fd).st_size:
            os.unlink(name, dir_fd=directory)
        fd.close()


def _own(directory: int, name: str) -> Descriptor:
    """Open the file, of this store alone: what else has that name loses it."""
    try:
        found = opened(name, _FLAGS, within=directory)
        about = os.fstat(found)
        if stat.S_ISREG(about.st_mode) and about.st_nlink == 1:
            return found
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
    if name in os.listdir(directory):
        os.unlink(name, dir_fd=directory)
    return opened(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, directory)


def _free(fd: int, had: int) -> int:
    """Return how many bytes would be free without the file."""
    found = os.fstatvfs(fd)
    if not found.f_blocks:  # a file system without a limit of its own
        return 1 << 60
    return found.f_bavail * found.f_frsize + had


def _grown(fd: int, had: int, size: int) -> int:
    """Have the file take up `size` bytes, or say how many could be had: a quota is only seen by trying."""
    if size <= had:
        os.ftruncate(fd, size)
        return size
    tried = size
    while tried > max(had, LEAST):
        try:
            _take_up(fd, had, tried)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            tried //= 2
        else:
            break
        finally:
            if tried < size:
                os.ftruncate(fd, had)
    return max(tried, had) if tried > LEAST else had


def _take_up(fd: int, had: int, size: int) -> None:
    try:
        os.posix_fallocate(fd, had, size - had)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        for at in range(had, size, 1 << 16):  # of bytes that cannot be compressed
            os.pwrite(fd, os.urandom(min(1 << 16, size - at)), at)
