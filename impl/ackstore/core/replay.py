"""From the history that recovery read to the state of every queue.

>>> from ackstore.format.recovery import Recovered
>>> queues, rewrites = replay(Recovered(), new_queue=None)
>>> queues, rewrites
({}, [])
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable

from ackstore.core.queues import Claim, Entry, Queue
from ackstore.core.record import Record
from ackstore.core.states import replay_state
from ackstore.fields.classes import RecordFields
from ackstore.fields.reading import replay_acks, replay_new
from ackstore.format.payloads import (
    TERMS_BYTES,
    decode_deliveries,
    decode_messages,
    decode_prefix,
    decode_reset,
)
from ackstore.format.records import ACK, CHECKPOINT, DEAD, KIND_AT, RECORD_BYTES, RENEW, RESET, STATE
from ackstore.format.recovery import Recovered, Span
from ackstore.words.errors import FutureFormat, LogDamaged, OffsetsAheadOfLog, UsageError
from ackstore.words.identity import QueueId, parse_token

KINDS = frozenset({CHECKPOINT, ACK, RENEW, DEAD, RESET, STATE})

_unpack_kind = struct.Struct("<B3xI").unpack_from
_unpack_length = struct.Struct("<H").unpack_from


def replay(recovered: Recovered, new_queue: Callable[[QueueId], Queue]) -> tuple[dict[str, Queue], list[RecordFields]]:
    """Rebuild the queues, by token, and find the records to write again.

    Up to the proved LSN records are FLUSHED; the later ones are CACHED, and are the ones to write
    again. Raises `OffsetsAheadOfLog` when the offset file passes a message that no FLUSHED record
    lets it pass.
    """
    history = Replay(recovered.proved, new_queue)
    collects = gc.isenabled()
    gc.disable()  # nearly all that is made here stays: looking for garbage takes time, and finds none
    try:
        for span in recovered.spans():
            history.take_known(span)
            del span  # and with it the bytes, before those of the next segment are read
    finally:
        if collects:
            gc.enable()
    queues = {queue.token: queue for queue in history.queues.values()}
    for queue in queues.values():
        queue.advance()
        _check_gaps(queue)
        queue.replayed()
    _take_offsets(recovered, queues)
    return queues, history.rewrites


MOST_FREE = 1 << 23
"""Messages of one queue that were handed out, and of which no record says anything, at most: eight times what a store
keeps in memory by default (`Config.max_outstanding`). They are listed in memory: a wrong number must not be
believed."""


def _check_gaps(queue: Queue) -> None:
    free = queue.next_new - queue.floor - len(queue.entries)
    if free > MOST_FREE:
        raise LogDamaged(
            f"the records of queue {queue.token} leave out {free} messages below {queue.next_new}, more than any store "
            "does: they were not written by this store. Nothing was changed. Restore the directory from a copy"
        )


class Replay:
    """The history up to some record. Written for speed: it sees every record of the log, and most are of the two kinds
    that `take` looks at first."""

    def __init__(self, proved: int, new_queue: Callable[[QueueId], Queue]) -> None:
        self.proved = proved
        self.new_queue = new_queue
        self.queues: dict[bytes, Queue] = {}
        """By the queue field of their records."""
        self.rewrites: list[RecordFields] = []
        self.plain = True
        """The queues are no variant's."""
        self.kind = self.lsn = 0
        """The record at hand."""
        self.epochs: dict[int, int] = {}
        """One integer object for each epoch, however many messages it has."""

    def queue(self, prefix: bytes) -> Queue:
        """Return the queue that a record names."""
        queue = self.queues.get(prefix)
        if queue is None:
            queue = self.queues[prefix] = self.new_queue(parse_token(decode_prefix(prefix)))
            self.plain = type(queue) is Queue
        return queue

    def take_known(self, span: Span) -> None:
        """Go on with the records of one span; or raise, by name, what is wrong with one whose checksum is right."""
        try:
            self.take(span)
        except (struct.error, ValueError, UsageError) as error:
            if self.kind not in KINDS:
                raise self._future() from None
            raise LogDamaged(
                f"record {self.lsn} is whole, but no record of kind {self.kind} reads like that ({error}): it was "
                "not written by this store. Nothing was changed. Restore the directory from a copy"
            ) from error

    def _future(self) -> FutureFormat:
        return FutureFormat(
            f"record {self.lsn} is of kind {self.kind}, which this release does not know: "
            "open the store with the release that wrote it, or a later one"
        )

    def take(self, span: Span) -> None:
        """Go on with the records of one span."""
        data, at = span.data, span.at
        queues, proved_to = self.queues, self.proved
        lsn, last_proved = span.first - 1, min(span.last, proved_to)
        while lsn < span.last:
            if self.plain:
                at, passed = replay_acks(data, at, last_proved - lsn, queues)
                lsn += passed
                if lsn == span.last:
                    break
            lsn += 1
            kind, length = _unpack_kind(data, at + KIND_AT)
            self.kind, self.lsn = kind, lsn
            begin = at
            start = at + RECORD_BYTES
            at = end = start + length
            body = start + 2 + _unpack_length(data, start)[0]
            prefix = data[start:body]
            queue = queues.get(prefix) or self.queue(prefix)
            proved = lsn <= proved_to
            record: Record | None = None
            if kind == ACK:
                entries = queue.replay_ack(decode_deliveries(data, body, end))
                if proved:
                    for entry in entries:
                        entry.ack = None
                        entry.settled = True
                    if entries and entries[0].offset == queue.floor:
                        queue.move_floor()
                else:
                    record = _settling(ACK, queue, entries)
            elif kind in (CHECKPOINT, RENEW):
                record = self.take_checkpoint(kind, queue, data, body, end)
            else:
                record = self.take_seldom(kind, queue, data[start:end], lsn)
            if not proved:
                assert record is not None
                record.payload, record.lsn, record.data = data[start:end], lsn, data[begin:end]
                self.rewrites.append(record)

    def take_checkpoint(self, kind: int, queue: Queue, data: bytes, body: int, end: int) -> Record | None:
        """Take a CHECKPOINT or RENEW; return it if it is to be written again."""
        proved = self.lsn <= self.proved
        deadline, epoch, messages = decode_messages(data, body, end)
        epoch = self.epochs.setdefault(epoch, epoch)
        if proved and self.plain and replay_new(queue, Entry, data, body + TERMS_BYTES, end, deadline, epoch):
            return None
        entries = queue.replay_checkpoint(messages, deadline=deadline, epoch=epoch, proved=proved)
        if proved:
            return None
        record = Record(kind, queue)
        record.entries = entries
        record.claims = [Claim(entry, None) for entry in entries] if kind == CHECKPOINT else ()
        return record

    def take_seldom(self, kind: int, queue: Queue, payload: bytes, lsn: int) -> Record | None:
        """Take a record of one of the other kinds; returns it if it is to be written again."""
        proved = lsn <= self.proved
        if kind == DEAD:
            when, epoch, messages = decode_messages(payload, len(queue.prefix), len(payload))
            entries = queue.replay_dead(messages, when=when, epoch=epoch, proved=proved)
            if proved:
                return None
            record = _settling(DEAD, queue, entries)
            record.value = when
            return record
        if kind == RESET:
            _token, offset, generation = decode_reset(payload)
            if proved:
                queue.reset(offset, generation, lsn)
                return None
            # It is on its way, and no later record of its queue can be there.
            record = queue.resetting = Record(RESET, queue)
            record.value = offset
            return record
        if kind == STATE:
            return replay_state(queue, payload, lsn, proved=proved)
        raise self._future()


def _settling(kind: int, queue: Queue, entries: list[Entry]) -> Record:
    """Return a record that settles `entries` once it is FLUSHED."""
    record = Record(kind, queue)
    record.entries = entries
    for entry in entries:
        entry.ack = record
    return record


def _take_offsets(recovered: Recovered, queues: dict[str, Queue]) -> None:
    """Go on from the offsets in the offset file, once the log is seen to justify them."""
    for token, offset in recovered.offsets.committed.items():
        queue = queues.get(token)
        if queue is not None and queue.reset_at > recovered.offsets.flushed:
            continue  # the file is from before the reset
        safe = 0 if queue is None else queue.safe()
        if queue is None or safe < offset:
            file = recovered.names.offsets
            raise OffsetsAheadOfLog(
                f"{file} has queue {token} at offset {offset}, but the log's records let it "
                f"come to {safe} only. Nothing was changed. Restore the directory from a copy, or "
                f"move {file} away, and the store rebuilds it from the log"
            )
        queue.committed = max(queue.committed, offset)
