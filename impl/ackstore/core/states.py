"""STATE records: how a queue stands, said anew, so that earlier records need not be kept.

A STATE says that everything below `floor` is settled, and how some of the messages above stand. Its field `start` is 0,
or a statement about the whole log: records below that LSN are not needed any more, since all that they say and that
still holds is said again between there and here (see `ackstore.core.compaction`).

>>> item = (DELIVERED, 7, 2, 1, 30.0)
>>> state = State(floor=5, generation=0, forgotten=0, start=0)
>>> from ackstore.format.payloads import queue_prefix
>>> prefix = queue_prefix("orders/default/0")
>>> payload = encode_state(prefix, state, [item])
>>> decode_state(payload, len(prefix)) == (state, [item])
True
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from ackstore.core.operations import Operations
from ackstore.core.queues import Entry, Queue
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import STATE_HEAD
from ackstore.format.records import STATE

DELIVERED, SETTLED, DIED = range(3)
"""How a message stands: handed out until a time; settled; settled because it died at a time."""

Item = tuple[int, int, int, int, float]
"""How a message stands, its offset, attempt, epoch, and time."""

_ITEM = struct.Struct("<BQIQd")
ITEM_BYTES = _ITEM.size


@frozen
class State:
    """What a STATE says of the queue as a whole."""

    floor: int
    generation: int
    forgotten: int
    """Dead letters that are only counted."""
    start: int


def encode_state(prefix: bytes, state: State, items: Iterable[Item]) -> bytes:
    """Return a STATE's payload."""
    head = STATE_HEAD.pack(state.start, state.floor, state.generation, state.forgotten)
    return prefix + head + b"".join([_ITEM.pack(*item) for item in items])


def decode_state(payload: bytes, at: int) -> tuple[State, list[Item]]:
    """Return what stands behind the queue field, which ends at byte `at`."""
    start, floor, generation, forgotten = STATE_HEAD.unpack_from(payload, at)
    return State(floor, generation, forgotten, start), list(_ITEM.iter_unpack(payload[at + STATE_HEAD.size :]))


class StateOwner(Protocol):
    """Who wrote a STATE, and hears what becomes of it."""

    def state_cached(self, record: RecordFields) -> None:
        """Note that it is CACHED."""

    def state_failed(self, record: RecordFields) -> None:
        """Note that it was certainly not stored."""

    def state_flushed(self, record: RecordFields) -> None:
        """Note that it is FLUSHED."""


class StateRecord(Record):
    """A STATE on its way; `owner` is None for one that recovery found."""

    __slots__ = ("delivered", "owner")

    def __init__(self, queue: Queue, floor: int, owner: StateOwner | None) -> None:
        super().__init__(STATE, queue)
        self.value = floor
        self.owner = owner
        self.delivered: list[Entry] = []
        """Deliveries that it brings back, of one that recovery found."""


class States:
    """What becomes of STATE records."""

    def __init__(self, operations: Operations) -> None:
        self.operations = operations

    def cached(self, record: RecordFields, _prompt: bool) -> None:
        """Tell the owner."""
        if isinstance(record, StateRecord) and record.owner is not None:
            record.owner.state_cached(record)

    def failed(self, record: RecordFields) -> None:
        """Tell the owner."""
        if isinstance(record, StateRecord) and record.owner is not None:
            record.owner.state_failed(record)

    def flushed(self, record: RecordFields) -> None:
        """Tell the owner that what the STATE says is FLUSHED; the offset may pass."""
        assert isinstance(record, StateRecord)
        record.queue.settle(record.entries)
        for entry in record.delivered:
            entry.saved = True
        if record.owner is not None:
            record.owner.state_flushed(record)
        record.queue.lift(int(record.value))
        waiters, record.waiters = record.waiters, None
        for operation, item, reply in waiters or ():  # acks of what it settles, which recovery had read
            self.operations.reply(operation, item, reply)
        for operation in record.durables or ():
            self.operations.durable(operation)


def replay_state(queue: Queue, payload: bytes, lsn: int, *, proved: bool) -> StateRecord | None:
    """Take over a STATE that recovery read; returns it if it is to be written again."""
    state, items = decode_state(payload, len(queue.prefix))
    queue.replay_state(state.floor, state.generation, state.forgotten, lsn, proved=proved)
    delivered, settled = [], []
    for how, offset, attempt, epoch, time in items:
        if how == DELIVERED:
            delivered += queue.replay_checkpoint([(offset, attempt)], deadline=time, epoch=epoch, proved=proved)
        else:
            settled += queue.replay_ack([(offset, attempt, epoch)])
        if how == DIED:
            queue.replay_letter(offset, attempt, time)
    if proved:
        queue.settle(settled)
        return None
    record = StateRecord(queue, state.floor, None)
    queue.unproved.append(record)
    record.entries, record.delivered = settled, delivered
    for entry in settled:
        entry.ack = record
    return record
