"""Long hunts, in slices: programs that print a line of JSON each, several at once, gone on with from a log.

They wait most of their time for deadlines, so that several fit beside each other. A log has a line for each that has
ended, with what was run, so that what has been run is not run again:

>>> import tempfile
>>> log = Path(tempfile.mkdtemp()) / "log.jsonl"
>>> programs = [("-c", f"print({number} * 2)") for number in range(3)]
>>> sorted(told for _, told in in_slices(programs[:2], jobs=2, log=log)), len(log.read_text().splitlines())
([0, 2], 2)
>>> sorted(told for _, told in in_slices(programs, jobs=2, log=log)), len(log.read_text().splitlines())
([0, 2, 4], 3)
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

Arguments = tuple[str, ...]
"""Of the interpreter: `-m`, the module, and what it is told."""

LONGEST = 1800
"""Seconds that one program may take."""


def told_by(arguments: Arguments) -> Any:
    """Run a program in a process of its own, with namespaces and cgroups of its own; return what it printed."""
    ran = subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, timeout=LONGEST)
    return json.loads(ran.stdout)


def before(log: Path | None) -> dict[Arguments, Any]:
    """What a log has of programs that came before; nothing where there is no log yet."""
    if log is None or not log.exists():
        return {}
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return {tuple(line["ran"]): line["told"] for line in lines}


def in_slices(programs: Sequence[Arguments], *, jobs: int, log: Path | None) -> Iterator[tuple[Arguments, Any]]:
    """Yield what each program told: first those that the log has, then the others as they end."""
    known = before(log)
    yield from ((each, known[each]) for each in programs if each in known)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(told_by, each): each for each in programs if each not in known}
        for one in as_completed(running):
            if log is not None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"ran": running[one], "told": one.result()}) + "\n")
            yield running[one], one.result()
