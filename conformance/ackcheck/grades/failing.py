"""A case that failed by itself: neither kept nor broken, but with all that helps to see why.

>>> error = circumstances(RigFailed("the disk is gone"), "case 3", ["opens the directory"], "panic: no disk")
>>> print(*error.__notes__, sep=chr(10))
in case 3; what came last:
  opens the directory
the target's last words:
  panic: no disk
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ackcheck.rig.errors import RigError, RigFailed

SHOWN = 12
"""Lines of the history that are shown."""

FULL, FEW = 256 << 10, 8
"""Bytes, and files, of which a disk has less left when it is full."""


def circumstances(
    error: RigError | OSError, case: str, history: Sequence[str], last_words: str, mend: str = ""
) -> RigError:
    """Return the error with a note of the case, the end of its history, what the target said last, and a mend."""
    told = error if isinstance(error, RigError) else RigFailed(f"{type(error).__name__}: {error}")
    lines = [f"in {case}; what came last:", *(f"  {line}" for line in history[-SHOWN:])]
    said = [f"  {line}" for line in last_words.splitlines()[-SHOWN:]]
    lines += ["the target's last words:", *said] if said else []
    lines += [mend] if mend else []
    told.add_note("\n".join(lines))
    return told


def why_full(directory: Path) -> str:
    """Return what to do where the disk under a directory has no room left; empty where it has some."""
    with contextlib.suppress(OSError):  # a disk that was cut off
        found = os.statvfs(directory)
        if found.f_bavail * found.f_frsize < FULL or 0 < found.f_files > found.f_favail < FEW:
            return "the disk that the target had is full: --disk-mib gives it a larger one in the grades that cut disks"
    return ""
