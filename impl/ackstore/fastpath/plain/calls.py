"""The fast path as the threaded store calls it: the lock taken, the clock looked at, the timer woken.

The types for C are in `ackstore/fastpath/compiled/calls.pxd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.core.placement import log_of
from ackstore.fastpath.turns import take_turns

from . import acks, basics

if TYPE_CHECKING:
    from ackstore.core.replies import Reply
    from ackstore.fastpath.path import FastPath
    from ackstore.runtime.driver import Driver


def path_of(store: Driver, deliveries: basics.Deliveries) -> FastPath:
    """That of the log which their queue is in."""
    paths = store._paths
    return paths[0] if len(paths) == 1 else paths[log_of(deliveries.queue(), len(paths))]


def call(store: Driver, deliveries: basics.Deliveries) -> Reply | None:
    """Take the fast path; None, and nothing done, where it is barred."""
    if not store._paths:
        return None
    try:
        if not (store._acquire(False) or take_turns(store._acquire)):
            return None
        if store._inside:  # a signal handler, in the midst of a call of this thread
            store._release()
            return None
        store._inside = True
        try:
            if store._broken is not None or store._core.closing is not None:
                return None
            path = path_of(store, deliveries)
            now = basics.shown_by(store._clock)
            reply = acks.take(path, deliveries, now, store._writes)
            if reply is None:
                return None
            store._core.now = path.core.now = now
            if store._core.effects:
                store._perform(now)
            if store._asleep:
                store._asleep = False
                store._wake.notify()
            return reply
        finally:
            store._inside = False
            store._release()
    except BaseException:  # which may have come at any moment: see `ackstore.runtime.gate`
        store._leave()
        raise


def ack(store: Driver, receipt: str) -> Reply | None:
    """The reply to an ack; None, and nothing done, where it has to go the long way."""
    deliveries = basics.parse(receipt)
    return None if deliveries is None else call(store, deliveries)


def ack_many(store: Driver, receipts: list[str]) -> list[Reply] | None:
    """The replies to a batch; None, and nothing done, where it has to go the long way."""
    deliveries = basics.parse_all(receipts)
    if deliveries is None:
        return None
    reply = call(store, deliveries)
    return None if reply is None else [reply] * deliveries.count
