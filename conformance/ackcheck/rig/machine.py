"""Real power loss: the file system under a target is cut off, and what was not synced is gone.

The target's directory lies on an ext4 image. `PowerRig.power_loss` shuts the file system down
without flushing its log (`EXT4_IOC_SHUTDOWN`), kills the target, unmounts, and mounts again, which
replays the journal as after a crash. Nothing is simulated: the kernel drops the same dirty pages
and the same open transaction that a power cut would.

    >>> import os, tempfile
    >>> if available() is None:
    ...     with tempfile.TemporaryDirectory() as folder, PowerRig(Path(folder)) as rig:
    ...         _ = (rig.path / "ack").write_bytes(b"not synced")
    ...         rig.power_loss()
    ...         assert not (rig.path / "ack").exists()

What ext4 forgives, and a target must not count on: a sync of any file commits the whole journal, so
it also makes every earlier create and rename durable (their data not). What the rig takes away: the
mount option `noauto_da_alloc` switches off ext4's habit of flushing a file that is renamed over
another, which other file systems do not have; `commit=3600` keeps the periodic journal commit from
deciding what survives. Dirty pages are written by the kernel itself only after 30 seconds
(`vm.dirty_expire_centisecs`); `writeback` makes that happen earlier, by choice.
"""

import fcntl
import functools
import os
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar, overload

from ackcheck.rig.errors import MountBusy, MountFailed, RigUnavailable
from ackcheck.rig.loop import MIB, LoopImage, missing
from ackcheck.rig.witness import look, missing_since, sync_path, unwritten
from ackcheck.rig.writeback import NOTHING, Writeback, write_back

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

# From linux/ext4.h: _IOR('X', 125, __u32), and its flag "no log flush".
EXT4_IOC_SHUTDOWN = 0x8004587D
EXT4_GOING_FLAGS_NOLOGFLUSH = 2

MOUNT_OPTIONS = ("noauto_da_alloc", "commit=3600")


def shut_down(mountpoint: Path) -> None:
    """Cut the file system off: from here on every access to it fails, and nothing reaches the disk.

    Raises `OSError` where the kernel refuses (not root, not ext4).
    """
    descriptor = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
    finally:
        os.close(descriptor)


class Victim(Protocol[T_co]):
    """What runs on the file system when its power is cut; `ackcheck.rig.child.Child` is one."""

    def stop_listening(self) -> None:
        """Take no answer from here on. Called just before the cut.

        Measured (Linux 6.18): a sync that is under way when the file system is shut down may return
        success though its bytes are lost, in one cut of thirty. Where the power really fails nobody
        is left to hear that answer, so it must not be held against the target.
        """

    def kill(self) -> T_co:
        """End every process that holds a file. Called just after the cut."""
        ...


class PowerRig:
    """A directory that can lose its power. Use as a context manager.

    Its image is kept in `directory`; `size` is in bytes, the image is sparse. Raises
    `RigUnavailable` and `MountFailed`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 64 * MIB,
        mount_options: Sequence[str] = MOUNT_OPTIONS,
    ) -> None:
        self._loop = LoopImage(
            directory / "power.img",
            directory / "power",
            size=size,
            mount_options=mount_options,
        )
        self.lost = 0
        """Bytes that the target had written when the power was last cut, and that are not on the disk."""

    @property
    def path(self) -> Path:
        """The target's directory: empty at first, durable itself, the same after a power loss."""
        return self._loop.mountpoint / "target"

    @overload
    def power_loss(self, victim: None = None, *, writeback: Writeback = NOTHING) -> None: ...

    @overload
    def power_loss(self, victim: Victim[T], *, writeback: Writeback = NOTHING) -> T: ...

    def power_loss(self, victim: Victim[T] | None = None, *, writeback: Writeback = NOTHING) -> T | None:
        """Cut the power and bring it back; returns what the victim's `kill` returned.

        `victim` is the target's process, a `Child` for one; `kill` must end every process that
        holds a file in `path`, or `MountBusy` names them. `writeback` is what the kernel is made to
        write, of its own accord, before the cut.
        """
        write_back(writeback, self.path, bystander=self._loop.mountpoint / "bystander")
        if victim is not None:
            victim.stop_listening()
        dirty, before = unwritten(self.path), look(self.path)
        shut_down(self._loop.mountpoint)
        killed = victim.kill() if victim is not None else None
        self._loop.unmount()
        self._loop.mount()
        self.lost = max(dirty or 0, missing_since(before, look(self.path)))
        return killed

    def close(self) -> None:
        """Unmount and let the loop device go. Never raises; may be repeated."""
        self._loop.close()

    def __enter__(self) -> Self:
        self._loop.__enter__()
        try:
            self.path.mkdir()
            sync_path(self._loop.mountpoint)
        except BaseException:  # an interrupt too must leave no mount behind
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def available() -> str | None:
    """Return why there can be no power loss here, `None` when there can.

    It is tried once: a file system is made, mounted and cut off, and the bytes that were not synced
    must be gone, and those that were must be there.
    """
    if reason := missing():
        return reason
    try:
        with tempfile.TemporaryDirectory() as folder, PowerRig(Path(folder), size=16 * MIB) as rig:
            (rig.path / "synced").write_bytes(b"synced")
            sync_path(rig.path / "synced")
            (rig.path / "unsynced").write_bytes(b"unsynced")
            rig.power_loss()
            if (rig.path / "synced").read_bytes() != b"synced" or (rig.path / "unsynced").exists():
                return "the shutdown of this kernel's ext4 does not lose what a power cut would"
    except (OSError, MountFailed, MountBusy, RigUnavailable) as error:
        return f"a loop-mounted ext4 cannot be shut down here: {error}"
    return None
