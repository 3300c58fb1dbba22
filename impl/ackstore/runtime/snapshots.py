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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from ackstore.format.filenames import FileNames, names_of
from ackstore.format.recovery import MOST_SEGMENTS
from ackstore.runtime.descriptors import Descriptor, opened
from ackstore.runtime.files import DIRECTORY_MODE, FILE_MODE, FileReader, check_name, prepare, sync_directory
from ackstore.words.errors import DirectoryNotEmpty, DirectoryNotWritable, LogUnreadable, NumbersExhausted, shown

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
    descriptor: Descriptor
    size: int


def open_all(path: Path, found: list[Opened]) -> None:
    """Open all that counts of a store's directory; `found` gets it, to be closed whatever comes of it. (The store's
    lock is held.)"""
    reader = FileReader(path)
    listed = {name: names for name in reader.names() if (names := names_of(name))}
    # The offset file may be replaced right now: it is there all the time, but the system need not list it.
    offsets = {names.offsets for names in listed.values()}
    try:
        for name in sorted(listed.keys() | offsets):
            try:
                descriptor = reader.open(name)
            except FileNotFoundError:  # compaction was about to remove it, and nothing in it counts
                continue
            found.append(Opened(name, descriptor, os.fstat(descriptor).st_size))
    except OSError as error:
        raise LogUnreadable(
            f"the files of {path} cannot be opened ({error.strerror}): nothing was copied. See to the limit on open "
            "files, and to the disk"
        ) from error


def close(found: list[Opened]) -> None:
    """Let go of the files now."""
    for file in found:
        file.descriptor.close()


def write(found: list[Opened], target: Path, now: float) -> None:
    """Copy what was opened to a new directory, and make it durable; `now` is what the store's clock shows."""
    try:
        _check(target)
        jumps = _jumps(found)
        prepare(target.parent)
        with _made_aside(target) as partial:
            for file in found:
                _copy(file, partial / file.name, now)
            for names, number in jumps:
                _create(partial / names.segment(number)).close()
            sync_directory(partial)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _is_there(target) from error
        raise DirectoryNotWritable(
            f"{shown(str(target))} cannot be written ({error.strerror}): nothing is there. Make room, or give another "
            "path"
        ) from error


@contextmanager
def _made_aside(target: Path) -> Iterator[Path]:
    """Give a new directory beside `target`, which becomes that in the end; whatever goes wrong, and whenever, nothing
    is left."""
    there = target.with_name(f"{target.name}.{secrets.token_hex(8)}{PARTIAL}")  # nobody else has this name
    renamed = False
    try:
        there.mkdir(DIRECTORY_MODE)
        yield there
        renamed = True
        there.rename(target)
        sync_directory(target.parent)
    except BaseException:
        if renamed and not there.exists():
            with suppress(OSError):
                target.rename(there)  # so that it goes as it came: at once
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
    last = max(highest.values(), default=0)
    if last > MOST_SEGMENTS - FAR - 1:
        raise NumbersExhausted(
            f"segment {last} is there, and a copy would go on beyond what numbers an open: nothing was copied. Close "
            "the store, and copy its directory"
        )
    # Not by a seed: it is there to differ from what any other copy has.
    return [(names, number + 1 + secrets.randbelow(FAR)) for names, number in highest.items()]


def _create(path: Path) -> Descriptor:
    return opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)


def _copy(file: Opened, to: Path, now: float) -> None:
    with _create(to) as copy:
        at = 0
        while at < file.size:
            data = _read(file, at)
            while data:
                written = os.write(copy, data)
                at += written
                data = data[written:]
        os.utime(copy, (now, now))  # where the copy's clock begins (see *Clocks*)
        os.fsync(copy)


def _read(file: Opened, at: int) -> bytes:
    """Return a piece of what was there at the instant."""
    try:
        data = os.pread(file.descriptor, min(PIECE, file.size - at), at)
        why = "it is shorter than it was"
    except OSError as error:
        data, why = b"", str(error.strerror)
    if not data:
        raise LogUnreadable(
            f"{file.name} cannot be read from byte {at} on ({why}): nothing was copied. See to the disk"
        )
    return data
