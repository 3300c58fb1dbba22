"""Whether a process that is under test hangs: it waits, and nothing will come.

Time by the clock cannot tell that on a machine that is slow, and processor time not where a thread waits for a lock. So
a process is looked at every now and then, with all that it has started. A look counts where none of their threads runs,
wants to run, or waits for a disk: whoever is only kept from running does not hang, however long it takes.

>>> import subprocess, sys, time
>>> def hangs(code):
...     found = Hanging(most=1.0)
...     with subprocess.Popen([sys.executable, "-c", f"import threading; {code}"], start_new_session=True) as process:
...         while process.poll() is None:
...             if found.hangs(process.pid, test=1, seconds=0.0):
...                 process.kill()
...                 return True
...             time.sleep(LOOK)
...     return False
>>> hangs("lock = threading.Lock(); lock.acquire(); lock.acquire()"), hangs("sum(range(10**7))")
(True, False)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

LOOK = 0.1
"""Seconds from one look to the next."""

MOST, MORE = 10.0, 5.0
"""Seconds for which a test that took nearly no time may do nothing, and this many times what it took besides: so one
that is not changed does nothing for a fifth of what it may, at the very most, even if it only sleeps."""

WAITS = frozenset("STZXI")
"""The states of a thread that wants neither a processor nor a disk."""


class Hanging:
    """Counts for how long the session of one process has done nothing in one test."""

    def __init__(self, most: float = MOST) -> None:
        self.most = most
        self.test = -1
        self.idle = 0.0

    def hangs(self, session: int, test: int, seconds: float) -> bool:
        """Look, which is to be done every `LOOK`; return whether it hangs in this test, which takes that long."""
        if test != self.test:
            self.test, self.idle = test, 0.0
        if all(state in WAITS for state in states(session)):
            self.idle += LOOK
        return self.idle > self.most + MORE * seconds


def states(session: int) -> Iterator[str]:
    """Return the state of every thread of every process in a session."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if _fields(process / "stat")[3] != str(session):
                continue
            for thread in (process / "task").iterdir():
                yield _fields(thread / "stat")[0]
        except (OSError, IndexError):
            continue  # it has just ended


def _fields(stat: Path) -> list[str]:
    """Return what a `stat` says behind the name, which may have anything in it: state, parent, group, session..."""
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
