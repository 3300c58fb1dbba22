"""How much memory this process takes.

>>> resident_bytes() > 1 << 20
True
"""

from __future__ import annotations

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")  # in pages: size, resident, shared, ...


def resident_bytes() -> int:
    """Return the bytes of this process that are in memory now; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
