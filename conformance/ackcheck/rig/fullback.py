"""A real failed sync: the disk behind the file system fills up, and fsync fails, once.

The target's directory lies on an ext4 image whose sparse backing file lies on a small tmpfs. `fill`
takes the tmpfs's last page. From then on the file system still has room, so every write succeeds,
into the page cache; but a sync of pages that need new blocks fails, and the kernel then marks those
pages clean. A second sync has nothing to do and reports success; reads still give the bytes, from
the cache; `remount` shows that they are not on the disk. That is the fsyncgate failure, whole:

    >>> import os, tempfile
    >>> from ackcheck.rig.machine import available
    >>> if available() is None:
    ...     with tempfile.TemporaryDirectory() as folder, FullBackingRig(Path(folder)) as rig:
    ...         file = os.open(rig.path / "log", os.O_CREAT | os.O_RDWR)
    ...         rig.fill()
    ...         assert os.write(file, b"record") == 6
    ...         try: os.fsync(file)
    ...         except OSError: pass
    ...         os.fsync(file)
    ...         assert os.pread(file, 6, 0) == b"record"
    ...         os.close(file)
    ...         rig.remount()
    ...         assert (rig.path / "log").read_bytes() != b"record"

Two kinds of disk, by `journal`:

* `"spared"`: the journal and the other metadata have their blocks already. The sync fails with
  ENOSPC (the loop device passes on what the tmpfs said), the file system stays writable, and after
  `relieve` a target that writes its records again, further on or into another file, can sync them.
  The lost bytes read as zeros after a remount, or the file is short; and so do those that were
  written again in place, though a sync said OK: the block stays marked unwritten (specs/filesystems.md).
* `"starved"`: the journal needs new blocks too. A sync that has only metadata or overwritten bytes
  to write fails with EIO, once; one with appended bytes fails twice, ENOSPC for them and then EIO
  for the journal; those after it say success, the first one of another file too, though that has
  lost its newest bytes (specs/filesystems.md). The file system is read-only from then on, until
  `remount`: a target has nowhere to write to, and must say FAILED or UNKNOWN.

A record that fits into the last block of what was synced needs no new block, and its sync succeeds.
Measured on Linux 6.18.

The disk is given one page a request. A loop device takes a write that is only partly done for one
that succeeded (`lo_rw_aio_do_completion` of Linux 6.18 looks at the length of reads alone): a dirty
page that has its block already, and the page after it that has none, would go down as one request,
and a sync would lose the second page without any error. No store can see that, so it must not be.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Literal, Self

from ackcheck.rig import namespace
from ackcheck.rig.errors import RigUnavailable
from ackcheck.rig.loop import FILE_SYSTEMS, MIB, LoopImage, freeze_and_thaw, missing, run, unmount_by_force
from ackcheck.rig.witness import has_given_up, sync_path

FITRIM = 0xC0185879  # linux/fs.h: _IOWR('X', 121, struct fstrim_range)
BACKED = "ext4"
"""The file system of the disk that fills up."""

SLACK = 2 * MIB  # of the tmpfs, beyond the image


def one_page_a_request(device: str) -> None:
    """Have a block device such as `/dev/loop0` asked for one page at a time."""
    limit = Path("/sys/block") / Path(device).name / "queue" / "max_sectors_kb"
    limit.write_text(str(os.sysconf("SC_PAGE_SIZE") // 1024))


def trim(mountpoint: Path) -> None:
    """Give the blocks that the file system does not use back to what lies below it."""
    descriptor = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, FITRIM, struct.pack("QQQ", 0, 2**64 - 1, 0))
    finally:
        os.close(descriptor)


class FullBackingRig:
    """A directory whose disk can fill up behind its back. Use as a context manager.

    `size` is in bytes; a tmpfs of a little more is taken in `directory`, and filled by `fill`.
    Raises `RigUnavailable` and `MountFailed`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 32 * MIB,
        journal: Literal["spared", "starved"] = "spared",
    ) -> None:
        self._backing = directory / "backing"
        self._journal = journal
        self._loop = LoopImage(
            self._backing / "disk.img",
            directory / "disk",
            size=size,
            journal=size // 4,  # the longer it is, the later it has to be brought to its place, which needs blocks
            mount_options=("commit=3600",),
        )
        self._warned = 0

    @property
    def path(self) -> Path:
        """The target's directory: empty at first, and durable itself."""
        return self._loop.mountpoint / "target"

    def fill(self) -> None:
        """Leave not one page to the disk: the next sync that needs a new block fails.

        The bytes that were written but not synced before are among those that the sync loses.
        """
        if self._journal == "spared":
            trim(self._loop.mountpoint)  # what was freed since the mount
        self._warned = self._warnings()
        with (self._backing / "filler").open("ab", buffering=0) as filler:
            _fill_up(filler.fileno())

    def refused(self) -> int:
        """Return how many writes to the files the disk has refused since it was full, and one more for a dead journal.

        The file system counts them itself. Only a sync makes them, within the half minute that the kernel leaves dirty
        pages alone.
        """
        return self._warnings() - self._warned + self.has_given_up()

    def _warnings(self) -> int:
        [device] = self._loop.devices()
        return int((FILE_SYSTEMS / Path(device).name / "warning_count").read_text())

    def relieve(self) -> None:
        """Give the space back. What a failed sync lost stays lost."""
        (self._backing / "filler").unlink(missing_ok=True)

    def has_given_up(self) -> bool:
        """Tell whether the file system has given up and takes no new file, as with a starved journal at a sync."""
        return has_given_up(self._loop.mountpoint)

    def remount(self) -> None:
        """Unmount and mount again, so that reads come from the disk. Relieves it first.

        The target must have ended: `MountBusy` names who has not.
        """
        self.relieve()
        self._loop.unmount()
        self._mount()

    def _mount(self) -> None:
        self._loop.mount()
        for device in self._loop.devices():
            one_page_a_request(device)

    def close(self) -> None:
        """Unmount both file systems. Never raises; may be repeated."""
        self._loop.close()
        unmount_by_force(self._backing)

    def __enter__(self) -> Self:
        if reason := missing():
            raise RigUnavailable(reason)
        namespace.enter()
        self._backing.mkdir(parents=True, exist_ok=True)
        try:
            size = self._loop.size + SLACK
            run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self._backing))
            self._loop.create()
            if self._journal == "starved":
                run("fallocate", "--dig-holes", str(self._loop.image))  # zeros need no page
            else:
                # Every block gets its page; those that hold no data give it back, once mounted.
                with self._loop.image.open("r+b") as image:
                    os.posix_fallocate(image.fileno(), 0, self._loop.size)
            self._mount()
            if self._journal == "spared":
                trim(self._loop.mountpoint)
            self.path.mkdir()
            sync_path(self._loop.mountpoint)
            freeze_and_thaw(self._loop.mountpoint)  # the directory's block is written where it belongs
        except BaseException:  # an interrupt too must leave no mount behind
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fill_up(descriptor: int) -> None:
    while True:
        try:
            os.write(descriptor, bytes(MIB))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return
