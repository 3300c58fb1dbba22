"""Tries one case on a disk of its own, and returns what was seen.

>>> from ackcheck.disk.available import missing
>>> if missing() is None:
...     row = probe(Case("ext4", "overwrite", "data", "nothing"))
...     assert (row.hits, row.syncs[0]) == (1, "EIO")    # the disk refused it once, and the sync says so
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from ackcheck.disk.behaviour.cases import Case, filesystem_of
from ackcheck.disk.behaviour.files import MARK, File, called
from ackcheck.disk.disk import Disk
from ackcheck.disk.errors import ImageNotMounted
from ackcheck.disk.faults import Fault

PATIENCE: Final = 20.0
"""Seconds after which a call that a failing disk holds up is called hung, and the disk healed."""


@frozen
class Row:
    """What was seen. Calls are told by `OK` or the name of their error, bytes by what they are."""

    case: Case
    hits: int
    """How many requests the disk refused: with none, nothing was tried."""
    write: str
    syncs: tuple[str, ...]
    """What the sync said, and when it was asked again on the same descriptor."""
    other: str
    """What a sync on a descriptor says that was open before, and on which nothing was written."""
    later: str
    """What one says on a descriptor opened afterwards."""
    hung: bool
    reads: str
    """What is read while the disk is failing."""
    state: str
    """What became of the file system: `works`, `read-only`, or the error of making a file."""
    dropped: str
    """What is read once the page has left the cache; the disk is well."""
    again: str
    """What the sync of the bytes written again said; empty where nothing was."""
    again_reads: str
    again_dropped: str
    """What is read of them at once, and once their page has left the cache."""
    remounted: str
    """What is read after the file system was mounted again, where it was written last."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self.case) | {name: value for name, value in asdict(self).items() if name != "case"}


def probe(case: Case) -> Row:
    """Try a case."""
    with (
        tempfile.TemporaryDirectory(prefix="ackcheck-") as folder,
        Disk(Path(folder), filesystem_of(case.filesystem)) as disk,
    ):
        return _Probe(disk, case).run()


def fault_of(case: Case) -> Fault:
    """Return what the disk does."""
    if case.fails == "flush":
        return Fault(on="flush", do="eio", times=1)
    return Fault(on="write", do="eio", holding=MARK if case.fails == "data" else b"")


class _Probe:
    def __init__(self, disk: Disk, case: Case) -> None:
        self.disk, self.case = disk, case
        self.file = File(disk.directory, case.kind)
        self.hung = False
        self.again = self.again_reads = self.again_dropped = self.dropped = ""

    def run(self) -> Row:
        case, disk, file = self.case, self.disk, self.file
        on_file = case.kind != "new entry"
        other = os.open(file.path if on_file else disk.directory, os.O_RDONLY)
        number = disk.arm(fault_of(case))
        healing = threading.Timer(PATIENCE, self._hang)
        healing.start()
        try:
            write = file.write()
            syncs = [file.sync() for _ in range(3 if case.then == "nothing" else 1)]
            others = called(lambda: os.fsync(other))
            later = _synced_anew(file.path if on_file else disk.directory)
            reads = file.read()
        finally:
            healing.cancel()
            healing.join()
            os.close(other)
        hits = disk.hits(number)
        if not self.hung:
            disk.disarm()
        if case.then not in ("in place", "further on", "in part"):
            file.drop()
            self.dropped = file.read()
        state = self._state()
        place = self._write_again()
        file.replace()
        file.close()
        return Row(
            case,
            hits,
            write,
            tuple(syncs),
            others,
            later,
            self.hung,
            reads,
            state,
            self.dropped,
            self.again,
            self.again_reads,
            self.again_dropped,
            self._remounted(place),
        )

    def _hang(self) -> None:
        self.hung = True
        self.disk.disarm()

    def _state(self) -> str:
        made = called(lambda: os.close(os.open(self.disk.mountpoint / "made", os.O_CREAT | os.O_WRONLY, 0o600)))
        return {"OK": "works", "EROFS": "read-only"}.get(made, made)

    def _write_again(self) -> int:
        """Write the bytes again, where the case asks for it; return at which block they were written last."""
        if self.case.then == "nothing":
            return 0
        place = int(self.case.then == "further on")
        written = self.file.write(place, part=self.case.then.endswith("in part"))
        self.again = self.file.sync() if written == "OK" else written
        self.again_reads = self.file.read(place)
        self.file.drop()
        self.again_dropped = self.file.read(place)
        return place

    def _remounted(self, place: int) -> str:
        try:
            self.disk.remount()
        except ImageNotMounted:
            return "cannot be mounted"
        return self.file.read(place)


def _synced_anew(path: Path) -> str:
    def sync() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    return called(sync)
