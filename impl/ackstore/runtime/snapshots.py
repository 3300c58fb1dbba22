"""A copy of the directory of an open store, consistent, that is there whole or not at all.

At one instant, under the store's lock, every file of the logs is opened and measured: nothing is being written then,
and the offset file that is there derives from records that are in them. What is copied later, without the lock, is what
was there at that instant: files only grow, and one that compaction removes stays readable to whoever has it open.

The copy goes on in numbers that the original does not reach (an empty segment with a number much higher), so that the
two never give equal receipts for different deliveries.

While it is made it is in a folder of its own beside its place, whose name nobody else has: nothing that is there is
touched, and of several that are made for one place the first to be done gets it. (A crash leaves that folder: its name
begins with that of the place, and ends with `.partial`.)

>>> import tempfile
>>> here = Path(tempfile.mkdtemp())
>>> (here / "log-00000001.seg").write_bytes(b"12345"), (here / "reserve").write_bytes(b"0")
(5, 1)
>>> found = []
>>> open_all(here, found); write(found, here / "copy", now=0.0); close(found)
>>> first, jump = sorted(file.name for file in (here / "copy").iterdir())
>>> first, (here / "copy" / jump).stat().st_size
('log-00000001.seg', 0)
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ackstore.format.filenames import FileNames, names_of
from ackstore.runtime.files import FILE_MODE, FileReader, check_name, prepare
from ackstore.words.errors import DirectoryNotEmpty, DirectoryNotWritable, LogUnreadable, shown

PIECE = 1 << 20
"""Bytes that are copied at a time."""

FAR = 1 << 24
"""The copy's numbers begin up to so many further on. Epochs have room for 2^40."""

PARTIAL = ".partial"
"""What the name of a copy ends with while it is not whole."""


@frozen
class Opened:
    """A file as it was at the instant: its name, a descriptor to read it by, and how long it was."""

    name: str
    fd: int
    size: int


def open_all(path: Path, found: list[Opened]) -> None:
    """Open all that counts of a store's directory; `found` gets it, to be closed whatever comes of it. (The store's
    lock is held.)"""
    reader = FileReader(path)
    try:
        for name in reader.names():
            if names_of(name) is not None:
                try:
                    fd = reader.open(name)
                except FileNotFoundError:  # compaction was about to remove it, and nothing in it counts
                    continue
                found.append(Opened(name, fd, os.fstat(fd).st_size))
    except OSError as error:
        raise LogUnreadable(
            f"the files of {path} cannot be opened ({error.strerror}): nothing was copied. See to the limit on open "
            "files, and to the disk"
        ) from error


def close(found: list[Opened]) -> None:
    """Let go of the files."""
    for file in found:
        os.close(file.fd)


def write(found: list[Opened], target: Path, now: float) -> None:
    """Copy what was opened to a new directory, and make it durable; `now` is what the store's clock shows."""
    try:
        _check(target)
        prepare(target.parent)
        with _made_aside(target) as partial:
            for file in found:
                _copy(file, partial / file.name, now)
            for names, number in _jumps(found):
                os.close(_create(partial / names.segment(number)))
            _sync(partial)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _is_there(target) from error
        raise DirectoryNotWritable(
            f"{shown(str(target))} cannot be written ({error.strerror}): nothing is there. Make room, or give another "
            "path"
        ) from error


@contextmanager
def _made_aside(target: Path) -> Iterator[Path]:
    """Give a new directory beside `target`, which becomes that in the end; whatever goes wrong, nothing is left."""
    there = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=PARTIAL, dir=target.parent))
    try:
        yield there
        there = there.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(there, ignore_errors=True)
        raise


def _check(target: Path) -> None:
    """Refuse a place where something is, or nothing can be."""
    check_name(target)
    try:
        taken = target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir())))
    except OSError as error:
        raise DirectoryNotWritable(
            f"{shown(str(target))} cannot be looked at ({error.strerror}): give another path"
        ) from error
    if taken:
        raise _is_there(target)


def _is_there(target: Path) -> DirectoryNotEmpty:
    return DirectoryNotEmpty(
        f"{target} is there already: a snapshot goes to a new directory, or to an empty one. Give another path"
    )


def _jumps(found: list[Opened]) -> list[tuple[FileNames, int]]:
    """Return the log, and the number that its copy goes on from, of each log."""
    highest: dict[FileNames, int] = {}
    for file in found:
        names = names_of(file.name)
        number = names.number_of(file.name) if names else None
        if names and number is not None:
            highest[names] = max(highest.get(names, 0), number)
    # Not by a seed: it is there to differ from what any other copy has.
    return [(names, number + 1 + secrets.randbelow(FAR)) for names, number in highest.items()]


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def _copy(file: Opened, to: Path, now: float) -> None:
    fd = _create(to)
    try:
        at = 0
        while at < file.size and (data := os.pread(file.fd, min(PIECE, file.size - at), at)):
            at += os.write(fd, data)
        os.utime(fd, (now, now))  # where the copy's clock begins (see *Clocks*)
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
