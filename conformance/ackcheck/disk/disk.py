"""A directory on a disk whose every fault is certain: what a judge of stores works with.

>>> import tempfile
>>> from ackcheck.disk.available import missing
>>> if missing() is None:
...     with tempfile.TemporaryDirectory() as folder, Disk(Path(folder)) as disk:
...         _ = (disk.directory / "log").write_bytes(b"never synced")
...         _, cut = disk.cut()
...         seen = set()
...         for image in cut.plan(seed=1, most=4).images:
...             with cut.shown(image) as directory:
...                 seen.add((directory / "log").exists())
...     assert seen == {False, True}    # it may be there, and it may be lost

The power is cut in this order: nobody listens to the target any more; what is certain stands still; the target is
killed; the kernel writes what it still holds of it, which it might have begun to do at any moment before. All of that,
and what had not been flushed, is what images are chosen from: epoch after epoch, each begun only when what the flush
before it covered is there whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self, TypeVar

from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.drive import Drive
from ackcheck.disk.errors import BadFault, DiskFailed, ImageNotMounted
from ackcheck.disk.extents import Extent, extents_below
from ackcheck.disk.faults import Fault
from ackcheck.disk.filesystem import FILESYSTEMS, FileSystem, named
from ackcheck.disk.images import FEW, Image, Plan, planned
from ackcheck.rig import namespace
from ackcheck.rig.witness import has_given_up, holders

DEFAULT = "ext4"
BUSY_SECONDS = 30.0
"""For how long a killed process may take to let go of its files."""

KilledT_co = TypeVar("KilledT_co", covariant=True)


class Victim(Protocol[KilledT_co]):
    """What runs on the disk when its power is cut; a `Child` of the rig is one."""

    def stop_listening(self) -> None:
        """Take no answer from here on."""
        ...

    def kill(self) -> KilledT_co:
        """End every process that holds a file."""
        ...


class Disk:
    """A file system on a disk of its own, mounted below `folder`. Use as a context manager.

    It is seen by this thread and by the processes it starts (`ackcheck.rig.namespace`). `size` is in bytes, by default
    the smallest that the file system is used on. Raises `RigUnavailable`, `DiskFailed`, `BadFault`.
    """

    def __init__(self, folder: Path, filesystem: str | FileSystem = DEFAULT, *, size: int | None = None) -> None:
        self.filesystem = named(filesystem) if isinstance(filesystem, str) else filesystem
        size = max(64 << 20, self.filesystem.smallest) if size is None else size
        if size < self.filesystem.smallest:
            raise BadFault(f"{self.filesystem.name} needs {self.filesystem.smallest >> 20} MiB, not {size >> 20}")
        self.drive = Drive(size)
        self.mountpoint = folder.resolve() / "disk"
        self._undo = contextlib.ExitStack()
        self._mounted = False

    @property
    def directory(self) -> Path:
        """The target's directory: empty at first, durable itself."""
        return self.mountpoint / "target"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.enter_context(self.drive)
            with self.drive.bounded("making a file system"):
                self.filesystem.make_on(self.drive.device)
            self.mountpoint.mkdir(exist_ok=True)
            undo.callback(self._let_go)
            self.mount()
            self.directory.mkdir()
            self.sync()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    # --- faults ------------------------------------------------------------------------------------------------------

    def arm(self, fault: Fault) -> int:
        """Put a fault in force; return its number, for `disarm` and `hits`."""
        return self.drive.arm(fault)

    def disarm(self, number: int | None = None) -> None:
        """Take a fault back, or all of them; what it holds is done."""
        self.drive.disarm(number)

    @contextlib.contextmanager
    def well_at_the_end(self) -> Iterator[None]:
        """Take back all faults at the end, however it comes: a process that waits for a flush which is held cannot be
        ended."""
        try:
            yield
        finally:
            with contextlib.suppress(DiskFailed):
                self.drive.disarm()

    def hits(self, number: int) -> int:
        """Return how often a fault was met: one that never was has put nothing to the test."""
        return self.drive.hits(number)

    def blocks_of(self, pattern: str = "*") -> tuple[tuple[int, int], ...]:
        """Return the blocks of the target's files whose name fits, for `Fault.blocks`; raises `BadFault` for none."""
        ranges = tuple((one.first, one.count) for one in self._extents(pattern))
        if not ranges:
            raise BadFault(f"no file {pattern!r} has blocks yet; sync it first (on {self.filesystem.name})")
        return ranges

    def _extents(self, pattern: str = "*") -> list[Extent]:
        if self.filesystem.kind == "btrfs":  # its addresses are not those of the disk
            return []
        return extents_below(self.directory, pattern)

    # --- the mount ---------------------------------------------------------------------------------------------------

    def mount(self) -> None:
        """Mount the file system, which recovers as after a crash; raises `ImageNotMounted`."""
        with self.drive.bounded("mounting it"):
            try:
                self.filesystem.mount(self.drive.device, self.mountpoint)
            except OSError as error:
                raise ImageNotMounted(f"{self.filesystem.name} cannot be mounted: {error}") from error
        self._mounted = True

    def unmount(self) -> None:
        """Unmount, waiting a moment for killed processes to be gone; raises `DiskFailed` naming who holds a file."""
        deadline = time.monotonic() + BUSY_SECONDS
        while self._mounted:
            try:
                with self.drive.bounded("unmounting it"):
                    namespace.unmount(str(self.mountpoint))
            except OSError as error:
                if time.monotonic() > deadline:
                    who = ", ".join(holders(self.mountpoint)) or "an unknown holder"
                    raise DiskFailed(f"{self.mountpoint} cannot be unmounted ({error}): {who}; end it first") from error
                time.sleep(0.005)
            else:
                self._mounted = False

    def sync(self) -> None:
        """Have the file system write all it holds; raises `OSError`."""
        with self.drive.bounded("syncing it"):
            sync_filesystem(self.mountpoint)

    def remount(self) -> None:
        """Unmount and mount: what is read then is on the disk. A file system that refuses to be left is left lazily."""
        self.unmount()
        self.drive.forget_cached()
        self.mount()

    def has_given_up(self) -> bool:
        """Tell whether the file system takes nothing any more, until it is mounted again: read-only, or shut down."""
        return has_given_up(self.mountpoint)

    def _let_go(self) -> None:
        with contextlib.suppress(DiskFailed):
            self.drive.disarm()
        try:
            self.unmount()
        except DiskFailed:
            with contextlib.suppress(OSError):
                namespace.unmount(str(self.mountpoint), lazily=True)

    # --- the power cut -----------------------------------------------------------------------------------------------

    def cut(self, victim: Victim[KilledT_co] | None = None) -> tuple[KilledT_co | None, Cut]:
        """Cut the power; return what the victim's `kill` returned, and what the cut may have left.

        The disk is not mounted afterwards; `Cut.adopt` goes on from one of the images.
        """
        if victim is not None:
            victim.stop_listening()
        self.drive.cut()
        self.drive.go_on()
        killed = victim.kill() if victim is not None else None
        with contextlib.suppress(OSError):  # a file system that has given up writes nothing more
            self.sync()
        labels = {block: one.label for one in self._extents() for block in range(one.first, one.first + one.count)}
        epochs = self.drive.epochs()
        self.unmount()
        return killed, Cut(self, epochs, labels)


class Cut:
    """What a power cut may have left of a disk."""

    def __init__(self, disk: Disk, epochs: list[dict[int, list[str]]], labels: dict[int, str]) -> None:
        self._disk = disk
        self.epochs = epochs
        self.labels = labels
        self.read: frozenset[int] = frozenset()
        """Which blocks were read while the last image was shown."""

    @property
    def lost(self) -> int:
        """Bytes that were written, and that the disk may not have."""
        return BLOCK * sum(len(versions) - 1 for epoch in self.epochs for versions in epoch.values())

    def plan(self, *, seed: int | str, most: int = FEW, torn: bool = True) -> Plan:
        """Choose the images to be judged."""
        return planned(self.epochs, self.labels, seed=seed, most=most, torn=torn)

    @contextlib.contextmanager
    def shown(self, image: Image) -> Iterator[Path]:
        """Give the target's directory as an image has it; what is written there goes with it.

        Raises `ImageNotMounted`, `DiskFailed` where a process still holds a file at the end.
        """
        self._disk.drive.show(image.choice)
        self._disk.mount()
        try:
            yield self._disk.directory
        finally:
            self._disk.unmount()
        self.read = self._disk.drive.read_blocks()

    def adopt(self, image: Image) -> None:
        """Go on from an image: it is what is certain now, and is mounted."""
        self._disk.drive.adopt(image.choice)
        self._disk.mount()


def sync_filesystem(directory: Path) -> None:
    """Have a file system write all it holds (`syncfs`); raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if library.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


__all__ = ["FILESYSTEMS", "Cut", "Disk", "Victim"]
