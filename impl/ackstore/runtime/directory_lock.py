"""The lock of a store's directory: one store at a time, of this process or another.

It also tells the next open when this one was, by the clock that the system had (see *Clocks* in specs/store.md).

>>> import tempfile
>>> path = Path(tempfile.mkdtemp())
>>> lock = DirectoryLock(path)
>>> DirectoryLock(path)                                             # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
ackstore.words.errors.DirectoryInUse: ... is in use by process ...: close that store first, or give another path
>>> lock.release(); DirectoryLock(path).release()
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from ackstore.format.filenames import log_in
from ackstore.runtime import forks
from ackstore.runtime.descriptors import Descriptor, opened
from ackstore.runtime.files import FILE_MODE, a_link
from ackstore.words.errors import DirectoryInUse, DirectoryNotWritable

LOCK = "lock"
MEND = "give this user the right to read and write the directory and all files in it (`chown -R`, `chmod -R u+rwX`)"
"""Where the system says that it is not allowed, what to do."""


def files_in(path: Path) -> dict[str, os.stat_result]:
    """Return what the system says of each of a store's files."""
    with os.scandir(path) as found:
        own = [each for each in found if log_in(each.name) or each.name.startswith(("offsets", LOCK))]
        return {each.name: each.stat(follow_symlinks=False) for each in own}


def not_replaceable(path: Path, files: dict[str, os.stat_result]) -> str | None:
    """Return a file that this user could neither replace nor remove: in a directory such as /tmp that is only for the
    owners of the file, and of the directory (and for root)."""
    directory, user = path.stat(), os.geteuid()
    if not directory.st_mode & stat.S_ISVTX or user in (0, directory.st_uid):
        return None
    return next((name for name, found in files.items() if name != LOCK and found.st_uid != user), None)


class DirectoryLock:
    """Keeps a second store, of this process or another, out of a directory.

    The system drops the lock with the process, however it ends: no stale lock is left behind. Nor is one when nobody
    has this object any more, because an exception has come into the opening of the store.
    """

    def __init__(self, path: Path) -> None:
        self._file: Descriptor | None = None
        forks.watch(self, os.getpid())  # a child of any moment lets go of it
        try:
            self._file = opened(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, FILE_MODE)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise a_link(path / LOCK) from error
            raise _refused(path / LOCK, "written", error) from error
        try:
            self._take(path, self._file)
            files = self._looked_at(path)
            self.last_written = max((each.st_mtime for each in files.values()), default=0.0)
            """When a store last wrote here, by the clock that the system had then; 0.0 where none did."""
            with suppress(OSError):  # who it is helps whoever is kept out; a disk without room need not stop this
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            self.forget()
            raise

    def _take(self, path: Path, file: Descriptor) -> None:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:  # it is emptied once it is ours, by whatever name
            raise a_link(path / LOCK)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            raise DirectoryInUse(
                f"{path} is in use by process {holder or 'unknown'}: close that store first, or give another path"
            ) from error
        except OSError as error:
            raise _refused(path / LOCK, "locked", error) from error

    def _looked_at(self, path: Path) -> dict[str, os.stat_result]:
        try:
            files = files_in(path)
            wrong = not_replaceable(path, files)
        except OSError as error:
            raise _refused(path, "read", error) from error
        if wrong is not None:
            raise DirectoryNotWritable(
                f"{path / wrong} belongs to another user, and only its owner may replace or remove it there: `chown` "
                f"the files to this user, or take the sticky bit away (`chmod -t {path}`). Nothing was changed"
            )
        return files

    def note(self, now: float) -> None:
        """Have the next open know that the store's clock has shown this: for one that is ahead of the system's. Where
        the file belongs to another user, or the disk takes nothing any more, it does not get to know."""
        if self._file is not None:
            with suppress(OSError):
                os.utime(self._file, (now, now))

    def forget(self) -> None:
        """Keep nobody out any longer, in a forked child: its parent goes on holding the lock."""
        if self._file is not None:
            self._file.close()

    leave_behind = forget

    def release(self) -> None:
        """Let others in. Unlocked before it is closed: a forked child may hold the file too."""
        if self._file is not None and not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._file.close()


def _refused(path: Path, what: str, error: OSError) -> DirectoryNotWritable:
    return DirectoryNotWritable(
        f"{path} cannot be {what} ({error.strerror}): {MEND}, or give another path. Nothing was changed"
    )
