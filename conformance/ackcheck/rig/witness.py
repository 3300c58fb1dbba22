"""What a target did to its directory, and what the disk did to the target: seen from outside, and not asked of it.

Which files it made, changed or removed, and how much of what it wrote the disk has not got yet:

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     before = look(Path(folder))
...     _ = (Path(folder) / "log").write_bytes(b"an ack")
...     changes(before, look(Path(folder))), unwritten(Path(folder)) in (None, 4096)
(1, True)

And who else has files of it open: a server that the suite did not start, and that no kill of ours will reach; who has
a copy of its mount; and whether the file system under it works at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

PAGE = os.sysconf("SC_PAGE_SIZE")
BLOCK = 512  # what st_blocks counts

SYS_CACHESTAT = 451  # the same on all architectures, since Linux 6.5; glibc has no function for it yet

DEAD = (errno.EIO, errno.EROFS)
"""What a file system says that was shut down, or has given up."""

PROBE = b"is this file system alive?"

MOST_FILES = 100_000
"""Files of a directory that are looked at."""


@frozen
class Seen:
    """What tells a file that was written to from one that was not."""

    inode: int
    size: int
    changed_ns: int


def look(directory: Path) -> Mapping[str, Seen]:
    """Return every file of a directory, by its name relative to it. No link is followed."""
    return {
        str(path.relative_to(directory)): Seen(found.st_ino, found.st_size, found.st_mtime_ns)
        for path, found in _files(directory)
    }


def changes(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> int:
    """Return how many files were made, changed or removed between two looks."""
    return sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())


def missing_since(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> int:
    """Return how many bytes of files are gone, by the lengths of those that are shorter now, or not there any more.

    >>> missing_since({"log": Seen(1, 900, 5), "new": Seen(2, 50, 5)}, {"log": Seen(1, 800, 4)})
    150
    """
    return sum(max(0, seen.size - (after[name].size if name in after else 0)) for name, seen in before.items())


def held_in(directory: Path) -> int:
    """Return how many bytes the files of a directory hold: of one with holes or room kept ahead, what is less."""
    return sum(min(found.st_size, found.st_blocks * BLOCK) for _, found in _files(directory))


def unwritten(directory: Path) -> int | None:
    """Return how many bytes of the files' pages are newer than the disk; None where the kernel cannot tell."""
    pages = 0
    for path, _ in _files(directory):
        with contextlib.suppress(OSError):  # the target may run, and remove it
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                pages += _not_clean(descriptor)
            except NotImplementedError:
                return None
            finally:
                os.close(descriptor)
    return pages * PAGE


def holders(directory: Path, *, writing: bool = False) -> list[str]:
    """Return the processes that have a file below a directory open, or stand in it.

    With `writing`, only those that have one open for writing.
    """
    found = []
    inside = str(directory.resolve())
    for process in _processes():
        with contextlib.suppress(OSError):  # it ended while we looked, or is not ours to look into
            links = [link for link in _descriptors(process) if _is_below(link, inside)]
            if any(map(_for_writing, links)) if writing else links or _is_below(f"{process}/cwd", inside):
                found.append(_called(process))
    return found


def mounters(device: str) -> list[str]:
    """Return the processes in whose mount namespace a block device such as `/dev/loop0` is mounted."""
    found = []
    for process in _processes():
        with contextlib.suppress(OSError, IndexError):  # it ended while we looked, or is not ours to look into
            lines = Path(process, "mountinfo").read_text().splitlines()
            if any(line.partition(" - ")[2].split()[1] == device for line in lines):
                found.append(_called(process))
    return found


def why_dead(directory: Path) -> str | None:
    """Return why the file system under a directory does not work, None where it does, or the directory is at fault.

    It is synced, and a file that has no name is written and read back. Nothing of that is there afterwards.

    >>> why_dead(Path("/tmp")), why_dead(Path("/no/such/directory"))
    (None, None)
    """
    try:
        sync_path(directory)
        descriptor = os.open(directory, os.O_RDWR | os.O_TMPFILE, 0o600)
        try:
            os.write(descriptor, PROBE)
            if os.pread(descriptor, len(PROBE), 0) != PROBE:
                return f"what is written in {directory} reads as something else"
        finally:
            os.close(descriptor)
    except OSError as error:  # others than these say nothing of it: a file system without files that have no name
        return f"{error.strerror} in {directory}" if error.errno in DEAD else None
    return None


def has_given_up(directory: Path) -> bool:
    """Tell whether the file system there takes nothing any more until it is mounted again: read-only, or shut down.

    It is asked for a file that has no name. Nothing is synced: a sync may be answered OK once the journal is dead, and
    what it says to the target's next one would then be another.

    >>> has_given_up(Path("/tmp"))
    False
    """
    try:
        os.close(os.open(directory, os.O_RDWR | os.O_TMPFILE, 0o600))
    except OSError:
        return True
    return False


def sync_path(path: Path) -> None:
    """fsync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# A machine may have hundreds of processes with hundreds of descriptors each, looked at before every fault: paths here
# are strings, which are built ten times as quickly.


def _processes() -> Iterator[str]:
    """Yield the folder in /proc of each process."""
    return (f"/proc/{name}" for name in os.listdir("/proc") if name.isdecimal())


def _descriptors(process: str) -> Iterator[str]:
    folder = f"{process}/fd"
    return (f"{folder}/{name}" for name in os.listdir(folder))


def _called(process: str) -> str:
    return f"process {Path(process).name} ({Path(process, 'comm').read_text().strip()})"


def _is_below(link: str, folder: str) -> bool:
    """Tell whether a link leads to a folder, or to something below it."""
    with contextlib.suppress(OSError):
        path = os.readlink(link)  # noqa: PTH115 - see above: one is made for each descriptor of the machine
        return path.startswith(folder) and path[len(folder) : len(folder) + 1] in {"", "/"}
    return False


def _for_writing(link: str) -> bool:
    """Tell whether a descriptor `/proc/PID/fd/N` is open for writing."""
    process, _, number = link.rpartition("/fd/")
    for line in Path(process, "fdinfo", number).read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    count = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            count += 1
            if count > MOST_FILES:
                return
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                found = path.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield path, found


def _not_clean(descriptor: int) -> int:
    """Return how many pages of a file are dirty, or on their way to the disk."""
    span, told = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    if ctypes.CDLL(None, use_errno=True).syscall(SYS_CACHESTAT, descriptor, span, told, 0) == 0:
        return told[1] + told[2]
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EPERM):
        raise NotImplementedError("this kernel has no cachestat")
    return 0  # no regular file
