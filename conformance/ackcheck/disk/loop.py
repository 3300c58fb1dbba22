"""A loop device on an open file: the block device that a file system is made on.

It frees itself when the last descriptor of it and the last mount are gone (`LO_FLAGS_AUTOCLEAR`).

>>> CONFIG.size
304
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Final

from ackcheck.disk.errors import DiskFailed, DiskUnavailable

# From linux/loop.h and linux/fs.h.
_GET_FREE, _CONFIGURE, _CLEAR = 0x4C82, 0x4C0A, 0x4C01
_FLUSH_BUFFERS = 0x1261  # BLKFLSBUF
_AUTOCLEAR, _DIRECT = 4, 16
_MAJOR = 7

CONFIG: Final = struct.Struct("<II40xIIII64s64s32s16x64x")
"""`struct loop_config`, as far as it is not zero: file, block size, number, encryption, its key size, flags, names."""

TRIES: Final = 50
SECTOR: Final = 512


class Loop:
    """A loop device, of blocks of 512 bytes; `descriptor` is its own, and keeps it.

    `direct`: past the page cache, so that each request comes to the file as it was made, and when.
    """

    def __init__(self, backing: int, *, direct: bool = True) -> None:
        self.path, self.descriptor = _attached(backing, _AUTOCLEAR | (_DIRECT if direct else 0))

    def forget_cached(self) -> None:
        """Let the kernel write and drop what it keeps of the device, so that the next read comes to the disk."""
        fcntl.ioctl(self.descriptor, _FLUSH_BUFFERS, 0)

    def close(self) -> None:
        """Let it go; it frees itself once nothing is mounted on it."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.descriptor, _CLEAR, 0)
        os.close(self.descriptor)


def _attached(backing: int, flags: int) -> tuple[Path, int]:
    for _ in range(TRIES):
        path = _free()
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        config = CONFIG.pack(backing, SECTOR, 0, 0, 0, flags, b"ackcheck", b"", b"")
        try:
            fcntl.ioctl(descriptor, _CONFIGURE, config)
        except OSError as error:
            os.close(descriptor)
            if error.errno != errno.EBUSY:  # somebody else was faster
                raise DiskFailed(f"the loop device {path} cannot be attached: {error}") from error
            time.sleep(0.01)
        else:
            _lift_limit(path)
            return path, descriptor
    raise DiskFailed(f"no loop device could be had in {TRIES} tries; see which are in use with losetup --list")


def _lift_limit(path: Path) -> None:
    """Let requests be as long as the device can take: a limit that was set once, for whatever use, stays with it."""
    queue = Path("/sys/block", path.name, "queue")
    with contextlib.suppress(OSError):  # /sys may be read-only in a container: then they are what they are
        (queue / "max_sectors_kb").write_text((queue / "max_hw_sectors_kb").read_text())


def _free() -> Path:
    try:
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise DiskUnavailable(
            f"no loop devices here ({error}); run as root with the kernel module loop, in a container with --privileged"
        ) from error
    try:
        number = fcntl.ioctl(control, _GET_FREE)
    finally:
        os.close(control)
    path = Path(f"/dev/loop{number}")
    if not path.exists():  # in a container /dev is a copy, made before this device was
        with contextlib.suppress(FileExistsError):
            os.mknod(path, 0o600 | 0o060000, os.makedev(_MAJOR, number))
    return path
