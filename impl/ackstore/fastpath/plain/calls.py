"""The fast path as the threaded store calls it: the lock taken, the clock looked at, the timer woken.

The types for C are in `ackstore/fastpath/compiled/calls.pxd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fastpath.turns import take_turns
from ackstore.words.placement import log_of

from . import acks, basics

if TYPE_CHECKING:
    from ackstore.fastpath.path import FastPath
    from ackstore.fields.plain import classes
    from ackstore.words.replies import Reply


AT_ONCE = (False,)
"""What a lock is told that nobody waits for. Compiled, it is given on as it is: no tuple is made for each call."""


def path_of(driver: classes.DriverFields, deliveries: basics.Deliveries) -> FastPath:
    """Return the fast path of the log which their queue is in."""
    paths: tuple[FastPath, ...] = driver.paths
    return paths[0] if len(paths) == 1 else paths[log_of(deliveries.queue(), len(paths))]


def call(driver: classes.DriverFields, deliveries: basics.Deliveries) -> Reply | None:
    """Take the fast path; None, and nothing done, where it is barred."""
    if not driver.paths:
        return None
    lock = driver.lock
    try:
        if not (lock.acquire(*AT_ONCE) or take_turns(lock.acquire)):
            return None
        if lock.inside:  # a signal handler, in the midst of a call of this thread
            lock.release()
            return None
        lock.inside = True
        try:
            if driver.broken is not None or driver.core.closing is not None:
                return None
            path = path_of(driver, deliveries)
            now = basics.shown_by(driver.clock)
            reply = acks.take(path, deliveries, now, driver.writes)
            if reply is None:
                return None
            driver.core.now = path.core.now = now
            if driver.core.effects:
                driver.perform(now)
            if driver.asleep:
                driver.wake.notify()
                driver.asleep = False
            return reply
        finally:
            lock.inside = False
            lock.release()
    except BaseException:  # which may have come at any moment: see `ackstore.runtime.lock`
        lock.leave()
        raise


def ack(driver: classes.DriverFields, receipt: str) -> Reply | None:
    """Return the reply to an ack; None, and nothing done, where it has to go the long way."""
    deliveries = basics.parse(receipt)
    return None if deliveries is None else call(driver, deliveries)


def ack_many(driver: classes.DriverFields, receipts: list[str]) -> list[Reply] | None:
    """Return the replies to a batch; None, and nothing done, where it has to go the long way."""
    deliveries = basics.parse_all(receipts)
    if deliveries is None:
        return None
    reply = call(driver, deliveries)
    return None if reply is None else [reply] * deliveries.count
