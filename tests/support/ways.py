"""The ways an ack may go: the fast path, as it is compiled or in Python, and the long way through the core.

>>> with going("long"):
...     acks.ack(None, "a receipt", 0.0, None) is None
True
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import store
from ackstore.core.core import Core
from ackstore.core.queues import Queue
from ackstore.fastpath import acks, calls, engines
from ackstore.fastpath.plain import acks as plain_acks
from ackstore.fastpath.plain import calls as plain_calls
from ackstore.fields.plain.classes import EntryFields, RecordFields, SegmentFields

WAYS = ("compiled", "plain", "long")
"""Where nothing is compiled the first two are one."""


def declines(*_: Any) -> None:
    """As the fast path answers where there is more to do."""


@contextmanager
def going(way: str) -> Iterator[None]:
    """Have every ack go one way meanwhile, in every store."""
    takes_acks, takes_calls = {
        "compiled": (acks, calls),
        "plain": (plain_acks, plain_calls),
        "long": (SimpleNamespace(ack=declines, ack_many=declines),) * 2,
    }[way]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "acks", takes_acks)
        patch.setattr(store, "calls", takes_calls)
        yield


LOG = (
    *("flushed", "last", "dirty_since", "busy", "stuck", "condemned", "unflushed", "unflushed_bytes"),
    *("submitted", "resolved", "write_failures", "rewritten", "unsynced_entry", "dirty_bytes"),
)
"""Attributes of `Log`."""
ENTRY = [name for name in EntryFields.__slots__ if name not in ("ack", "timed")]


def state_of(store: Any) -> list[Any]:
    """All that a store driven by hand has in its files, and in memory, as far as acks could change it."""
    cores = getattr(store.core, "cores", [store.core])
    return [store.files.cached, store.core.next_tick(), *map(core_state, cores)]


def core_state(core: Core) -> list[Any]:
    """The same of one log."""
    log, merge, flusher = core.log, core.merge, core.flusher
    segment = log.current
    return [
        [(token, queue_state(queue)) for token, queue in core.queues.items()],
        [(name, getattr(log, name)) for name in LOG],
        segment and [getattr(segment, name) for name in SegmentFields.__slots__],
        [(record.kind, record.lsn, record.data, record.queue.token, len(record.entries)) for record in log.tail],
        (merge.count, merge.merges, merge.next_at, flusher.mode, flusher.hurry, flusher.wanted),
        core.operations.replied(log.answered),
    ]


def queue_state(queue: Queue) -> list[Any]:
    """The same of one queue."""
    entries = [[getattr(entry, name) for name in ENTRY] + [ack_of(entry.ack)] for entry in queue.entries.values()]
    return [queue.floor, queue.committed, queue.resetting is not None, entries]


def ack_of(record: RecordFields | None) -> Any:
    """What an ack on its way is."""
    if record is None:
        return None
    return (
        record.kind,
        record.queue.token,
        record.lsn,
        record.data,
        record.waiters,
        record.durables,
        len(record.entries),
    )
