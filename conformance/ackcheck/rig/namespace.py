"""A mount namespace of our own: what is mounted in it goes with us, whatever ends us.

Mounts made by a thread that has entered it are seen by that thread and by the processes it starts, and by nobody else;
once the last of them has ended, by SIGKILL too, the kernel unmounts what is there and frees the loop devices. Nothing
has to be swept up, and no process has to watch. And no other mount namespace that is made on the machine, of a
container, a service or another run, gets a copy of our mounts, which would keep a file system alive that we have
unmounted (`ackcheck.rig.loop`). The server of `ackcheck.disk` stands outside (`leave`): who serves the requests of
an unmount must not be the one who waits for it.

>>> seen = []
>>> def look() -> None:
...     enter()
...     seen.append(os.stat(_MINE).st_ino)
>>> if os.geteuid() == 0:
...     look()
...     other = threading.Thread(target=look); other.start(); other.join()
...     assert seen[0] == seen[1]    # one of the process, whichever thread enters it
"""

from __future__ import annotations

import ctypes
import os
import threading

from ackcheck.rig.errors import RigUnavailable

_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_MINE = "/proc/thread-self/ns/mnt"

_lock = threading.Lock()
_ours: list[int] = []  # a descriptor of the one outside, and one that keeps ours


def enter() -> None:
    """Bring this thread into the process's own mount namespace, made at the first call. Raises `RigUnavailable`."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        with _lock:
            if _ours and os.fstat(_ours[1]).st_ino == os.stat(_MINE).st_ino:
                return
            if _ours:
                _must(library.unshare(_CLONE_FS))
                _must(library.setns(_ours[1], _CLONE_NEWNS))
                return
            outside = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
            _must(library.unshare(_CLONE_NEWNS))
            _must(library.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
            _ours.extend((outside, os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)))
    except OSError as error:
        raise RigUnavailable(
            f"no mount namespace of our own here: {error}; run as root, in a container with --privileged"
        ) from error


def outside() -> int:
    """Return a descriptor of the namespace that this process was in before, for `leave`; it has entered its own."""
    return _ours[0]


def leave(descriptor: int) -> None:
    """Put this process, which has one thread, into the namespace of a descriptor. Raises `OSError`."""
    _must(ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNS))


def mount(source: str, target: str, kind: str, options: str) -> None:
    """Mount a file system. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    _must(library.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()))


def unmount(target: str, *, lazily: bool = False) -> None:
    """Unmount a file system, from view only where something still holds it. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    _must(library.umount2(target.encode(), 2 if lazily else 0))


def _must(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
