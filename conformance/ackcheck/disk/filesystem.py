"""The file systems that a disk may carry, by name: how each is made and mounted.

>>> named("xfs").kind, named("ext4-journal").options[-1]
('xfs', 'data=journal')
>>> named("ntfs")
Traceback (most recent call last):
    ...
ackcheck.disk.errors.BadFault: no file system 'ntfs'; there are btrfs, ext4, ext4-journal, ext4-writeback, xfs

ext4 in its usual mode is the default: most brokers run on it, it is made and mounted fastest, and on no other do so few
writes of its own stand between a target's writes and the images. `noauto_da_alloc` switches off its help for files that
are renamed, which no other file system gives; `commit=3600` keeps the journal's own clock from deciding what survives.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from ackcheck.disk.errors import BadFault, DiskFailed, DiskUnavailable
from ackcheck.rig import namespace

MIB: Final = 1 << 20
COMMAND_SECONDS: Final = 60.0


@frozen
class FileSystem:
    """How a file system is made and mounted."""

    name: str
    kind: str
    make: tuple[str, ...]
    """The command that makes it, less the device."""
    options: tuple[str, ...]
    smallest: int
    """Bytes of the smallest disk that it is made on here."""
    package: str

    def with_options(self, *more: str) -> FileSystem:
        """Return it mounted with more options."""
        return evolve(self, options=self.options + more)

    def missing(self) -> str | None:
        """Return what is missing to use it, and what brings it; None when nothing is."""
        if shutil.which(self.make[0]) is None:
            return f"{self.make[0]} is missing; install the package {self.package}"
        known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
        if (
            self.kind not in known
            and subprocess.run(["modprobe", self.kind], capture_output=True, check=False).returncode
        ):
            return f"this kernel has no {self.kind}; take another file system"
        return None

    def make_on(self, device: Path) -> None:
        """Make it on a device; raises `DiskUnavailable`, `DiskFailed`."""
        if reason := self.missing():
            raise DiskUnavailable(reason)
        try:
            done = subprocess.run(
                [*self.make, str(device)],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DiskFailed(f"{self.make[0]} on {device} failed: {error}") from error
        if done.returncode:
            raise DiskFailed(f"{self.make[0]} on {device} failed: {(done.stderr or done.stdout).strip()}")

    def mount(self, device: Path, directory: Path) -> None:
        """Mount it; raises `OSError`."""
        namespace.mount(str(device), str(directory), self.kind, ",".join(self.options))


_EXT4_MAKE = (
    "mkfs.ext4",
    "-q",
    "-F",
    "-b",
    "4096",
    "-J",
    "size=4",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
)
_EXT4 = FileSystem("ext4", "ext4", _EXT4_MAKE, ("nodiscard", "noauto_da_alloc", "commit=3600"), 16 * MIB, "e2fsprogs")

FILESYSTEMS: Final[Mapping[str, FileSystem]] = {
    one.name: one
    for one in (
        FileSystem(
            "btrfs",
            "btrfs",
            ("mkfs.btrfs", "-q", "-f", "-K", "-m", "single"),
            ("nodiscard", "commit=300"),
            256 * MIB,
            "btrfs-progs",
        ),
        _EXT4,
        evolve(_EXT4.with_options("data=journal"), name="ext4-journal"),
        evolve(_EXT4.with_options("data=writeback"), name="ext4-writeback"),
        FileSystem("xfs", "xfs", ("mkfs.xfs", "-q", "-f", "-K"), ("nodiscard",), 320 * MIB, "xfsprogs"),
    )
}


def named(name: str) -> FileSystem:
    """Return the file system of a name; raises `BadFault`."""
    if name not in FILESYSTEMS:
        raise BadFault(f"no file system {name!r}; there are {', '.join(sorted(FILESYSTEMS))}")
    return FILESYSTEMS[name]
