"""From the history that recovery read to the state of every queue.

>>> from ackstore.recovery import Recovered
>>> queues, rewrites = replay(Recovered(), new_queue=None)
>>> queues, rewrites
({}, [])
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.errors import FutureFormat, OffsetsAheadOfLog
from ackstore.identity import QueueId, parse_token
from ackstore.log import Record
from ackstore.payloads import decode_ack, decode_checkpoint, decode_reset
from ackstore.queues import Queue
from ackstore.records import ACK, CHECKPOINT, DEAD, RENEW, RESET
from ackstore.recovery import OFFSETS, Recovered


def replay(recovered: Recovered, new_queue: Callable[[QueueId], Queue]) -> tuple[dict[str, Queue], list[Record]]:
    """Rebuild the queues, by token, and find the records to write again.

    Up to the proved LSN records are FLUSHED; the later ones are CACHED, and are the ones to write
    again. Raises `OffsetsAheadOfLog` when the offset file passes a message that no FLUSHED record
    lets it pass.
    """
    queues: dict[str, Queue] = {}
    rewrites: list[Record] = []

    def queue_of(token: str) -> Queue:
        if token not in queues:
            queues[token] = new_queue(parse_token(token))
        return queues[token]

    for lsn, kind, payload, data in recovered.records():
        proved = lsn <= recovered.proved
        if kind == ACK:
            token, deliveries = decode_ack(payload)
            record = _replay_ack(queue_of(token), deliveries, proved)
        elif kind in (CHECKPOINT, RENEW):
            record = _replay_checkpoint(kind, payload, queue_of, proved)
        elif kind == DEAD:
            record = _replay_dead(payload, queue_of, proved)
        elif kind == RESET:
            record = _replay_reset(payload, queue_of, proved, lsn)
        else:
            raise FutureFormat(
                f"record {lsn} is of kind {kind}, which this release does not know: "
                "open the store with the release that wrote it, or a later one"
            )
        if record is not None:
            record.payload, record.lsn, record.data = payload, lsn, data
            rewrites.append(record)
    for queue in queues.values():
        queue.advance()
        queue.replayed()
    _take_offsets(recovered, queues)
    return queues, rewrites


def _replay_ack(queue: Queue, deliveries: list[tuple[int, int, int]], proved: bool) -> Record | None:
    entries = queue.replay_ack(deliveries)
    if not proved:
        record = Record(ACK, queue)
        record.entries = entries
        for entry in entries:
            entry.ack = record
        return record
    queue.settle(entries)
    if entries and entries[0].offset == queue.floor:
        queue.advance()
    return None


def _replay_checkpoint(kind: int, payload: bytes, queue_of: Callable[[str], Queue], proved: bool) -> Record | None:
    token, deadline, epoch, messages = decode_checkpoint(payload)
    queue = queue_of(token)
    claims = queue.replay_checkpoint(messages, deadline=deadline, epoch=epoch)
    if proved:
        queue.saved(claims)
        return None
    record = Record(kind, queue)
    record.claims = claims
    record.entries = [claim.entry for claim in claims] if kind == RENEW else ()
    return record


def _replay_dead(payload: bytes, queue_of: Callable[[str], Queue], proved: bool) -> Record | None:
    token, when, epoch, messages = decode_checkpoint(payload)
    queue = queue_of(token)
    entries = queue.replay_dead(messages, when=when, epoch=epoch, proved=proved)
    if proved:
        return None
    record = Record(DEAD, queue)
    record.entries, record.value = entries, when
    for entry in entries:
        entry.ack = record
    return record


def _replay_reset(payload: bytes, queue_of: Callable[[str], Queue], proved: bool, lsn: int) -> Record | None:
    """A RESET that is not proved is on its way, and no later record of its queue can be there."""
    token, offset, generation = decode_reset(payload)
    queue = queue_of(token)
    if proved:
        queue.reset(offset, generation, lsn)
        return None
    record = queue.resetting = Record(RESET, queue)
    record.value = offset
    return record


def _take_offsets(recovered: Recovered, queues: dict[str, Queue]) -> None:
    """Go on from the offsets in the offset file, once the log is seen to justify them."""
    for token, offset in recovered.offsets.committed.items():
        queue = queues.get(token)
        if queue is not None and queue.reset_at > recovered.offsets.flushed:
            continue  # the file is from before the reset
        safe = 0 if queue is None else queue.safe()
        if queue is None or safe < offset:
            raise OffsetsAheadOfLog(
                f"{OFFSETS} has queue {token} at offset {offset}, but the log's records let it "
                f"come to {safe} only. Nothing was changed. Restore the directory from a copy, or "
                f"move {OFFSETS} away, and the store rebuilds it from the log"
            )
        queue.committed = max(queue.committed, offset)
