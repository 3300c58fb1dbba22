"""Damage to what was synced: bit rot, a lost file, a stale one, a sector of zeros. A store refuses it by name, or does
without what it took; it never skips it in silence.

Only what a store could see is done, as on real files (`ackcheck.rig.spoilt`). A file that is replaced as a whole is
not lost, and not stale: a crash just before it was replaced leaves the same, and no store could tell. Nor where the
directory is then empty, or as it was when it was opened before.

>>> disk = Disk()
>>> disk.create("log"); disk.sync_directory(); disk.write("log", 0, b"record"); disk.sync("log")
>>> older = contents(disk)
>>> disk.write("log", 6, b" more"); disk.sync("log")
>>> harm(disk, "stale", which=0, at=0, older=older, earlier={state_of(older)}) is None  # as it was: nobody can tell
True
>>> disk.create("seal"); disk.sync_directory(); disk.write("seal", 0, b"11"); disk.sync("seal")
>>> harm(disk, "stale", which=0, at=0, older=older, earlier={state_of(older)}), disk.read("log")
('log', b'record')
>>> harm(disk, "bit", which=0, at=8, older=older), disk.read("log")
('log', b'rdcord')
>>> harm(disk, "lost", which=0, at=0, older=older), disk.names()
('log', ['seal'])
>>> harm(disk, "lost", which=0, at=0, older=older) is None  # it would be empty
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ackcheck.rig.spoilt import Kind, State, could_be_seen, spoilt, state_of
from ackcheck.sim.disk import Disk, File

SECTOR = 64
"""Bytes of a sector: as much smaller than real ones as simulated files are."""


def contents(disk: Disk) -> Mapping[str, bytes]:
    """Return every file there is, as it is now: what may turn up again, stale, later."""
    return {name: disk.read(name) for name in disk.names()}


def harm(
    disk: Disk,
    kind: Kind,
    *,
    which: int,
    at: int,
    older: Mapping[str, bytes],
    replaced: Collection[str] = (),
    earlier: Collection[State] = (),
) -> str | None:
    """Damage a file, and return its name; None where there is nothing that could be damaged like that, and be seen.

    `replaced` are the files that are replaced as a whole, `earlier` what the directory was like before.
    """
    whole = contents(disk)
    before = {state_of(whole), *earlier}
    names = [name for name, data in whole.items() if data and (kind in ("bit", "sector") or name not in replaced)]
    first = which % len(names) if names else 0
    for name in names[first:] + names[:first]:
        data = spoilt(whole[name], older.get(name), kind, at, SECTOR)
        after = {other: held for other, held in whole.items() if other != name}
        if data is not None:
            after[name] = data
        if could_be_seen(after, before):
            _put(disk, name, data)
            return name
    return None


def _put(disk: Disk, name: str, data: bytes | None) -> None:
    """Have a file hold this, below what a sync of it covered; None: it is gone."""
    if data is None:
        disk.entries.pop(name)
        disk.durable_entries.pop(name, None)
    else:
        disk.entries[name] = disk.durable_entries[name] = File(data)
