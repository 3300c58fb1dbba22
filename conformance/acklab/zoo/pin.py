"""Pinning the run that showed a bug, as `ackcheck bugs NAME --pin` does: it goes into `pinned.json` beside this file.

>>> from ackmodel import Clause
>>> test = "SETUP = S(max_attempts=2)\\nSCRIPT = [('pop', {'count': 1})]"
>>> program_of(Finding(Clause.NO_LIMBO, "", "sim", 1, test=test))
{'SETUP': {'max_attempts': 2}, 'SCRIPT': [('pop', {'count': 1})]}
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from ackcheck.findings import Finding
from acklab.zoo.seen import PINNED, read_pinned


def pin(bug: str, finding: Finding, file: Path = PINNED) -> None:
    """Pin the run that showed a bug, in place of what was pinned of it for the same clause."""
    kept = [run for run in read_pinned(file) if (run["bug"], run["clause"]) != (bug, finding.clause.value)]
    told = program_of(finding)
    run = {"bug": bug, "clause": finding.clause.value, "script": told["SCRIPT"]}
    run |= {name: told["SETUP"][name] for name in ("max_attempts", "fastpath")}
    runs = sorted([*kept, run], key=lambda each: (each["bug"], each["clause"]))
    lines = ",\n".join(json.dumps(each) for each in runs)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def program_of(finding: Finding) -> dict[str, Any]:
    """Return the script of a finding, and the settings of its store, from the program that replays it."""
    told: dict[str, Any] = {}
    for line in ast.parse(finding.test).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            value = line.value
            if isinstance(value, ast.Call):
                plain = {each.arg: each.value for each in value.keywords if isinstance(each.value, ast.Constant)}
                told[line.targets[0].id] = {name: constant.value for name, constant in plain.items()}
            else:
                told[line.targets[0].id] = ast.literal_eval(value)
    return told
