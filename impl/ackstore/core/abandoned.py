"""Segments that were given up: what the page cache may still hold of them, and whose sync has never returned.

Every failed sync has the records written again to a new segment. What that leaves behind is removed, but a file is not
gone while a sync of it hangs, and the page cache may hold its bytes for the disk until then. So on a disk that hangs
each retry leaves one more copy, and one more thread that waits. `Flusher` begins no other when as many hang as there
are threads to sync.

>>> left = Abandoned()
>>> left.hang(["log-00000001.seg"])
>>> left.give_up("log-00000001.seg", 500, removed=True)     # its sync hangs
>>> left.give_up("log-00000002.seg", 300, removed=True)     # its sync failed
>>> left.give_up("log-00000003.seg", 200, removed=False)    # the same, and it stays: some of it was synced
>>> left.bytes, left.hanging
(800, {'log-00000001.seg'})
>>> left.removed("log-00000001.seg"); left.removed("log-00000002.seg"); left.bytes
500
>>> left.returned("log-00000001.seg"); left.bytes
0
"""

from __future__ import annotations

from collections.abc import Iterable


class Abandoned:
    """The segments of one log that were given up, by file. A file is given up once, and never synced again."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        """Those of which a sync was given up that has not returned."""
        self._leaving: set[str] = set()
        """Those whose removal has not returned."""
        self._sizes: dict[str, int] = {}
        """How many bytes of each no sync has covered."""

    @property
    def bytes(self) -> int:
        """What the page cache may hold of all of them for the disk."""
        return sum(self._sizes.values())

    def hang(self, files: Iterable[str]) -> None:
        """Note that the syncs of these are given up, and have not returned."""
        self.hanging.update(files)

    def give_up(self, file: str, size: int, *, removed: bool) -> None:
        """Give a segment up of which no sync has covered `size` bytes; it is to be `removed`, or stays."""
        self._sizes[file] = size
        if removed:
            self._leaving.add(file)
        self._forget(file)

    def returned(self, file: str) -> None:
        """Note that the sync of a file has returned, long after it was given up."""
        self.hanging.discard(file)
        self._forget(file)

    def removed(self, file: str) -> None:
        """Note that the removal of a file has returned."""
        self._leaving.discard(file)
        self._forget(file)

    def _forget(self, file: str) -> None:
        if file not in self.hanging and file not in self._leaving:
            self._sizes.pop(file, None)
