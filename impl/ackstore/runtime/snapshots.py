"""A copy of the directory of an open store, consistent, that is there whole or not at all.

At one instant, under the store's lock, every file of the logs is opened and measured: nothing is being written then,
and the offset file that is there derives from records that are in them. What is copied later, without the lock, is what
was there at that instant: files only grow, and one that compaction removes stays readable to whoever has it open.

The copy goes on in numbers that the original does not reach (an empty segment with a number much higher), so that the
two never give equal receipts for different deliveries.

>>> import tempfile
>>> here = Path(tempfile.mkdtemp())
>>> (here / "log-00000001.seg").write_bytes(b"12345"), (here / "reserve").write_bytes(b"0")
(5, 1)
>>> write(opened(here), here / "copy", now=0.0)
>>> first, jump = sorted(file.name for file in (here / "copy").iterdir())
>>> first, (here / "copy" / jump).stat().st_size
('log-00000001.seg', 0)
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from attrs import frozen

from ackstore.format.filenames import FileNames, names_of
from ackstore.runtime.files import FILE_MODE, FileReader, prepare
from ackstore.words.errors import DirectoryNotEmpty, DirectoryNotWritable, LogUnreadable

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


def opened(path: Path) -> list[Opened]:
    """Open all that counts of a store's directory. (The store's lock is held.)"""
    reader, found = FileReader(path), []
    try:
        for name in reader.names():
            if names_of(name) is not None:
                try:
                    fd = reader.open(name)
                except FileNotFoundError:  # compaction was about to remove it, and nothing in it counts
                    continue
                found.append(Opened(name, fd, os.fstat(fd).st_size))
    except OSError as error:
        close(found)
        raise LogUnreadable(
            f"the files of {path} cannot be opened ({error.strerror}): nothing was copied. See to the limit on open "
            "files, and to the disk"
        ) from error
    except BaseException:
        close(found)
        raise
    return found


def close(found: list[Opened]) -> None:
    """Let go of the files."""
    for file in found:
        os.close(file.fd)


def write(found: list[Opened], target: Path, now: float) -> None:
    """Copy what was opened to a new directory, and make it durable; `now` is what the store's clock shows. Closes the
    files."""
    partial = target.with_name(target.name + PARTIAL)
    try:
        _check(target)
        shutil.rmtree(partial, ignore_errors=True)  # what an earlier attempt has left
        prepare(partial)
        for file in found:
            _copy(file, partial / file.name, now)
        for names, number in _jumps(found):
            os.close(_create(partial / names.segment(number)))
        _sync(partial)
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DirectoryNotWritable(
            f"{target} cannot be written ({error.strerror}): nothing is there. Make room, or give another path"
        ) from error
    finally:
        close(found)


def _check(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise DirectoryNotEmpty(
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
