"""What of a file is on the disk, as far as its syncs tell, and what a power loss leaves of it.

All that a successful sync covered stays. What none covered goes, all of it or its last part; and what a failed sync
covered goes for good, though it can be read and a later sync succeeds (PostgreSQL's fsyncgate). Of all that a power
loss may leave this is one choice, and where it is not known what was safe, the kinder one.

>>> truth = Truth(end=4, synced=4, named=True)
>>> truth.written(4, 5); truth.sync_failed(); truth.written(9, 3)
>>> truth.synced, truth.lost, truth.end
(9, [(4, 9)], 12)
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from attrs import Factory, define


@define
class Truth:
    """What of one file is on the disk: all below `synced`, but for the parts `lost` to failed syncs."""

    end: int = 0
    synced: int = 0
    lost: list[tuple[int, int]] = Factory(list)
    named: bool = False
    """Its directory entry is on the disk."""
    before: bytes | None = None
    """What is under its name while its own entry is not on the disk: what the file held that had the name before."""
    renames: int = 0
    """How often it was given another name."""

    def written(self, at: int, size: int) -> None:
        """Bytes were written, the last ones there are."""
        self.end = at + size
        self.synced = min(self.synced, at)
        self.lost = [(start, min(end, at)) for start, end in self.lost if start < at]

    def sync_succeeded(self, covered: int) -> None:
        """Note that a sync has returned success that began when the file had `size` bytes."""
        self.synced = max(self.synced, min(covered, self.end))

    def sync_failed(self) -> None:
        """Note that what was not safe is clean now, and never will be."""
        if self.end > self.synced:
            self.lost.append((self.synced, self.end))
        self.synced = self.end

    def renamed(self, before: bytes | None) -> None:
        """Note that the file took the name of another, of which a power loss would have left `before`."""
        self.named, self.before = False, before
        self.renames += 1

    def name_synced(self, renames: int) -> None:
        """Note that a sync of the directory, which began when it had been renamed so often, has returned success."""
        if renames == self.renames:
            self.named, self.before = True, None

    def left_for_another(self, path: Path) -> bytes | None:
        """Return what a power loss leaves at `path` if it undoes that another file takes the name there."""
        return path.read_bytes() if self.named else self.before

    def lose_power(self, path: Path, random: Random) -> None:
        """Take from the file at `path` what a power loss may take."""
        if not self.named and random.random() < 0.5:
            path.unlink()
            if self.before is not None:
                path.write_bytes(self.before)
            return
        with path.open("r+b") as file:
            for start, end in self.lost:
                file.seek(start)
                file.write(bytes(end - start))
            if self.end > self.synced:
                file.truncate(random.choice((self.synced, random.randint(self.synced, self.end))))
