"""The real directory: effects performed, files read, and one store at a time.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "store"
>>> prepare(path)
>>> disk = RealDisk(path)
>>> disk.perform(Create("a")), disk.perform(Write("a", 0, b"abc")), disk.perform(Sync("a"))
(Done(), Done(), Done())
>>> FileReader(path).read("a")
b'abc'
>>> disk.close()
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ackstore.core.effects import (
    DONE,
    Create,
    Effect,
    Failed,
    Rename,
    Reserve,
    Result,
    Sync,
    SyncDir,
    Unlink,
    Write,
)
from ackstore.fields.classes import DiskFields, FileFields
from ackstore.format.filenames import log_in
from ackstore.runtime.descriptors import Descriptor, opened
from ackstore.runtime.pwrite import LOW, SHORT, short_pwrite
from ackstore.runtime.reserve import reserve
from ackstore.words.errors import (
    DirectoryIsAFile,
    DirectoryNameInvalid,
    DirectoryNotWritable,
    FileIsALink,
    LogUnreadable,
    shown,
)

DROPPED_AT_ONCE = 1 << 20
"""Bytes that a file's syncs have covered before the page cache is told so. To be told is not free: the kernel has every
processor hand in what it keeps for itself first, and waits for that, which may take as long as a quick sync."""

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
"""For the user alone: who may write to the directory could put links in the place of files."""


class Disk(Protocol):
    """Performs effects. Put one of your own around a `RealDisk` to inject faults."""

    def perform(self, effect: Effect) -> Result:
        """Perform one effect, from any thread. An `OSError` counts as `Failed` with its errno."""

    def close(self) -> None:
        """Close, as nothing more will be asked."""


class OpenFile(FileFields):
    """A file that this store writes. Its descriptor stays open until what it wrote is synced: an
    error of the write-back is reported to descriptors that were open then."""

    __slots__ = ("descriptor", "dropped", "failed")

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.fd = int(descriptor)
        self.failed = False
        """Some sync of it did."""
        self.dirty = False
        """Written since the last sync."""
        self.syncs = 0
        """Syncs running on the descriptor: it must not be closed under them."""
        self.leaving = False
        """To be closed as soon as it may."""
        self.dropped = 0
        """Up to where the page cache was told that it need not be kept."""

    def drop(self, size: int) -> None:
        """Have the page cache let go of what a sync has covered, `size` bytes, where that is worth while."""
        if size - self.dropped >= DROPPED_AT_ONCE or self.leaving:
            os.posix_fadvise(self.fd, 0, size, os.POSIX_FADV_DONTNEED)
            self.dropped = size


class RealDisk(DiskFields):
    """The directory at `path`. With `drop_flushed`, what a sync has covered leaves the page cache to others."""

    def __init__(self, path: Path, *, drop_flushed: bool = False) -> None:
        self._drop_flushed = drop_flushed
        try:
            self._directory: int = opened(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise DirectoryNotWritable(
                f"{path} cannot be opened ({error.strerror}): nothing was changed. See to the limit on open files, and "
                "to the disk"
            ) from error
        self.files: dict[str, OpenFile] = {}
        self._whole: set[str] = set()
        """Files that were closed, all of which a sync had covered by then: another has nothing left to do."""
        self._lock = threading.Lock()
        """Guards the life of descriptors, never held during I/O on one."""
        self.syncing = 0
        """Syncs that have not returned."""

    def perform(self, effect: Effect) -> Result:
        """Perform one effect."""
        try:
            if isinstance(effect, Write):
                return self.write(effect.file, effect.at, effect.data)
            if isinstance(effect, Sync | SyncDir):
                self._sync_while_noted(effect)
            elif isinstance(effect, Create):
                self._create(effect.file)
            elif isinstance(effect, Rename):
                self._rename(effect)
            elif isinstance(effect, Unlink):
                os.unlink(effect.file, dir_fd=self._directory)
                self._leave(effect.file)
            elif isinstance(effect, Reserve):
                room = reserve(self._directory, effect.file, effect.size)
                if room < effect.size:
                    return Failed(errno.ENOSPC, room)
        except OSError as error:
            return Failed(error.errno or errno.EIO)
        return DONE

    def close(self) -> None:
        """Close every descriptor; those being synced close when their sync returns."""
        for file in list(self.files):
            self._leave(file)
        directory, self._directory = self._directory, -1  # a number that is closed may be another file's by then
        if isinstance(directory, Descriptor):
            directory.close()

    def _create(self, file: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            made = opened(file, flags, FILE_MODE, self._directory)
        except FileExistsError:  # what a crash has left, or a link: its name goes, and what it leads to stays as it is
            os.unlink(file, dir_fd=self._directory)
            made = opened(file, flags, FILE_MODE, self._directory)
        self._leave(file)
        with self._lock:
            # Only the newest file of a log is written: the others go once they are synced.
            log = log_in(file)
            for other in list(self.files) if log else ():
                if log_in(other) == log:
                    self.files[other].leaving = True
                    self._close_if_idle(other)
            self.files[file] = OpenFile(made)

    def _rename(self, effect: Rename) -> None:
        here = self._directory
        os.rename(effect.source, effect.target, src_dir_fd=here, dst_dir_fd=here)
        self._leave(effect.source)

    def write(self, name: str, at: int, data: bytes) -> Result:
        """Write all of `data` at byte `at` of a file. While no sync runs, nothing makes a short write wait for the
        disk, and it does not let go of the interpreter's lock (see `ackstore.runtime.pwrite`)."""
        file = self.files[name]
        file.dirty = True
        size = len(data)
        written = 0
        if size <= SHORT and at < LOW and not self.syncing:
            written = short_pwrite(file.fd, data, size, at)
            if written == size:
                return DONE
            written = max(written, 0)  # what is wrong, the longer way says
        try:
            while written < size:
                more = os.pwrite(file.fd, data[written:] if written else data, at + written)
                if not more:
                    return Failed(errno.EIO, written)
                written += more
        except OSError as error:
            return Failed(error.errno or errno.EIO, written)
        return DONE

    def writes_at_once(self) -> bool:
        """Tell whether all writes are `write`'s: not where a disk of a kind of its own performs them otherwise."""
        kind = type(self)
        return kind.perform is RealDisk.perform and kind.write is RealDisk.write

    def _sync_while_noted(self, effect: Sync | SyncDir) -> None:
        with self._lock:
            self.syncing += 1
        try:
            if isinstance(effect, Sync):
                self.sync(effect.file)
            else:
                self.fsync(self._directory)
        finally:
            with self._lock:
                self.syncing -= 1

    def fsync(self, fd: int) -> None:
        """Wait for what was written to a file, or to the directory."""
        os.fsync(fd)

    def sync(self, name: str) -> None:
        """Make what the file holds durable."""
        with self._lock:
            # Never through a new descriptor: it might not be told of an earlier error.
            file = self.files.get(name)
            if file is None and name in self._whole:
                return  # asked for while an earlier one waited, which came after all writes
            if file is None:
                raise OSError(errno.EBADF, "not written by this store", name)
            file.syncs += 1
            file.dirty = False
        try:
            size = os.fstat(file.fd).st_size
            try:
                self.fsync(file.fd)
            except OSError:
                file.failed = True
                raise
            if self._drop_flushed:
                # No further than the sync has come: of what was written meanwhile this would start the write-back.
                file.drop(size)
        finally:
            with self._lock:
                file.syncs -= 1
                if self.files.get(name) is file:
                    self._close_if_idle(name)
                elif not file.syncs:
                    file.descriptor.close()

    def _close_if_idle(self, name: str) -> None:
        file = self.files[name]
        if file.leaving and not file.dirty and not file.syncs:
            del self.files[name]
            if not file.failed:
                self._whole.add(name)
            file.descriptor.close()

    def _leave(self, name: str) -> None:
        """Take it that the file has lost its name: what it holds does not matter any more."""
        with self._lock:
            self._whole.discard(name)
            file = self.files.pop(name, None)
            if file is not None and not file.syncs:
                file.descriptor.close()


@frozen
class WritesBy:
    """Writes to another disk than the real one."""

    disk: Disk

    def write(self, file: str, at: int, data: bytes) -> Result:
        """Write all of `data` at byte `at` of a file."""
        return perform(self.disk, Write(file, at, data))


def writes_to(disk: Disk) -> RealDisk | WritesBy:
    """Return what writes at once to a disk of any kind."""
    return disk if isinstance(disk, RealDisk) and disk.writes_at_once() else WritesBy(disk)


def perform(disk: Disk, effect: Effect) -> Result:
    """Perform an effect; an `OSError` is a failure like any other."""
    try:
        return disk.perform(effect)
    except OSError as error:
        return Failed(error.errno or errno.EIO)


class FileReader:
    """Recovery's view of the directory at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Return every file name; `LogUnreadable` if the system cannot tell."""
        try:
            return os.listdir(self.path)
        except OSError as error:
            raise LogUnreadable(
                f"the names of the files in {self.path} cannot be read ({error.strerror}): nothing was changed. "
                "See to the disk"
            ) from error

    def read(self, name: str) -> bytes:
        """Return all bytes of a file; `LogUnreadable` if the system cannot read it."""
        try:
            with self.open(name) as descriptor, open(descriptor, "rb", closefd=False) as file:
                return file.read()
        except PermissionError as error:
            raise LogUnreadable(
                f"{self.path / name} cannot be read ({error.strerror}): nothing was changed. Give this user the right "
                "to (it may belong to another: see `ls -l`, and `chown`)"
            ) from error
        except OSError as error:
            raise LogUnreadable(
                f"{self.path / name} cannot be read ({error.strerror}): nothing was changed. "
                "See to the disk and the file's permissions, or restore the directory from a copy"
            ) from error

    def open(self, name: str) -> Descriptor:
        """Return a descriptor to read a file by; raise `FileIsALink`, or what the system says."""
        try:
            found = opened(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise a_link(self.path / name) from error
            raise
        mode = os.fstat(found).st_mode
        if stat.S_ISREG(mode):
            return found
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise a_link(self.path / name)


def a_link(file: Path) -> FileIsALink:
    """Return what is wrong where a file of the store leads out of its directory."""
    return FileIsALink(
        f"{file} is a link, or no regular file, and the store touches nothing outside of its directory: nothing was "
        "changed. Put a copy of the file there instead, or take it away if this store did not make it"
    )


def check_name(path: Path) -> None:
    """Refuse what no file system takes for a name."""
    if "\0" in str(path):
        raise DirectoryNameInvalid(f"{shown(str(path))} can name no directory (a null character): give another path")


def prepare(path: Path) -> None:
    """See that `path` is a directory; a new one is made durable, with its parents."""
    check_name(path)
    try:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        is_file = path.exists() and not path.is_dir()
    except PermissionError as error:
        raise DirectoryNotWritable(
            f"{path} cannot be reached ({error.strerror}): give this user the right to enter the directories above it "
            "(`chmod +x`), or give another path"
        ) from error
    except OSError as error:
        raise DirectoryNameInvalid(
            f"{shown(str(path))} can name no directory ({error.strerror}): give another path"
        ) from error
    if is_file:
        raise DirectoryIsAFile(f"{path} is a file: give the path of a directory, or of a new one")
    try:
        for each in reversed(missing):
            each.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            sync_directory(each.parent)
    except NotADirectoryError as error:
        raise DirectoryIsAFile(
            f"{path} cannot be a directory: {error.filename} is a file. Give another path"
        ) from error
    except OSError as error:
        raise DirectoryNotWritable(
            f"{path} cannot be made a directory ({error.strerror}): make it yourself, or give a "
            "path that this user can write"
        ) from error


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as directory:
        os.fsync(directory)
