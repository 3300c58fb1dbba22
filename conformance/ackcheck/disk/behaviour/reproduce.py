"""The lost rewrite, step by step: an fsync that says OK, and bytes that are gone once their page leaves the cache.

>>> from ackcheck.disk.available import missing
>>> if missing() is None:
...     lines = []
...     lost = lost_rewrite("xfs" if missing("xfs") is None else "ext4 nodelalloc", lines.append)
...     assert not lost and lines[-1].startswith("kept")
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from ackcheck.disk.behaviour.cases import filesystem_of
from ackcheck.disk.behaviour.files import BLOCK, MARK, NEW, called, seen_as
from ackcheck.disk.disk import Disk
from ackcheck.disk.extents import extents_of
from ackcheck.disk.faults import Fault


def lost_rewrite(filesystem: str, tell: Callable[[str], None]) -> bool:
    """Write, fail, heal, write the same bytes at the same place, sync; tell each step; return whether they are lost."""
    how = filesystem_of(filesystem)
    tell(f"Linux {platform.release()}, {how.kind} mounted with {','.join(how.options)}, on a disk of 4 KiB blocks")
    with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder, Disk(Path(folder), how) as disk:
        path = disk.directory / "file"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.fsync(descriptor)
            fault = disk.arm(Fault(on="write", do="eio", holding=MARK))
            tell(f"pwrite(fd, 4096 bytes, 0)            {called(lambda: os.pwrite(descriptor, NEW, 0))}")
            tell(f"fsync(fd), the disk says EIO         {called(lambda: os.fsync(descriptor))}")
            tell(f"   writes that the disk refused      {disk.hits(fault)}")
            disk.disarm()
            tell("the disk is well again, and stays so")
            tell(f"pwrite(fd, the same, 0)              {called(lambda: os.pwrite(descriptor, NEW, 0))}")
            tell(f"fsync(fd)                            {called(lambda: os.fsync(descriptor))}")
            tell(f"pread(fd)                            {seen_as(os.pread(descriptor, BLOCK, 0))}")
            for extent in extents_of(path):
                kind = "unwritten" if extent.unwritten else "written"
                tell(f"   FIEMAP: block {extent.first} is {kind}; on the disk it holds: {on_disk(disk, extent.first)}")
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            tell("posix_fadvise(fd, DONTNEED)          the page leaves the cache")
            tell(f"pread(fd), still mounted             {seen_as(os.pread(descriptor, BLOCK, 0))}")
        finally:
            os.close(descriptor)
        disk.remount()
        remounted = seen_as(path.read_bytes()[:BLOCK])
        tell(f"pread(fd), after a remount           {remounted}")
    lost = remounted != "new"
    tell(
        "lost: an fsync that said OK, of bytes that cannot be read" if lost else "kept: what fsync said OK to is there"
    )
    return lost


def on_disk(disk: Disk, block: int) -> str:
    """Return what a block of the disk holds, past every cache."""
    disk.drive.forget_cached()
    with disk.drive.device.open("rb") as device:
        return seen_as(os.pread(device.fileno(), BLOCK, block * BLOCK))
