"""A kill while the disk holds every sync: what a store has answered, and not yet given to the kernel, is gone.

A store that syncs in the background, and waits with its next write until that sync has ended, keeps what it answers
meanwhile in its own memory (Redis with `appendfsync everysec` does). Where syncs are quick a kill seldom comes in
between; here it always does: the flushes of the disk are held from a moment on, calls are made until one is seen to be
held, and for a while after that, and then every process of the target is killed. What the kernel was given stays.
"""

from __future__ import annotations

import threading
from typing import Final

from ackcheck.disk import Disk, Fault
from ackcheck.grades.rounds import REQUESTS
from ackcheck.grades.session import Session
from ackcheck.hits import Fault as Hurt
from ackcheck.rig.killpoint import AfterDelay, AfterReplies
from ackmodel.observe.events import ProcessCrashed

HELD: Final = 0.3
"""Seconds for which calls are made once a flush is held."""

SLICES: Final = 8
"""For how many times as long a flush is waited for: stores that sync in the background do it every second or so."""

LETTING_GO: Final = 0.1
"""Seconds after the kill at which the flushes are let go: a process that waits for one ends only then."""


def kill_while_held(session: Session, disk: Disk) -> None:
    """Kill the target while flushes are held, open it again and judge."""
    session.run(AfterReplies(REQUESTS // 2))
    session.note("disk", "holds every flush from here on")
    fault = disk.arm(Fault(on="flush", do="stall"))
    for _ in range(SLICES):
        session.run(AfterDelay(HELD))
        if disk.hits(fault):
            session.run(AfterDelay(HELD))
            break
    held = disk.hits(fault)
    session.note("disk", f"has held {held} flushes, and lets them go once the process is killed")
    letting_go = threading.Timer(LETTING_GO, disk.disarm, (fault,))
    letting_go.start()
    try:
        killed = session.kill()
    finally:
        letting_go.join()
    session.hit(killed, Hurt.STALLED_SYNC, refused=held)
    session.ran["SIGKILL while syncs are held"] += bool(held)
    session.open(ProcessCrashed())
    session.survey()
