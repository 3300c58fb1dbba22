"""Whether this machine can have a disk in user space, and if not, what is missing and what brings it.

>>> missing() is None or isinstance(missing(), str)
True
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from ackcheck.disk import filesystem
from ackcheck.disk.errors import BadFault, DiskFailed
from ackcheck.rig.errors import RigUnavailable


@functools.cache
def missing(name: str = "ext4") -> str | None:
    """Return why there can be no disk with this file system here, None when there can; it is tried, once."""
    from ackcheck.disk.disk import Disk  # which uses drives, whose example asks us

    if os.geteuid() != 0:
        return "a disk needs root (the effective user is not 0); run with sudo, or in a container with --privileged"
    try:
        if reason := filesystem.named(name).missing():
            return reason
        with tempfile.TemporaryDirectory() as folder, Disk(Path(folder), name) as disk:
            (disk.directory / "tried").write_bytes(b"tried")
    except (RigUnavailable, DiskFailed, BadFault, OSError) as error:
        return str(error)
    return None
