"""Whom a target speaks to: a server that the suite did not start, and that no kill of ours will reach.

>>> import os
>>> connected([os.getpid()])
[]
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

ESTABLISHED = "01"
"""What `/proc/net/tcp` calls a connection that stands."""


def connected(pids: Collection[int]) -> list[str]:
    """Return the other processes of this machine with which these are connected over TCP."""
    ends = {inode: (local, remote) for local, remote, inode in _connections()}
    ours = {ends[inode] for pid in pids for inode in _sockets(pid) if inode in ends}
    theirs = {inode for inode, (local, remote) in ends.items() if (remote, local) in ours}
    found = []
    for process in Path("/proc").iterdir() if theirs else ():
        if process.name.isdigit() and int(process.name) not in pids and theirs & set(_sockets(int(process.name))):
            with contextlib.suppress(OSError):
                found.append(f"process {process.name} ({(process / 'comm').read_text().strip()})")
    return sorted(found)


def _connections() -> Iterator[tuple[str, str, int]]:
    """Yield the two ends of each TCP connection that stands, and the number of the first one's socket."""
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == ESTABLISHED:
                    yield words[1], words[2], int(words[9])


def _sockets(pid: int) -> Iterator[int]:
    """Yield the numbers of the sockets that a process has open."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(link.readlink())
                if name.startswith("socket:["):
                    yield int(name[len("socket:[") : -1])
