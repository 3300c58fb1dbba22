"""The suite's own room on the disk: where it is used up, what a store does says nothing of the store.

>>> check_room(least=0)
>>> check_room(least=1 << 62)  # doctest: +ELLIPSIS
Traceback (most recent call last):
...
ackcheck.rig.errors.NoRoom: only ... left in ..., where targets are tried: free some, or name another folder (TMPDIR)
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ackcheck.rig.errors import NoRoom

LEAST = 8 << 20
"""Bytes that a case needs to have left, images of disks included: those are sparse."""


def check_room(*, least: int | None = None) -> None:
    """Raise `NoRoom` where the folder for temporary files has fewer bytes left, or is not the one that was named."""
    named = os.environ.get("TMPDIR")
    if named and not (Path(named).is_dir() and os.access(named, os.W_OK | os.X_OK)):  # Python would take another one
        raise NoRoom(f"nothing can be written to {named}, which TMPDIR names for what is tried: name another folder")
    folder = tempfile.gettempdir()
    found = os.statvfs(folder)
    left = found.f_bavail * found.f_frsize
    if left < (LEAST if least is None else least):
        raise NoRoom(
            f"only {left:,} bytes are left in {folder}, where targets are tried: free some, or name another folder "
            "(TMPDIR)"
        )
