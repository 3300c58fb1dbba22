"""Whom a target speaks to: a server that the suite did not start, and that no kill of ours will reach.

Connections over TCP stand in `/proc/net`, and those over Unix sockets the kernel tells who asks it by `sock_diag(7)`.

>>> import os
>>> connected([os.getpid()])
[]
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

ESTABLISHED = "01"
"""What `/proc/net/tcp` calls a connection that stands."""

SOCK_DIAG, BY_FAMILY, DUMP = 4, 20, 0x301
"""The netlink family that tells of sockets, the request to it, and the flags that ask for all of them."""

PEER, SHOW_PEER = 2, 4
"""The attribute that holds the number of the socket at the other end, and the bit that asks for it."""

KEPT_UP = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
"""Kinds of Unix sockets that are a connection; a datagram, as to a system log, is not."""

HEADER, OF_SOCKET, OF_ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBxI8x"), struct.Struct("=HH")
"""What a netlink message, the description of a Unix socket in it, and each of its attributes begin with."""

ANSWER_BYTES = 1 << 16


def connected(pids: Collection[int]) -> list[str]:
    """Return the other processes of this machine with which these are connected; not our own, which may speak to its
    target."""
    ours = {inode for pid in pids for inode in _sockets(pid)}
    theirs = {there for here, there in _pairs() if here in ours}
    known, found = {os.getpid(), *pids}, []
    for process in Path("/proc").iterdir() if theirs else ():
        if process.name.isdigit() and int(process.name) not in known and theirs & set(_sockets(int(process.name))):
            with contextlib.suppress(OSError):
                found.append(f"process {process.name} ({(process / 'comm').read_text().strip()})")
    return sorted(found)


def _pairs() -> Iterator[tuple[int, int]]:
    """Yield the numbers of the two sockets of each connection on this machine, either way round."""
    ends = dict(_tcp_connections())
    for (local, remote), inode in ends.items():
        if (remote, local) in ends:
            yield inode, ends[remote, local]
    with contextlib.suppress(OSError):  # a kernel that does not tell
        yield from _unix_pairs()


def _tcp_connections() -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the two ends of each TCP connection that stands, and the number of the first one's socket."""
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == ESTABLISHED:
                    yield (words[1], words[2]), int(words[9])


def _unix_pairs() -> Iterator[tuple[int, int]]:
    """Yield each Unix socket that is connected, and the one at the other end."""
    asked = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, SHOW_PEER, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        kernel.send(HEADER.pack(HEADER.size + len(asked), BY_FAMILY, DUMP, 1, 0) + asked)
        while True:
            answer = kernel.recv(ANSWER_BYTES)
            while len(answer) >= HEADER.size:
                length, kind, *_ = HEADER.unpack_from(answer)
                if kind != BY_FAMILY:  # the end of it, or an error
                    return
                yield from _peer_in(answer[HEADER.size : length])
                answer = answer[_aligned(length) :]


def _peer_in(described: bytes) -> Iterator[tuple[int, int]]:
    """Yield the numbers of a socket and of its peer, if its description names one."""
    _, kind, _, inode = OF_SOCKET.unpack_from(described)
    rest = described[OF_SOCKET.size :]
    while kind in KEPT_UP and len(rest) >= OF_ATTRIBUTE.size:
        length, attribute = OF_ATTRIBUTE.unpack_from(rest)
        if attribute == PEER:
            yield inode, struct.unpack_from("=I", rest, OF_ATTRIBUTE.size)[0]
        rest = rest[max(_aligned(length), OF_ATTRIBUTE.size) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _sockets(pid: int) -> Iterator[int]:
    """Yield the numbers of the sockets that a process has open."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(link.readlink())
                if name.startswith("socket:["):
                    yield int(name[len("socket:[") : -1])
