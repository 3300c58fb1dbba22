"""The kinds of write, each on a file of its own: made ready, written, synced, read.

>>> seen_as(NEW), seen_as(bytes(BLOCK)), seen_as(b""), called(lambda: os.close(-1))
('new', 'zeros', 'empty', 'EBADF')
"""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ackcheck.disk.behaviour.cases import Kind
from ackcheck.disk.filesystem import COMMAND_SECONDS

BLOCK: Final = 4096
MARK: Final = b"these bytes the disk will refuse"
NEW: Final = MARK.ljust(BLOCK, b"+")
OLD: Final = b"-" * BLOCK
PART: Final = slice(0, 1024)
"""What is written of the block where it is written in part."""


def called(call: Callable[[], object]) -> str:
    """Make a system call; return `OK`, or the name of the error."""
    try:
        call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "OK"


def seen_as(content: bytes) -> str:
    """Return what bytes that were read are."""
    known = {NEW: "new", OLD: "old", bytes(BLOCK): "zeros", b"": "empty", NEW[PART]: "that part"}
    known |= {NEW[PART] + rest[PART.stop :]: f"that part, {known[rest]}" for rest in (OLD, bytes(BLOCK))}
    return known.get(content, "garbage")


_MAPPED: Final = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
    mapped[int(sys.argv[2]) : int(sys.argv[2]) + len(sys.argv[3])] = sys.argv[3].encode()
"""


def _write_mapped(path: Path, offset: int) -> None:
    """Write into a mapping of a file, in a process of its own: a file system that has given up kills who does."""
    command = [sys.executable, "-I", "-S", "-c", _MAPPED, str(path), str(offset), NEW.decode()]
    try:
        status = subprocess.run(command, check=False, capture_output=True, timeout=COMMAND_SECONDS).returncode
    except subprocess.TimeoutExpired as error:
        raise OSError(errno.ETIMEDOUT, f"a process that writes into the mapping does not end: {error}") from error
    if status:
        raise OSError(errno.EIO, f"a process that writes into the mapping ends with {status}")


class File:
    """One file, ready to be written by one kind of write."""

    def __init__(self, directory: Path, kind: Kind) -> None:
        self.kind = kind
        self.directory = directory
        self.final = directory / "file"
        self.path = directory / "file.new" if kind == "rename" else self.final
        self._buffer = mmap.mmap(-1, BLOCK)  # aligned, as O_DIRECT wants it
        self._buffer.write(NEW)
        self._map: mmap.mmap | None = None
        self._make_ready()

    def _make_ready(self) -> None:
        if self.kind in ("overwrite", "rename"):
            self.final.write_bytes(OLD)
        if self.kind != "new entry":
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            if self.kind in ("preallocated", "mmap"):
                os.posix_fallocate(self.descriptor, 0, 2 * BLOCK)
            os.fsync(self.descriptor)
        else:
            self.descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)

    def write(self, place: int = 0, *, part: bool = False) -> str:
        """Write the bytes, or the first part of them, at a block of the file."""
        return called(lambda: self._write(place * BLOCK, NEW[PART] if part else NEW))

    def _write(self, offset: int, content: bytes = NEW) -> None:
        if self.kind == "new entry":
            self.path.touch()
        elif self.kind == "direct":
            descriptor = os.open(self.path, os.O_RDWR | os.O_DIRECT)
            try:
                os.pwrite(descriptor, self._buffer, offset)
            finally:
                os.close(descriptor)
        elif self.kind == "mmap":
            if self._map is None:
                self._map = mmap.mmap(self.descriptor, 2 * BLOCK)
            _write_mapped(self.path, offset)
        else:
            os.pwrite(self.descriptor, content, offset)

    def sync(self) -> str:
        """Sync them."""
        if self._map is not None:
            return called(self._map.flush)
        return called(lambda: os.fsync(self.descriptor))

    def replace(self) -> str:
        """Put the new file in the place of the old one, where that is what is tried; its directory is synced."""
        if self.kind != "rename":
            return "OK"
        done = called(lambda: self.path.rename(self.final))
        self.path = self.final
        if done != "OK":
            return done
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return called(lambda: os.fsync(directory))
        finally:
            os.close(directory)

    def drop(self) -> None:
        """Have the kernel drop the file's pages, as it does by itself when it needs memory."""
        if self._map is not None:
            self._map.close()
            self._map = None
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def read(self, place: int = 0) -> str:
        """Return what is read now, at a block of the file, or the error."""
        if self.kind == "new entry":
            found = called(lambda: os.close(os.open(self.path, os.O_RDONLY)))
            return {"OK": "there", "ENOENT": "absent"}.get(found, found)
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            return "absent" if error.errno == errno.ENOENT else errno.errorcode[error.errno or 0]
        try:
            return seen_as(os.pread(descriptor, BLOCK, place * BLOCK))
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let the file go."""
        if self._map is not None:
            called(self._map.close)
            self._map = None
        called(lambda: os.close(self.descriptor))
