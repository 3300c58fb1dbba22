"""The fast path against the long way, step by step, on two disks that fail in the same places.

After every step the replies, the bytes of every file, all figures and the next tick have to be the same. No threads:
the tests perform the writes of the fast path themselves.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore.core.effects import DONE, Failed, Result, Write
from ackstore.core.record import Record
from ackstore.fastpath import acks
from ackstore.fastpath.plain import acks as plain_acks
from ackstore.fields.plain.classes import RecordFields
from ackstore.fields.plain.settling import MERGED
from ackstore.format.payloads import queue_prefix
from ackstore.format.records import ACK, DELIVERY_BYTES, RECORD_BYTES
from ackstore.words.identity import receipt_text
from ackstore.words.replies import Reply
from ackstore.words.requests import Pop
from merging import merging, ready

EIO, ENOSPC = 5, 28
QUEUES = "q/g/0", "q/g/1", "q/g/2"
STEPS = [
    *["ack"] * 3,
    *["batch"] * 3,
    "odd",
    "pop",
    "time",
    "late",
    "flush",
    "one",
    *["settle"] * 2,
    "fail",
    "full",
    "slow",
]
MERGE_STEPS = [*["ack"] * 6, *["pop"] * 3, "batch", "odd", "time", "flush", "one", "fail", "full"]
"""A merge buffer knows nothing of what was there at its last flush."""


class Way:
    """A store, and the receipts of its messages; `fast` says how its acks go."""

    def __init__(self, store: Any, fast: bool) -> None:
        self.store = store
        self.fast = fast
        self.taken = {True: 0, False: 0}
        """How often an ack, and a batch, took the fast path."""
        self.merged = 0
        """Acks that did, and met their checkpoint in memory."""
        self.room: int | None = None
        """How much of the next write reaches the file, which is full then; counted from its end if it is negative."""
        store.settle()
        store.flush()
        store.settle()
        self.receipts: list[list[str]] = []
        for queue in QUEUES:
            store.publish(1000, queue)
            held = store.pop(20, 600.0, queue) + store.pop(10, 25.0, queue)
            self.receipts.append([delivery.receipt for delivery in held])
        if not store.config.merge:  # what is held then is to be acked there
            store.flush()
        store.settle()

    def result(self, size: int) -> Result:
        room, self.room = self.room, None
        return DONE if room is None else Failed(ENOSPC, max(0, min(size, room if room >= 0 else size + 1 + room)))

    def write(self, file: str, at: int, data: bytes) -> Result:
        result = self.result(len(data))
        self.store.files.apply(Write(file, at, data), result)
        return result

    def ack(self, receipts: list[str], one: bool) -> Any:
        """Ack; the reply, or the replies, or None while there is none."""
        store, reply = self.store, None
        if store.config.logs > 1 or store.config.merge:  # what is outstanding need not be in the way of this ack
            self.finish_writes()
        if self.fast:
            path, before = store.fast_path, store.stats.merged
            reply = path.ack(receipts[0], store.now, self) if one else path.ack_many(receipts, store.now, self)
            store.take()
            self.merged += store.stats.merged - before
        if reply is not None:
            self.taken[one] += 1
            return reply if one else list(reply)
        op = store.ack(receipts[0]) if one else store.ack_many(*receipts)
        self.finish_writes()
        answer = store.answers.get(op)
        return answer and (answer.reply if one else list(answer.value))

    def finish_writes(self) -> None:
        while writes := self.store.waiting(Write):
            self.store.finish(Write, self.result(len(writes[0].data)))

    def take(self, step: str, pick: random.Random) -> Any:
        """Do one step; what was answered."""
        store, queue = self.store, pick.randrange(3)
        mine = self.receipts[queue]
        first = pick.randrange(len(mine))
        if step == "ack":
            return self.ack(mine[first:], True)
        if step == "batch":
            return self.ack(mine[first : first + pick.choice([1, 2, 5])], False)
        if step == "odd":
            other = pick.choice([mine[first], self.receipts[queue - 1][0], mine[-1], "nonsense"])
            return (
                self.ack([*mine[first : first + 2], other], False) if pick.random() < 0.8 else self.ack([other], True)
            )
        if step == "full":
            self.room = pick.choice([0, 5, 100, -1, -2, -70])
        elif step == "flush":
            store.flush()
        elif step in ("time", "late"):
            store.wait(0.5 if step == "time" else 12.0)
        elif step == "pop":
            op = store.submit(Pop(QUEUES[queue], 5, 60.0))
            store.settle()
            mine += [delivery.receipt for delivery in store.answers[op].value or ()] if op in store.answers else []
            del mine[:-20]
        elif step == "settle":
            store.settle()
        elif step == "slow":
            store.ack(mine[first])  # its write, or what comes before it, stays outstanding
        elif store.pending:
            store.finish(object, Failed(EIO) if step == "fail" else DONE)
        return None

    def seen(self) -> Any:
        store = self.store
        stages = [store.core.stage(receipt) for mine in self.receipts for receipt in mine]
        return store.files.cached, store.stats, store.core.next_tick(), stages


SETTINGS: list[dict[str, Any]] = [
    {},
    {"segment_bytes": 900},
    {"max_unflushed_records": 11, "degrade_after": 1},
    {"max_unflushed_bytes": 1900, "max_batch": 20},
    {"logs": 3},
    {"merge": True, "merge_stay": 15.0, "offset_interval": 0.5},
    {"merge": True, "merge_stay": 60.0, "logs": 3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_both_ways_come_to_the_same(drive: Any, settings: dict[str, Any], seed: int) -> None:
    fast, long = (Way(drive(flush_interval=0.4, **settings), way) for way in (True, False))
    steps = random.Random(seed)
    for _ in range(80):
        step, pick = steps.choice(MERGE_STEPS if "merge" in settings else STEPS), steps.random()
        assert fast.take(step, random.Random(pick)) == long.take(step, random.Random(pick)), step
        assert fast.seen() == long.seen(), step
    fast.store.rest()
    long.store.rest()
    assert fast.seen() == long.seen()
    assert fast.merged if "merge" in settings else min(fast.taken.values())
    assert sum(fast.taken.values()) > 3


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("log", "current", None),
        ("log", "busy", True),
        ("log", "fresh", ["a record"]),
        ("log", "rewrites", ["a record"]),
        ("log", "stuck", True),
        ("log", "condemned", True),
        ("flusher", "hurry", True),
        ("flusher", "wanted", 1 << 60),
    ],
)
def test_one_thing_in_the_way_is_enough(popped: Any, part: str, name: str, value: Any) -> None:
    store, _ = popped(1)
    (path,) = store.fast_path.paths
    assert acks.segment_for(path, 1) is store.core.log.current
    setattr(getattr(store.core, part), name, value)
    assert acks.segment_for(path, 1) is None


@pytest.mark.parametrize("logs", [1, 3])
def test_what_names_no_message_is_left_to_the_core(drive: Any, logs: int) -> None:
    path = drive(logs=logs).settle().fast_path
    for receipt in ("nonsense", receipt_text("q/g/0", 0, 1, 1)):
        assert path.ack(receipt, 1000.0, None) is None
        assert path.ack_many((receipt,), 1000.0, None) is None
    assert path.ack_many((), 1000.0, None) is None


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_full_segment_is_left_to_the_log(popped: Any, more: int) -> None:
    size = popped(1)[0].stats.segment_bytes
    store, _ = popped(1, segment_bytes=size + more)
    assert (acks.segment_for(store.fast_path.paths[0], 1) is not None) == (more > 0)


@pytest.mark.parametrize("room", [-1, 0, 1, 2])
@pytest.mark.parametrize("limit", ["records", "bytes"])
@pytest.mark.parametrize("count", [1, 3])
def test_it_is_taken_up_to_where_answers_would_wait(popped: Any, room: int, limit: str, count: int) -> None:
    """What the log has with this record is less than half of what it may have."""
    store, receipts = popped(3, max_unflushed_records=1000, max_unflushed_bytes=100_000)
    log = store.core.log
    if limit == "records":
        log.unflushed = 500 - 1 - room
    else:
        log.unflushed_bytes = 50_000 - (RECORD_BYTES + len(queue_prefix("q/default/0")) + count * DELIVERY_BYTES) - room
    before = log.unflushed_bytes
    written: list[bytes] = []

    def write(_file: str, _at: int, data: bytes) -> Result:
        written.append(data)
        return DONE

    path, disk = store.fast_path, SimpleNamespace(write=write)
    reply = path.ack(receipts[0], store.now, disk) if count == 1 else path.ack_many(receipts, store.now, disk)
    assert (reply is not None) == (room > 0)
    assert log.unflushed_bytes == before + sum(map(len, written))
    assert log.dirty_since == (store.now if room > 0 else None)


def test_a_header_that_is_not_written_is_left_to_the_log(popped: Any) -> None:
    store, _ = popped(1)
    (path,) = store.fast_path.paths
    store.core.log.current.size = 0
    assert acks.segment_for(path, 1) is None


def test_its_record_is_as_one_that_the_core_makes(popped: Any) -> None:
    """As the rules are in Python: whoever meets a record of either may look at all of it."""
    queue = popped(1)[0].core.queues["q/default/0"]
    one, other = plain_acks.new_record(queue, ACK), Record(ACK, queue)
    for name in RecordFields.__slots__:
        assert getattr(one, name, 0.0) == getattr(other, name, 0.0), name  # a deadline is set by who has one


@pytest.mark.parametrize("records", [499, 500, 501])
@pytest.mark.parametrize("size", [49_999, 50_000, 50_001])
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("stuck", [False, True])
def test_the_merge_buffer_takes_acks_as_long_as_answers_need_not_wait(
    popped: Any, records: int, size: int, mode: str, stuck: bool
) -> None:
    store, _ = popped(1, max_unflushed_records=1000, max_unflushed_bytes=100_000)
    (path,), core = store.fast_path.paths, store.core
    core.log.unflushed, core.log.unflushed_bytes, core.log.stuck, core.flusher.mode = records, size, stuck, mode
    assert plain_acks.takes_acks(path) == core.merge.takes_acks() == ((records, size, mode, stuck) == FREE)


FREE = (499, 49_999, "async", False)


def test_what_met_its_checkpoint_in_memory_is_held_no_more(drive: Any) -> None:
    store = merging(drive)
    receipts = ready(store)
    assert store.fast_path.ack_many(receipts[:2], store.now, None) is not None
    assert store.fast_path.ack(receipts[2], store.now, None) is not None
    queue = store.core.queues["q/default/0"]
    for entry in queue.entries.values():
        assert (entry.held, entry.ack.kind, entry.ack.queue) == (False, MERGED, queue)


@pytest.mark.parametrize("logs", [1, 3])
def test_after_a_failed_write_the_effects_are_taken_up(drive: Any, logs: int) -> None:
    store = drive(logs=logs).settle()
    store.publish(9, QUEUES[0])
    (receipt,) = (delivery.receipt for delivery in store.pop(1, queue=QUEUES[0]))
    store.flush()
    store.settle()
    taken: list[str] = []
    for path in store.fast_path.paths:
        assert path.then == store.core.collect
        path.then = lambda: taken.append("taken up")
    failing = SimpleNamespace(write=lambda *_: Failed(ENOSPC, 5))
    assert store.fast_path.ack(receipt, store.now, failing) is Reply.FAILED
    assert taken == ["taken up"]
