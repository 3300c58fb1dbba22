"""How a verdict was made: the command, the time, the machine, and what the files of each grade lay on.

>>> made = origin("ackcheck run --seed 1", ["process", "power"])
>>> sorted(made["machine"])
['ackcheck', 'architecture', 'file_systems', 'kernel', 'processors', 'python', 'specification']
>>> made["machine"]["file_systems"]["power"]
'ext4 (noauto_da_alloc,commit=3600) on an image that is cut off'
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ackcheck.grades.evidence import machine_of
from ackcheck.rig.machine import MOUNT_OPTIONS
from ackmodel import VERSION


def origin(command: str, grades: Iterable[str]) -> dict[str, Any]:
    """Return what the JSON of a verdict says of how it was made."""
    told = machine_of(Path(tempfile.gettempdir()))
    places = {
        "sim": "simulated",
        "process": f"{told['file_system']} ({told['mount_options']})",
        "power": f"ext4 ({','.join(MOUNT_OPTIONS)}) on an image that is cut off",
        "disk": "on a disk in user space, as each history says",
    }
    machine = {
        "kernel": told["kernel"],
        "architecture": platform.machine(),
        "processors": os.cpu_count() or 1,
        "python": platform.python_version(),
        "ackcheck": metadata.version("ackcheck"),
        "specification": VERSION,
        "file_systems": {grade: places[grade] for grade in grades if grade in places},
    }
    return {"command": command, "began": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
