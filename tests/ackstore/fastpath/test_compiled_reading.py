"""What recovery reads in C takes the plain stretches itself, and leaves off before anything else."""

from typing import Any

import pytest

from ackstore.core.entries import RELEASED, Entry
from ackstore.core.queues import Queue
from ackstore.fastpath import COMPILED
from ackstore.fields import reading
from ackstore.format.payloads import TERMS_BYTES, encode_ack, encode_checkpoint, encode_reset
from ackstore.format.records import ACK, RENEW, RESET, encode_record
from ackstore.words.identity import QueueId

pytestmark = pytest.mark.skipif(not COMPILED, reason="the fast path is not compiled: it needs a C compiler")

FAR = 10**9
"""An offset that no other number in a record is by chance."""


def known(topic: str) -> Queue:
    """A queue that knows three messages."""
    queue = Queue(QueueId(topic, "g", 1), commits_checkpoints=False)
    queue.entries = {offset: Entry(offset, 1, 1, 0.0) for offset in range(FAR, FAR + 3)}
    queue.floor = FAR
    return queue


def acked(queue: Any, lsn: int, *offsets: int) -> bytes:
    """An ACK record of these messages."""
    return encode_record(ACK, encode_ack(queue.prefix, [(offset, 1, 1) for offset in offsets]), lsn, 0)


@pytest.mark.parametrize("topic", ["t", "t" * 255])
def test_a_batch_is_settled_at_once_however_long_the_name_of_its_queue(topic: str) -> None:
    queue = known(topic)
    data = acked(queue, 1, FAR, FAR + 1, FAR + 2)
    assert reading.replay_acks(data, 0, 1, {queue.prefix: queue}) == (len(data), 1)
    assert (queue.floor, queue.entries) == (FAR + 3, {})


def test_records_of_queues_by_turns_are_all_settled() -> None:
    one, other = known("t"), known("u")
    queues = {queue.prefix: queue for queue in (one, other)}
    data = b"".join(acked(queue, lsn, FAR + lsn // 3) for lsn, queue in enumerate([one, other, one, other], start=1))
    assert reading.replay_acks(data, 0, 4, queues) == (len(data), 4)
    assert [queue.floor for queue in (one, other)] == [FAR + 2] * 2


def test_nothing_is_done_for_a_batch_of_which_one_message_is_not_known() -> None:
    queue = known("t")
    data = acked(queue, 1, FAR, FAR + 1, FAR + 3)
    assert reading.replay_acks(data, 0, 1, {queue.prefix: queue}) == (0, 0)
    assert not any(entry.settled for entry in queue.entries.values())


def test_a_reset_is_left_to_the_rest_of_recovery() -> None:
    queue = known("t")
    first = acked(queue, 1, FAR)
    data = first + encode_record(RESET, encode_reset(queue.prefix, 0, 1), 2, 0) + acked(queue, 3, FAR + 1)
    assert reading.replay_acks(data, 0, 3, {queue.prefix: queue}) == (len(first), 1)
    assert queue.floor == FAR + 1


def test_a_release_whose_numbers_read_as_acks_of_known_messages_is_none() -> None:
    """A deadline of 0.0 reads as offset 0, and the attempt behind an offset below 2**32 as a multiple of that."""
    queue = known("t")
    queue.entries = {offset: Entry(offset, 1, 1, 0.0) for offset in (0, 1 << 32)}
    data = encode_record(RENEW, encode_checkpoint(queue.prefix, RELEASED, 1, [(0, 1), (1, 1)]), 1, 0)
    assert reading.replay_acks(data, 0, 1, {queue.prefix: queue}) == (0, 0)
    assert not any(entry.settled for entry in queue.entries.values())


def handed_out(*offsets: int) -> bytes:
    """The messages of a CHECKPOINT, as they stand in it."""
    return encode_checkpoint(b"", 30.0, 1, [(offset, 2) for offset in offsets])[TERMS_BYTES:]


def test_new_messages_are_taken_over_at_once() -> None:
    queue = known("t")
    data = b"junk" + handed_out(FAR + 5, FAR + 4)
    assert reading.replay_new(queue, Entry, data, 4, len(data), 30.0, 7)
    entry = queue.entries[FAR + 4]
    assert (type(entry), entry.offset, entry.attempt, entry.epoch, entry.deadline) == (Entry, FAR + 4, 2, 7, 30.0)
    assert (entry.saved, entry.moving, entry.settled, entry.ack) == (True, False, False, None)
    assert queue.next_new == FAR + 6


@pytest.mark.parametrize("data", [handed_out(FAR), handed_out(FAR - 1), handed_out(FAR + 7)[:-1], handed_out(2**63)])
def test_what_is_known_settled_or_no_message_is_left_to_the_rest_of_recovery(data: bytes) -> None:
    queue = known("t")
    assert not reading.replay_new(queue, Entry, data, 0, len(data), 30.0, 7)
    assert len(queue.entries) == 3
    assert queue.entries[FAR].attempt == 1


def test_no_byte_beyond_the_end_is_read() -> None:
    queue = known("t")
    assert not reading.replay_new(queue, Entry, b"", 0, 12, 30.0, 7)
    assert not reading.replay_new(queue, Entry, bytes(24), 24, 12, 30.0, 7)
