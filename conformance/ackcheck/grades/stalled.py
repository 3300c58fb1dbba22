"""A fault while the disk holds every sync: what a store has answered, and not yet given to the kernel, is gone.

A store that syncs in the background, and waits with its next write until that sync has ended, keeps what it answers
meanwhile in its own memory (Redis with `appendfsync everysec` does). Where syncs are quick a kill seldom comes in
between; here it always does: the flushes of the disk are held from a moment on, calls are made until one is seen to be
held, and for a while after that, and then every process of the target is killed. What the kernel was given stays. In
the power grade the power is cut instead, and what no flush had covered is gone with it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from ackcheck.disk import Cut, Disk, Fault
from ackcheck.grades.reached import HELD as HELD_SYNCS
from ackcheck.grades.rounds import HELD, MANY, REQUESTS
from ackcheck.grades.session import Session
from ackcheck.grades.workload import Call
from ackcheck.hits import Fault as Hurt
from ackcheck.rig.errors import TargetDied
from ackcheck.rig.exchange import Killed
from ackcheck.rig.killpoint import AfterDelay, AfterReplies
from ackmodel.observe.events import PowerLost, ProcessCrashed

SLICES: Final = 8
"""For how many times as long a flush is waited for: stores that sync in the background do it every second or so."""

GIVING_UP: Final = 5.0
"""Seconds for which a barrier is waited for whose sync the disk holds: a store that gives a sync up after a time may
have another to give up before it answers."""

STALLS_A_CASE: Final = 5
"""Such faults on one disk."""

FILESYSTEM: Final = "ext4"
"""Of that disk, unless it is said otherwise."""

LETTING_GO: Final = 0.1
"""Seconds after the kill at which the flushes are let go: a process that waits for one ends only then."""


def kill_while_held(session: Session, disk: Disk) -> None:
    """Kill the target while flushes are held, open it again and judge."""
    fault, held = hold(session, disk)
    session.note("disk", f"has held {held} flushes, and lets them go once the process is killed")
    letting_go = threading.Timer(LETTING_GO, disk.disarm, (fault,))
    letting_go.start()
    try:
        killed = session.kill()
    finally:
        letting_go.join()
    session.hit(killed, Hurt.STALLED_SYNC, refused=held)
    session.ran[CALLED[kill_while_held]] += bool(held)
    session.open(ProcessCrashed())
    session.survey()


def ask_while_held(session: Session, disk: Disk) -> None:
    """Have the flushes held until the power is cut, and a barrier asked for: whoever says OK meanwhile is wrong.

    A store that gives up a sync after a time, and takes it for one that has ended well, is seen through so.
    """
    traffic = session.traffic
    traffic.forgiving = True
    try:
        hold(session, disk)
        began = session.now
        if session.promises.barrier != "none":
            traffic.ask(Call("flush", "flush"))
        while traffic.under_way and session.now < began + GIVING_UP:
            traffic.take(session.child.poll(HELD))
    except TargetDied:
        session.note("store", "ended its process")
        session.ran["the target ended at a sync that did not end"] += 1


def cut_while_held(session: Session, disk: Disk) -> None:
    """Cut the power while flushes are held, go on from what was certain before, and judge."""
    _, held = hold(session, disk)
    session.note("disk", f"has held {held} flushes")
    session.note_end("disk", "loses its power, and all that no flush had covered")
    session.ran["power loss"] += 1
    killed, cut = disk.cut(session.child)
    assert killed is not None
    session.hit(killed, Hurt.POWER_LOSS, lost=lost_by(killed, cut))
    session.hit(killed, Hurt.STALLED_SYNC, refused=held)
    session.ran[CALLED[cut_while_held]] += bool(held)
    session.stopped(killed, PowerLost())
    nothing, *_ = cut.plan(seed=session.seed, most=2).images
    cut.adopt(nothing)
    session.open(PowerLost())
    session.survey()


CALLED: Final[Mapping[Callable[[Session, Disk], None], str]] = {
    kill_while_held: "SIGKILL while syncs are held",
    cut_while_held: "power loss while syncs are held",
}
"""How these are counted."""


def hold(session: Session, disk: Disk) -> tuple[int, int]:
    """Hold every flush from a moment on, and make calls until one is seen to be held, and for a while after that.

    Return the fault, and how many are held. Until one is held a few calls are made now and then: were it as many as the
    target takes, all would be acked by then, and nothing would be left that it could answer while it is held.
    """
    session.run(AfterReplies(REQUESTS // 2))
    session.publish(MANY // 2)
    session.note("disk", "holds every flush from here on")
    session.traffic.causes.disk_fails()
    session.traffic.reached.should({HELD_SYNCS})
    fault = disk.arm(Fault(on="flush", do="stall"))
    for _ in range(SLICES):
        session.run(AfterDelay(0.0))
        time.sleep(HELD)
        if disk.hits(fault):
            session.traffic.reached.opens(HELD_SYNCS)
            session.run(AfterDelay(HELD))
            break
    return fault, disk.hits(fault)


def lost_by(killed: Killed, cut: Cut) -> int:
    """Return how many bytes a cut took of what the target wrote: none, where only its file system wrote something."""
    return cut.lost if killed.wrote else 0


def stalls(rounds: int) -> int:
    """Return how many faults while syncs are held go with so many others."""
    return max(1, rounds // 10)


def cases(rounds: int) -> int:
    """Return how many cases those are."""
    return math.ceil(stalls(rounds) / STALLS_A_CASE)


def rounds_of(rounds: int, case: int) -> int:
    """Return how many of them the case has whose number, from 1, that is."""
    return max(0, min(STALLS_A_CASE, stalls(rounds) - (case - 1) * STALLS_A_CASE))
