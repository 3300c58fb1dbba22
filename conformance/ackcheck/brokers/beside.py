"""Runs of brokers beside each other, each in a process of its own: most of a run is waiting for deadlines.

Each has its own directories and disks, and as root a network of its own; what one comes to says nothing of the others.

>>> run = Wanted(("redis", "--configuration", "always", "--faults", "process"), seed=3)
>>> " ".join(run.words)
'redis --configuration always --faults process --seed 3'
>>> [made] = beside([Wanted(("reddis",), seed=1)], jobs=2)
>>> made.code, made.told, "no broker 'reddis'" in made.said
(2, None, True)
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from attrs import frozen


@frozen
class Wanted:
    """One run that is wanted: the words of `ackcheck broker` for it, without its seed."""

    command: tuple[str, ...]
    seed: int

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of `ackcheck broker`."""
        return (*self.command, "--seed", str(self.seed))


@frozen
class Made:
    """What a run in a process of its own came to: its exit code, what `--json` told, None where it failed by itself,
    and what it said."""

    wanted: Wanted
    code: int
    told: dict[str, Any] | None
    said: str


def beside(wanted: Sequence[Wanted], jobs: int) -> Iterator[Made]:
    """Make these runs, `jobs` of them at once, and yield each when it is over. Those under way end with the caller."""
    running: set[subprocess.Popen[str]] = set()
    with ThreadPoolExecutor(jobs) as pool:
        made = [pool.submit(_make, one, running) for one in wanted]
        try:
            for one in as_completed(made):
                yield one.result()
        finally:
            for one in made:
                one.cancel()
            for process in tuple(running):
                process.send_signal(signal.SIGINT)  # it has servers to end, and disks to give back


def _make(wanted: Wanted, running: set[subprocess.Popen[str]]) -> Made:
    with tempfile.TemporaryDirectory(prefix="ackcheck-run-") as folder:
        report = Path(folder) / "told.json"
        command = [sys.executable, "-m", "ackcheck", "broker", *wanted.words, "--json", str(report)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,  # an interrupt from the terminal comes by us, once
        )
        running.add(process)
        said, _ = process.communicate()
        running.discard(process)
        told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else []
        return Made(wanted, process.returncode, told[0] if told else None, said)
