"""The kernel's side of the disk: a file system in user space (FUSE) that holds one file, and is mounted nowhere.

`mount` asks the kernel for such a file system, and gives the two ends of it: the device that its requests are read
from, and a tree that only who holds its descriptor can open the file in. When the last descriptor is closed, by the end
of the processes at the latest, nothing is left of it. The rest of this module is the wire: what a request says, and the
bytes of its answer (`linux/fuse.h`, protocol 7.31, without libfuse: see `specs/disk.md` for what that is worth).

>>> header = answer_header(7, 4096)
>>> len(header), int.from_bytes(header[:4], "little")
(16, 4112)
>>> refusal(7, errno.EIO)[4:8] == (-errno.EIO).to_bytes(4, "little", signed=True)
True
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

from attrs import frozen

from ackcheck.disk.errors import DiskUnavailable

LARGEST: Final = 1 << 20
"""Bytes of the longest write that is taken in one request."""

ROOM: Final = LARGEST + 8192
"""Bytes to read a request into."""

FILE: Final = "disk"
"""The name of the one file."""

# Operations, from `enum fuse_opcode`.
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
FSYNC, FLUSH, INIT, OPENDIR, INTERRUPT, BATCH_FORGET = 20, 25, 26, 27, 36, 42

UNANSWERED: Final = frozenset({FORGET, BATCH_FORGET, INTERRUPT})
"""Requests that the kernel expects no answer to."""

REQUEST: Final = struct.Struct("<IIQQIIIHH")  # length, operation, unique, node, uid, gid, pid, ...
TRANSFER: Final = struct.Struct("<QQIIQII")  # of a read or a write: handle, offset, size, ...
TRANSFER_AT: Final = REQUEST.size
PAYLOAD_AT: Final = TRANSFER_AT + TRANSFER.size

_ANSWER = struct.Struct("<IiQ")
_WRITTEN = struct.Struct("<IiQII")
_ATTRIBUTES = struct.Struct("<6Q10I")
_ROOT, _NODE = 1, 2
_FOREVER = 1 << 30  # seconds for which the kernel may believe what it was told
_PROTOCOL = (7, 31)
_DIRECT = 1  # FOPEN_DIRECT_IO: no page cache of the kernel between the loop device and us
_ASYNC_READ, _BIG_WRITES, _MAX_PAGES = 1 << 0, 1 << 5, 1 << 22


# --- the mount ------------------------------------------------------------------------------------------------------

_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # the same numbers on every architecture
_SET_STRING, _CREATE = 1, 6
_CLOEXEC = 1


@frozen
class Ends:
    """Both ends of a file system that is mounted nowhere."""

    device: int
    """Where its server reads requests, and writes answers."""
    tree: int
    """Its root directory."""


def mount() -> Ends:
    """Ask the kernel for a file system whose server we will be. Raises `DiskUnavailable`."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise DiskUnavailable(
            f"no FUSE here ({error}); run as root with the kernel module fuse, in a container with --device /dev/fuse "
            "or --privileged"
        ) from error
    try:
        return Ends(device, _tree_of(device))
    except OSError as error:
        os.close(device)
        raise DiskUnavailable(
            f"the kernel mounts no FUSE file system: {error}; run as root on Linux 5.2 or newer, in a container with "
            "--privileged"
        ) from error


def _tree_of(device: int) -> int:
    filesystem = _call(_FSOPEN, b"fuse", _CLOEXEC)
    try:
        options = {"source": "ackcheck", "fd": str(device), "rootmode": "40000", "user_id": "0", "group_id": "0"}
        for key, value in options.items():
            _call(_FSCONFIG, filesystem, _SET_STRING, key.encode(), value.encode(), 0)
        _call(_FSCONFIG, filesystem, _CREATE, None, None, 0)
        return _call(_FSMOUNT, filesystem, _CLOEXEC, 0)
    finally:
        os.close(filesystem)


def _call(number: int, *arguments: bytes | int | None) -> int:
    """Make a system call that Python has no name for."""
    library = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = library.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


# --- answers --------------------------------------------------------------------------------------------------------


def answer_header(unique: int, length: int) -> bytes:
    """Return what stands before `length` bytes that answer a request."""
    return _ANSWER.pack(_ANSWER.size + length, 0, unique)


def refusal(unique: int, code: int) -> bytes:
    """Return the answer that something went wrong."""
    return _ANSWER.pack(_ANSWER.size, -code, unique)


def done(unique: int) -> bytes:
    """Return the answer that says only that it went well."""
    return _ANSWER.pack(_ANSWER.size, 0, unique)


def written(unique: int, size: int) -> bytes:
    """Return the answer to a write."""
    return _WRITTEN.pack(_WRITTEN.size, 0, unique, size, 0)


def housekeeping(request: memoryview, size: int) -> bytes:
    """Return the answer to a request that is neither read, write nor sync; `size` is the length of the file."""
    length, operation, unique, node, *_ = REQUEST.unpack_from(request)
    if operation == INIT:
        body = _started()
    elif operation == LOOKUP:
        if bytes(request[TRANSFER_AT : length - 1]) != FILE.encode():
            return refusal(unique, errno.ENOENT)
        body = struct.pack("<QQQQII", _NODE, 0, _FOREVER, _FOREVER, 0, 0) + _attributes(_NODE, size)
    elif operation in (GETATTR, SETATTR):
        body = struct.pack("<QII", _FOREVER, 0, 0) + _attributes(node, size)
    elif operation in (OPEN, OPENDIR):
        body = struct.pack("<QII", node, _DIRECT if node == _NODE else 0, 0)
    elif operation == STATFS:
        body = struct.pack("<5Q4I24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
    elif operation in (RELEASE, FLUSH):
        body = b""
    else:
        return refusal(unique, errno.ENOSYS)  # also to a hole punched by a discard: the kernel asks no second time
    return answer_header(unique, len(body)) + body


def _started() -> bytes:
    flags = _ASYNC_READ | _BIG_WRITES | _MAX_PAGES
    return struct.pack("<IIIIHHIIHHI28x", *_PROTOCOL, LARGEST, flags, 64, 48, LARGEST, 1, LARGEST // 4096, 0, 0)


def _attributes(node: int, size: int) -> bytes:
    mode, length = (0o100600, size) if node == _NODE else (0o40700, 0)
    return _ATTRIBUTES.pack(node, length, length // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
