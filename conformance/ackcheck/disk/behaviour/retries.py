"""How XFS bears with a disk that refuses what it writes to its own structures: it tries again, by itself for ever.

Data that is refused is reported (`probe`). What a transaction changed is in the log by then, and XFS writes it to its
place later, again and again: each kind of error has a number of tries and a time (`/sys/fs/xfs/DEVICE/error`), both
without end as they come. Meanwhile an fsync says OK, and is right: the log has it. Whoever waits for all of it to be
written, as a freeze of the file system does, waits for ever; here until a time-out, at which the disk is healed.

>>> from ackcheck.disk.available import missing
>>> if missing("xfs") is None:
...     bounded = retries(tries=0, patience=30.0)
...     assert bounded.hits and not bounded.hung
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from ackcheck.disk.behaviour.files import called
from ackcheck.disk.disk import Disk
from ackcheck.disk.faults import Fault
from ackcheck.rig.loop import freeze_and_thaw

PATIENCE: Final = 5.0
"""Seconds for which a freeze is waited for."""

SETTINGS: Final = ("fail_at_unmount", "metadata/EIO/max_retries", "metadata/EIO/retry_timeout_seconds")

TRIED: Final = (None, 3, 0)
"""The numbers of tries of the profile."""

_SUPERBLOCK: Final = struct.Struct(">4sIQQQ16sQ")  # magic, block size, blocks, realtime blocks and extents, uuid, log


@frozen
class Retries:
    """What was seen."""

    settings: dict[str, str]
    """As XFS has them by itself: -1 is without end."""
    tries: str
    """How many tries it was left for an EIO."""
    hits: int
    """How many writes the disk refused: with none, nothing was tried."""
    sync: str
    """What an fsync said meanwhile."""
    freeze: str
    """What a freeze said, which waits until all is written to its place; `OK` where the disk was healed for it."""
    hung: bool
    """Whether it still waited after the time-out, and the disk was healed."""
    state: str
    """What making a file said afterwards."""

    @property
    def ends(self) -> str:
        """How the freeze ended, in words."""
        return f"{self.freeze}, once the disk was healed" if self.hung else self.freeze

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def retries(tries: int | None = None, patience: float = PATIENCE) -> Retries:
    """Refuse every write of XFS but those into its log; `tries` is the setting for EIO, None: as it is."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder, Disk(Path(folder), "xfs") as disk:
        own = Path("/sys/fs/xfs", disk.drive.device.name, "error")
        settings = {name: _setting(own / name) for name in SETTINGS}
        if tries is not None:
            (own / "metadata/EIO/max_retries").write_text(f"{tries}\n")
        number = disk.arm(Fault(on="write", do="eio", blocks=beside_the_log(disk)))
        ended, hung = threading.Event(), threading.Event()

        def heal() -> None:
            while not disk.hits(number) and not ended.wait(0.02):
                pass  # however slow the machine is: the time-out begins with the first write that is refused
            if not ended.wait(patience):
                hung.set()
                disk.disarm()

        healing = threading.Thread(target=heal)
        healing.start()
        try:
            sync = called(lambda: _make(disk.directory / "made"))
            freeze = called(lambda: freeze_and_thaw(disk.mountpoint))
        finally:
            ended.set()
            healing.join()
        hits = disk.hits(number)
        if not hung.is_set():
            disk.disarm()
        state = called(lambda: _make(disk.directory / "after"))
        return Retries(settings, "as it is" if tries is None else str(tries), hits, sync, freeze, hung.is_set(), state)


def beside_the_log(disk: Disk) -> tuple[tuple[int, int], ...]:
    """Return all blocks of an XFS but those of its log, as its first block tells."""
    with disk.drive.device.open("rb") as device:
        first = device.read(512)
    _, size, blocks, _, _, _, log = _SUPERBLOCK.unpack_from(first)
    in_group, length = struct.unpack_from(">I", first, 84)[0], struct.unpack_from(">I", first, 96)[0]
    bits = first[124]
    start = (log >> bits) * in_group + (log & ((1 << bits) - 1))
    assert size == 4096
    return (0, start), (start + length, blocks - start - length)


def _setting(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return "unknown"


def _make(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
