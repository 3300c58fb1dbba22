"""An ext4 file system in an image file, mounted through a loop device, and always cleaned up.

The building block of the machine-grade rigs. Needs root; `missing` says what else:

    >>> missing() is None or isinstance(missing(), str)
    True

An unmount ends a file system only where nobody has a copy of its mount, and every mount namespace that a process makes
begins with copies of all that its maker sees (a container, a service, another run). The next mount would then give back
the same file system, still shut down, and a store on it could read nothing. So it is mounted in a namespace of our own
(`ackcheck.rig.namespace`), which also unmounts it when we are killed. What we start ourselves may still have a copy:
`LoopImage.unmount` waits until the file system has ended, and `LoopImage.mount` tries it before anybody starts on it.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ackcheck.rig import namespace
from ackcheck.rig.errors import MountBusy, MountFailed, RigUnavailable
from ackcheck.rig.witness import holders, mounters, why_dead

TOOLS = ("mkfs.ext4", "mount", "umount", "losetup", "fallocate")
COMMAND_SECONDS = 60.0
BUSY_SECONDS = 2.0  # how long a killed process may take to let go of its files
COPIED_SECONDS = 10.0  # how long another mount namespace may keep a copy of a mount

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # linux/fs.h: _IOWR('X', 119, int) and 120

FILE_SYSTEMS = Path("/sys/fs/ext4")
"""Where the kernel has a folder for each ext4 that has not ended, by its device."""

MIB = 1024 * 1024


def missing() -> str | None:
    """Return why loop mounts cannot work here, `None` when nothing obvious is missing."""
    if os.geteuid() != 0:
        return "needs root (the effective user is not 0)"
    if not Path("/dev/loop-control").exists():
        return "needs loop devices (there is no /dev/loop-control)"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)} (packages e2fsprogs, mount, util-linux)"
    return None


def run(*command: str) -> str:
    """Run a command and return its output; raises `MountFailed` with what it complained of."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MountFailed(command, str(error)) from error
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise MountFailed(command, reason)
    return done.stdout


def unmount(mountpoint: Path) -> None:
    """Unmount, waiting a moment for killed processes to be gone; raises `MountBusy`."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            run("umount", str(mountpoint))
        except MountFailed:
            if not os.path.ismount(mountpoint):
                return
            if time.monotonic() > deadline:
                raise MountBusy(str(mountpoint), holders(mountpoint)) from None
            time.sleep(0.02)
        else:
            return


def freeze_and_thaw(mountpoint: Path) -> None:
    """Have a file system write all that its journal holds where it belongs, and go on."""
    descriptor = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, FIFREEZE, 0)
        fcntl.ioctl(descriptor, FITHAW, 0)
    finally:
        os.close(descriptor)


def unmount_by_force(mountpoint: Path) -> None:
    """Unmount whatever holds it; for cleaning up, where nothing may be raised."""
    if not os.path.ismount(mountpoint):
        return
    try:
        unmount(mountpoint)
    except (MountBusy, MountFailed):
        with contextlib.suppress(MountFailed):
            run("umount", "--lazy", str(mountpoint))


class LoopImage:
    """An ext4 image of `size` bytes, to be mounted on `mountpoint` (made where it is not there).

    It has blocks of 4 KiB and a journal of `journal` bytes, so `size` is at least three times that.
    Raises `RigUnavailable` where loop mounts cannot work, `MountFailed` where one did not.
    """

    def __init__(
        self,
        image: Path,
        mountpoint: Path,
        *,
        size: int,
        journal: int = 4 * MIB,
        mount_options: Sequence[str] = (),
    ) -> None:
        self.image = image
        self.mountpoint = mountpoint
        self.size = size
        self.journal = journal
        self.mount_options = tuple(mount_options)
        self._owner = os.getpid()

    def create(self) -> None:
        """Make the (sparse) image and the file system in it."""
        if reason := missing():
            raise RigUnavailable(reason)
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(self.size)
        # Nothing is left for the kernel to initialise later, in its own time.
        lazy = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
        # What mke2fs picks for so small a disk (1 KiB blocks, perhaps no journal) no server has.
        usual = ("-b", "4096", "-J", f"size={self.journal // MIB}")
        run("mkfs.ext4", "-q", "-F", "-E", lazy, *usual, str(self.image))

    def mount(self) -> None:
        """Mount the image, which replays the journal, as after a crash; and see that it works.

        It is seen by this thread and by the processes it starts.
        """
        namespace.enter()
        options = ",".join(("loop", *self.mount_options))
        atexit.register(self.close)
        command = ("mount", "-t", "ext4", "-o", options, str(self.image), str(self.mountpoint))
        run(*command)
        if reason := why_dead(self.mountpoint):
            raise MountFailed(command, f"it is mounted and does not work: {reason}")

    def unmount(self) -> None:
        """Unmount, and wait until the file system has ended; raises `MountBusy` naming who still holds it."""
        unmount(self.mountpoint)
        deadline = time.monotonic() + COPIED_SECONDS
        while living := self._living():
            if time.monotonic() > deadline:
                raise MountBusy(
                    str(self.mountpoint), [who for device in living for who in mounters(device)], copied=True
                )
            time.sleep(0.02)

    def _living(self) -> list[str]:
        """Return the devices of the image on which its file system has not ended."""
        return [device for device in self.devices() if (FILE_SYSTEMS / Path(device).name).exists()]

    def close(self) -> None:
        """Unmount by whatever means and let the loop device go. Never raises; may be repeated."""
        atexit.unregister(self.close)
        if os.getpid() != self._owner:  # a fork of ours must not take the mount away
            return
        unmount_by_force(self.mountpoint)
        with contextlib.suppress(MountFailed):
            # The mount let its device go by itself, unless it was only lazily undone.
            for device in self.devices():
                run("losetup", "--detach", device)

    def devices(self) -> list[str]:
        """Return the loop devices that hold the image: one while it is mounted, such as `/dev/loop0`."""
        return [line.partition(":")[0] for line in run("losetup", "--associated", str(self.image)).splitlines()]

    def __enter__(self) -> Self:
        try:
            self.create()
            self.mount()
        except BaseException:  # an interrupt too must leave no mount behind
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
