"""A network namespace of a target's own: nothing outside reaches a server in it, and every port in it is free.

A broker that listens where it likes, or on every address of the machine, is alone with its adapter there:

>>> network = Network.own()
>>> if network is not None:                  # where the kernel, and our rights, allow it
...     with network, network.entered(), socket.socket() as server:
...         server.bind(("127.0.0.1", 80))   # its loopback is up, and no port of it is taken
...     assert network.closed
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from typing import Self

from attrs import define

_CLONE_NEWNET = 0x40000000
_MINE = "/proc/thread-self/ns/net"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
_IFREQ = "16sh22x"  # struct ifreq: a name, and flags


@define(eq=False)
class Network:
    """A namespace that lasts as long as this is open, or a process is in it. Use as a context manager."""

    _inside: int
    """A descriptor of it."""

    @classmethod
    def own(cls) -> Self | None:
        """Return a new one, with its loopback up; None where there can be none, as without root."""
        outside = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _must(_library().unshare(_CLONE_NEWNET))
            try:
                _have_loopback()
                return cls(os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC))
            finally:
                _must(_library().setns(outside, _CLONE_NEWNET))
        except OSError:
            return None
        finally:
            os.close(outside)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread, and the processes that it starts meanwhile, be in it."""
        outside = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _must(_library().setns(self._inside, _CLONE_NEWNET))
            try:
                yield
            finally:
                _must(_library().setns(outside, _CLONE_NEWNET))
        finally:
            os.close(outside)

    @property
    def closed(self) -> bool:
        """Whether it was let go."""
        return self._inside < 0

    def close(self) -> None:
        """Let it go; may be repeated."""
        inside, self._inside = self._inside, -1
        if inside >= 0:
            os.close(inside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _have_loopback() -> None:
    """Bring up the loopback of the namespace that this thread is in: a new one's is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack(_IFREQ, b"lo", 0)
        name, flags = struct.unpack(_IFREQ, fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack(_IFREQ, name, flags | _IFF_UP))


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
