"""A simulated directory: page cache above, disk below, and a power switch.

What is written is readable at once, and on the disk only after a successful sync that began after the write. A failed
sync turns what it covered into phantoms: readable, clean, and never to be written (PostgreSQL's fsyncgate; Rebello et
al., USENIX ATC 2020). A power loss leaves any subset of what was not synced, single writes torn, directory entries
included. This is harsher than a real page cache in one way: a later write to the same page does not save a phantom.

>>> disk = Disk()
>>> disk.create("a"); disk.sync_directory()
>>> disk.write("a", 0, b"kept"); disk.sync("a")
>>> disk.write("a", 4, b" lost")
>>> disk.lose_power(lambda _: 0)
['5 of 5 bytes of a @4']
>>> disk.read("a")
b'kept'
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from attrs import Factory, define, frozen

Survival = Callable[[int], int]
"""Called with n > 0 for something of n parts; returns how many of its first parts survive a power loss."""


@define(eq=False)
class Extent:
    """One write that is not known to be on the disk."""

    at: int
    data: bytes
    phantom: bool = False

    def lost(self, file: str, kept: int) -> list[str]:
        """Return in words what is lost of it when its first `kept` bytes are on the disk, and no more."""
        size = len(self.data)
        why = ", after a failed sync" if self.phantom else ""
        return [f"{size - kept} of {size} bytes of {file} @{self.at}{why}"] if kept < size else []


@define(eq=False)
class File:
    """An inode: the bytes on the disk, and the writes above them in the order they were made."""

    durable: bytes = b""
    unsynced: list[Extent] = Factory(list)

    def cached(self) -> bytes:
        """Return what a reader sees: the page cache over the disk."""
        return _overlaid(self.durable, self.unsynced)


def _overlaid(base: bytes, extents: list[Extent]) -> bytes:
    content = bytearray(base)
    for extent in extents:
        end = extent.at + len(extent.data)
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        content[extent.at : end] = extent.data
    return bytes(content)


@frozen(eq=False)
class EntryChange:
    """A change of the directory that is not known to be on the disk: it survives as a whole, or not at all."""

    entries: Mapping[str, File | None]

    def describe(self) -> str:
        """Return it in words."""
        gone = [name for name, file in self.entries.items() if file is None]
        made = [name for name, file in self.entries.items() if file is not None]
        if gone and made:
            return f"the rename of {gone[0]} to {made[0]}"
        return f"the unlinking of {gone[0]}" if gone else f"the entry of {made[0]}"


@frozen
class SyncBegun:
    """What a sync covers: what was unsynced when it began."""

    file: File | None
    covers: tuple[Extent | EntryChange, ...]


@define
class Disk:
    """A flat directory. Names are bare; errors are `OSError`, as a real directory gives them."""

    entries: dict[str, File] = Factory(dict)
    durable_entries: dict[str, File] = Factory(dict)
    changes: list[EntryChange] = Factory(list)
    given_up: bool = False
    """The file system has given up, as ext4 does whose journal cannot be written: until the power goes nothing reaches
    the disk any more, though every sync says OK."""

    def names(self) -> list[str]:
        """Return the names of the files, sorted."""
        return sorted(self.entries)

    def read(self, name: str) -> bytes:
        """Return what a reader sees of a file."""
        return self._file(name).cached()

    def create(self, name: str) -> None:
        """Create an empty file, or empty the file of that name."""
        self._change({name: File()})

    def write(self, name: str, at: int, data: bytes) -> None:
        """Write `data` at byte `at`, into the page cache."""
        if data:
            self._file(name).unsynced.append(Extent(at, data))

    def rename(self, source: str, target: str) -> None:
        """Give `source` the name `target`, replacing what had it."""
        self._change({source: None, target: self._file(source)})

    def unlink(self, name: str) -> None:
        """Take the name from a file."""
        self._file(name)
        self._change({name: None})

    def begin_sync(self, name: str | None) -> SyncBegun:
        """Begin a sync of a file, or of the directory (None); return what it covers."""
        if name is None:
            return SyncBegun(None, tuple(self.changes))
        file = self._file(name)
        return SyncBegun(file, tuple(file.unsynced))

    def end_sync(self, begun: SyncBegun, *, ok: bool, lost_since: bool = False) -> None:
        """End a sync. On failure what it covered is phantom; with `lost_since`, what was written meanwhile is too.

        A failed sync of the directory loses nothing: the entries stay to be written.
        """
        if ok and self.given_up:
            return
        if begun.file is None:
            if ok:
                self._settle_entries([change for change in self.changes if change in begun.covers])
        elif ok:
            self._write_back(begun.file, begun.covers)
        else:
            for extent in begun.file.unsynced:
                extent.phantom = extent.phantom or lost_since or extent in begun.covers

    def sync(self, name: str) -> None:
        """Sync a file, successfully and at once."""
        self.end_sync(self.begin_sync(name), ok=True)

    def sync_directory(self) -> None:
        """Sync the directory, successfully and at once."""
        self.end_sync(self.begin_sync(None), ok=True)

    def lose_power(self, survival: Survival) -> list[str]:
        """Forget the page cache, but for what `survival` lets through; return in words what is lost.

        It is asked, in order, of each entry change (1 part) and of each dirty write (its bytes); phantoms never live.
        """
        if self.given_up:
            survival, self.given_up = (lambda _: 0), False
        survivors = [change for change in self.changes if survival(1)]
        lost = [change.describe() for change in self.changes if not any(change is kept for kept in survivors)]
        self._settle_entries(survivors)
        self.changes.clear()
        files: dict[int, tuple[str, File]] = {}
        for name, file in [*self.entries.items(), *self.durable_entries.items()]:
            files.setdefault(id(file), (name, file))
        for name, file in files.values():
            written = []
            for extent in file.unsynced:
                kept = 0 if extent.phantom else survival(len(extent.data))
                written += [Extent(extent.at, extent.data[:kept])] if kept else []
                lost += extent.lost(name, kept)
            file.durable = _overlaid(file.durable, written)
            file.unsynced.clear()
        self.entries = dict(self.durable_entries)
        return lost

    @property
    def unsynced(self) -> int:
        """How many writes and entry changes a power loss may take."""
        return len(self.changes) + sum(len(file.unsynced) for file in self.entries.values())

    def _file(self, name: str) -> File:
        try:
            return self.entries[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file in the simulated directory", name) from None

    def _change(self, entries: dict[str, File | None]) -> None:
        self.changes.append(EntryChange(entries))
        _apply(self.entries, entries)

    def _settle_entries(self, survivors: list[EntryChange]) -> None:
        for change in survivors:
            _apply(self.durable_entries, change.entries)
        self.changes = [change for change in self.changes if not any(change is settled for settled in survivors)]

    def _write_back(self, file: File, covers: tuple[Extent | EntryChange, ...]) -> None:
        """Move what is covered and dirty to the disk; what lies above it stays above it."""
        view = file.cached()
        covered = {id(extent) for extent in covers}
        reached = [extent for extent in file.unsynced if id(extent) in covered and not extent.phantom]
        file.durable = _overlaid(file.durable, reached)
        kept = {id(extent) for extent in reached}
        file.unsynced = [extent for extent in file.unsynced if id(extent) not in kept]
        for extent in file.unsynced:
            if extent.phantom:  # what was written over it must not reappear from below
                extent.data = view[extent.at : extent.at + len(extent.data)]


def _apply(entries: dict[str, File], change: Mapping[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            entries.pop(name, None)
        else:
            entries[name] = file
