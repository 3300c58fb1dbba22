"""What is tried: on which file system, which kind of write, what fails, and what is done after that.

>>> Case("xfs", "append", "data", "in place")
Case(filesystem='xfs', kind='append', fails='data', then='in place')
>>> filesystem_of("ext4 nodelalloc").options[-1]
'nodelalloc'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from attrs import frozen

from ackcheck.disk.errors import BadFault
from ackcheck.disk.filesystem import FILESYSTEMS, FileSystem

Kind = Literal["append", "overwrite", "preallocated", "mmap", "direct", "rename", "new entry"]
Fails = Literal["data", "flush", "every write"]
Then = Literal["nothing", "in place", "further on", "dropped, in place", "in part", "dropped, in part"]

KINDS: Final[tuple[Kind, ...]] = ("append", "overwrite", "preallocated", "mmap", "direct", "rename")
THENS: Final[tuple[Then, ...]] = ("nothing", "in place", "further on", "dropped, in place")
IN_PART: Final[tuple[Then, ...]] = ("in part", "dropped, in part")
"""What is tried with two kinds of writes only: one into new blocks, one over blocks written before."""

VARIANTS: Final[tuple[str, ...]] = (
    "ext4",
    "ext4 dioread_lock",
    "ext4 nodelalloc",
    "ext4 data_err=abort",
    "ext4-writeback",
    "ext4-journal",
    "xfs",
    "btrfs",
)
"""The file systems of the profile: a name, and after a blank one more mount option."""


@frozen
class Case:
    """One thing to try."""

    filesystem: str
    kind: Kind
    """How is written: at the end of a file; over blocks written before; into blocks promised to the file; through a
    mapping of such blocks; past the page cache; into a new file that then replaces another; a new, empty file."""
    fails: Fails
    """The write of those bytes only; the flush; every write until the disk heals."""
    then: Then
    """What is done once the disk is well again: nothing; the same bytes are written again, at the same place or behind
    it, and synced; or at the same place after the page was dropped from the cache; or only a part of the block is, as
    by a store that goes on behind the last record that it takes for written."""


def cases(filesystems: Iterable[str] = VARIANTS) -> list[Case]:
    """Return all that is tried on these file systems; raises `BadFault` for one that there is not."""
    found = []
    for name in filesystems:
        filesystem_of(name)
        found += [Case(name, kind, "data", then) for kind in KINDS for then in THENS]
        found += [Case(name, kind, "data", then) for kind in ("append", "overwrite") for then in IN_PART]
        found += [Case(name, "append", fails, "nothing") for fails in ("flush", "every write")]
        found.append(Case(name, "new entry", "every write", "nothing"))
    return found


def filesystem_of(name: str) -> FileSystem:
    """Return the file system that a case names."""
    base, _, option = name.partition(" ")
    if base not in FILESYSTEMS:
        raise BadFault(f"no file system {base!r}; there are {', '.join(sorted(FILESYSTEMS))}")
    return FILESYSTEMS[base].with_options(option) if option else FILESYSTEMS[base]
