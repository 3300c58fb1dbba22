"""Damage to what was synced: bit rot, a lost file, a stale one, a sector of zeros. A store refuses it by name, or does
without what it took; it never skips it in silence.

A file that is replaced as a whole is not lost, and not stale: a crash just before it was replaced leaves the same, and
no store could tell.

>>> disk = Disk()
>>> disk.create("log"); disk.sync_directory(); disk.write("log", 0, b"record"); disk.sync("log")
>>> older = contents(disk)
>>> disk.write("log", 6, b" more"); disk.sync("log")
>>> harm(disk, "stale", which=0, at=0, older=older), disk.read("log")
('log', b'record')
>>> harm(disk, "bit", which=0, at=8, older=older), disk.read("log")
('log', b'rdcord')
>>> harm(disk, "lost", which=0, at=0, older=older), disk.names()
('log', [])
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

from ackcheck.sim.disk import Disk, File

Kind = Literal["bit", "sector", "lost", "stale"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SECTOR = 64
"""Bytes of a sector: as much smaller than real ones as simulated files are."""


def contents(disk: Disk) -> Mapping[str, bytes]:
    """Return every file there is, as it is now: what may turn up again, stale, later."""
    return {name: disk.read(name) for name in disk.names()}


def harm(
    disk: Disk, kind: Kind, *, which: int, at: int, older: Mapping[str, bytes], replaced: Collection[str] = ()
) -> str | None:
    """Damage a file, and return its name; None where there is nothing that could be damaged like that.

    `replaced` are the files that are replaced as a whole.
    """
    names = [name for name in disk.names() if disk.read(name) and (kind in ("bit", "sector") or name not in replaced)]
    if kind == "stale":
        names = [name for name in names if older.get(name, disk.read(name)) != disk.read(name)]
    if not names:
        return None
    name = names[which % len(names)]
    if kind == "lost":
        disk.entries.pop(name)
        disk.durable_entries.pop(name, None)
        return name
    data = older[name] if kind == "stale" else _spoilt(disk.read(name), kind, at)
    disk.entries[name] = disk.durable_entries[name] = File(data)
    return name


def _spoilt(data: bytes, kind: Kind, at: int) -> bytes:
    """Return the bytes with one bit flipped, or with a sector of zeros."""
    if kind == "bit":
        place = (at // 8) % len(data)
        return data[:place] + bytes([data[place] ^ 1 << at % 8]) + data[place + 1 :]
    begin = (at % len(data)) // SECTOR * SECTOR
    lost = data[begin : begin + SECTOR]
    return data[:begin] + bytes(len(lost)) + data[begin + len(lost) :]
