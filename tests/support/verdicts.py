"""A verdict as `ackcheck run --json` writes it, small, with text in it that every format has to mind."""

import copy
from typing import Any

NASTY = "q[3] <b>|`x`| & \x00 ]]> ``` 消息"

VERDICT: dict[str, Any] = {
    "seed": 7,
    "profile": "quick",
    "command": "ackcheck run --seed 7 -- ./store '{dir}'",
    "began": "2026-01-02T03:04:05+00:00",
    "machine": {
        "kernel": "6.18.1",
        "architecture": "x86_64",
        "processors": 2,
        "python": "3.11.2",
        "ackcheck": "0.1.0",
        "specification": "3",
        "file_systems": {"process": "ext4 (rw)"},
    },
    "target": "./store {dir}",
    "outcome": "kept",
    "level": "page-cache",
    "promises": {"barrier": "none"},
    "levels": [
        {
            "level": "page-cache",
            "status": "kept",
            "why": "",
            "mend": "",
            "at_stake": {"survives-process-crash": {"times": 9, "floor": 3}},
        },
        {"level": "disk", "status": "broken", "why": "survives-power-loss", "mend": "", "at_stake": {}},
    ],
    "clauses": [
        {"id": "no-limbo", "status": "kept", "times_checked": 12, "why": "", "levels": []},
        {"id": "survives-power-loss", "status": "broken", "times_checked": 3, "why": NASTY, "levels": ["disk"]},
        {
            "id": "flush-is-real",
            "status": "not-judged",
            "times_checked": 0,
            "why": "never tested",
            "levels": [],
        },
    ],
    "not_judged": [],
    "findings": [
        {
            "clause": "survives-power-loss",
            "why": NASTY,
            "grade": "power",
            "refutes": ["disk"],
            "times": 2,
            "seed": 7,
            "case": 1,
            "again": "ackcheck run --case 1",
            "history": [
                {"step": 0, "lane": "client", "text": "ack m0"},
                {"step": 1, "lane": "disk", "text": "the power goes"},
                {"step": 2, "lane": "client", "text": NASTY},
            ],
            "test": "print('again')",
        }
    ],
    "runs": [
        {
            "levels": ["page-cache", "disk"],
            "grade": "power",
            "seed": 7,
            "cases": 1,
            "operations": 99,
            "seconds": 2.5,
            "not_judged": "",
            "ran": {"ack": 40},
            "hits": {"held_by": [], "faults": {"power loss": {"tried": 2, "seen": 1, "missed": ["it was off"]}}},
            "figures": {},
            "times_checked": {},
            "findings": 1,
        }
    ],
}


def verdict(**changed: Any) -> dict[str, Any]:
    """A copy of it, with other values."""
    return copy.deepcopy(VERDICT) | changed
