"""A disk in user space: a block device whose every fault is certain, with a real file system on it.

One file in a FUSE file system whose server is ours (`server`), a loop device on that file, and ext4, XFS or Btrfs on
the loop device: any program in any language works on it, with real syscalls, a real page cache and a real journal, and
the server sees every write and every flush that reaches the disk. See `specs/disk.md`.

>>> Fault(on="flush", do="stall", seconds=0.5).do
'stall'
"""

from ackcheck.disk.disk import Cut, Disk
from ackcheck.disk.errors import BadFault, DiskFailed, DiskUnavailable, ImageNotMounted
from ackcheck.disk.faults import Fault
from ackcheck.disk.images import Folder, Image, Plan

__all__ = [
    "BadFault",
    "Cut",
    "Disk",
    "DiskFailed",
    "DiskUnavailable",
    "Fault",
    "Folder",
    "Image",
    "ImageNotMounted",
    "Plan",
]
