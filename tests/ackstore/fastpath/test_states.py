"""The fast path in every state of a store: it answers as the long way does and leaves the same behind, or does nothing.

Two equal stores are put into one state, most of which no run would come to soon. The acks go the fast path in one of
them; where that takes them, they go the long way in the other.
"""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ackstore.core.effects import DONE, Failed, Result, Write
from ackstore.core.queues import Queue
from ackstore.core.record import Record
from ackstore.format.records import ACK
from ackstore.words.identity import QueueId, parse_receipt, receipt_text
from ackstore.words.requests import Ack, Pop
from ways import WAYS, going, state_of

ENOSPC = 28
QUEUES = "q/g/0", "q/g/1"
MESSAGES = 3
"""Of each queue."""


@frozen
class Message:
    """What is changed of a message that is handed out."""

    attempt: int = 0
    epoch: int = 0
    left: float = 30.0
    """Seconds to its deadline."""
    flag: str = ""
    """What is in the way."""


@frozen
class Named:
    """A receipt: of which message, and how it differs from the one that was given."""

    queue: int = 0
    offset: int = 0
    attempt: int = 0
    epoch: int = 0
    far: bool = False
    """Of a message that was never handed out."""
    form: str = "{}"


@frozen
class State:
    """A state of a store, and what is acked in it."""

    messages: tuple[Message, ...] = (Message(),) * (MESSAGES * len(QUEUES))
    named: tuple[Named, ...] = (Named(),)
    in_the_way: str = ""
    resetting: bool = False
    short_of: tuple[str, int] | None = None
    """How much less than half of a limit the log has, in records or bytes, with the ack's record in it, or now."""
    full: int | None = None
    """Bytes from the end of the segment to where it is full."""
    room: int | None = None
    """How much of a write reaches the file, which is full then; from its end if it is negative."""
    merge: bool = False
    logs: int = 1


RECORD = Record(ACK, Queue(QueueId("q"), commits_checkpoints=False), (), lsn=1, data=b"a record")

IN_THE_WAY: dict[str, tuple[str, str, Any]] = {
    "busy": ("log", "busy", True),
    "fresh": ("log", "fresh", [RECORD]),
    "rewrites": ("log", "rewrites", [RECORD]),
    "stuck": ("log", "stuck", True),
    "condemned": ("log", "condemned", True),
    "no segment": ("log", "current", None),
    "hurry": ("flusher", "hurry", True),
    "wanted": ("flusher", "wanted", 1 << 60),
    "degraded": ("flusher", "mode", "sync"),
    "refusing": ("flusher", "mode", "refuse"),
}
"""Part, attribute and value."""

SEGMENT: dict[str, tuple[str, Any]] = {"torn": ("torn", True), "no header": ("size", 0)}

MESSAGE: dict[str, list[Any]] = {
    "attempt": [1],
    "epoch": [1],
    "left": [0.001, 0.0, -1.0],
    "flag": ["moving", "renewing", "settled", "ack", "held", "not held", "let go"],
}
NAMED: dict[str, list[Any]] = {
    "queue": [1],
    "offset": [0, 1, 2],
    "attempt": [1, -1],
    "epoch": [1, -1],
    "far": [True],
    "form": ["{}7", "0{}", "no receipt"],
}
STORE: dict[str, list[Any]] = {
    "in_the_way": [*IN_THE_WAY, *SEGMENT],
    "resetting": [True],
    "short_of": [(what, more) for what in ("records", "bytes", "records now", "bytes now") for more in (-1, 0, 1)],
    "full": [-1, 0, 1],
    "room": [0, 5, 40, -1, -2],
}
"""What may be otherwise, and how."""
OTHERWISE = [
    (where, name, value)
    for where, kinds in (("messages", MESSAGE), ("named", NAMED), ("", STORE))
    for name, values in kinds.items()
    for value in values
]


@st.composite
def states(draw: st.DrawFn) -> State:
    """A state in which nothing is in the way, but for a few things: alone, each has to make the difference it makes."""
    count = draw(st.integers(1, MESSAGES))
    found = State(named=tuple(Named(offset=at) for at in range(count)), merge=draw(st.booleans()))
    found = evolve(found, logs=draw(st.sampled_from([1, 1, 3])))
    for _ in range(draw(st.integers(0, 3))):
        where, name, value = draw(st.sampled_from(OTHERWISE))
        change = {name: value}
        if where:
            items = list(getattr(found, where))
            at = draw(st.integers(0, count - 1))
            items[at] = evolve(items[at], **change)
            change = {where: tuple(items)}
        found = evolve(found, **change)
    return found


def opened(drive: Any, state: State) -> Any:
    """A store with messages in hand, all of it flushed, before anything is done to it."""
    store = drive(merge=state.merge, merge_stay=60.0, logs=state.logs).settle()
    for queue in QUEUES:
        store.publish(100, queue)
    store.flush()
    store.rest(1.0)
    store.given = []
    for queue in QUEUES:
        op = store.submit(Pop(queue, MESSAGES, 30.0))
        store.settle()
        store.given += [delivery.receipt for delivery in store.answers[op].value]
    if not state.merge:
        store.flush()
        store.settle()
    return store


def put_into(store: Any, state: State, size: int) -> list[str]:
    """Put a store into a state; returns what is acked. `size` is that of the record there would be."""
    given = [parse_receipt(receipt) for receipt in store.given]
    core = core_of(store)
    for changed, parsed in zip(state.messages, given, strict=True):
        assert parsed is not None
        flag = "" if changed.flag == "held" and not state.merge else changed.flag
        change(store.core.queues[parsed[0]], parsed[1], evolve(changed, flag=flag), store.now)
    queue = store.core.queues[QUEUES[0]]
    if state.resetting:
        queue.resetting = Record(ACK, queue)
    if state.in_the_way in IN_THE_WAY:
        part, name, value = IN_THE_WAY[state.in_the_way]
        setattr(getattr(core, part), name, copy(value))
    elif state.in_the_way:
        setattr(core.log.current, *SEGMENT[state.in_the_way])
    if state.full is not None and core.log.current is not None:
        path = next(path for path in store.fast_path.paths if path.core is core)
        path.most_segment = core.log.current.size + state.full
        core.log.config = evolve(core.log.config, segment_bytes=max(64, core.log.current.size + state.full))
    if state.short_of is not None:
        what, more = state.short_of
        log = core.log
        if what.startswith("records"):
            log.most_records = 2 * (log.unflushed + (what == "records")) + 2 * more
        else:
            log.most_bytes = 2 * (log.unflushed_bytes + size * (what == "bytes")) + 2 * more
    return [text_of(store, given, one) for one in state.named]


def change(queue: Queue, offset: int, changed: Message, now: float) -> None:
    entry = queue.entries[offset]
    entry.attempt += changed.attempt
    entry.epoch += changed.epoch
    entry.deadline = now + changed.left
    if changed.flag == "ack":
        entry.ack = Record(ACK, queue, (entry,), lsn=1, data=b"a record")
    elif changed.flag == "let go":
        del queue.entries[offset]
    elif changed.flag == "not held":
        entry.held = False
    elif changed.flag:
        setattr(entry, changed.flag, True)


def text_of(store: Any, given: list[Any], named: Named) -> str:
    token, offset, _, _ = given[named.queue * MESSAGES + named.offset]
    entry = store.core.queues[token].entries.get(offset)
    attempt, epoch = (entry.attempt, entry.epoch) if entry else (1, 1)
    offset += 50 * named.far
    return named.form.format(receipt_text(token, offset, max(attempt + named.attempt, 0), max(epoch + named.epoch, 0)))


def core_of(store: Any) -> Any:
    """The core that the queue of most receipts is in."""
    return store.core.core_of(store.given[0]) if store.config.logs > 1 else store.core


def result(state: State, size: int) -> Result:
    room = state.room
    return DONE if room is None else Failed(ENOSPC, max(0, min(size, room if room >= 0 else size + room)))


def fast(store: Any, state: State, receipts: list[str]) -> Any:
    """What the fast path answers."""

    def write(file: str, at: int, data: bytes) -> Result:
        found = result(state, len(data))
        store.files.apply(Write(file, at, data), found)
        return found

    disk, path = SimpleNamespace(write=write), store.fast_path
    replies = (
        [path.ack(receipts[0], store.now, disk)] if len(receipts) == 1 else path.ack_many(receipts, store.now, disk)
    )
    store.take()
    return None if replies == [None] else replies


def long(store: Any, state: State, receipts: list[str]) -> Any:
    """What the long way does."""
    op = store.submit(Ack(receipts[0], durable=False)) if len(receipts) == 1 else store.ack_many(*receipts)
    while writes := store.waiting(Write):
        store.finish(Write, result(state, len(writes[0].data)))
    answer = store.answers.get(op)
    return answer and ([answer.reply] if len(receipts) == 1 else list(answer.value))


def plain(state: State) -> bool:
    """Whether nothing is in the way of these acks."""
    names = [(one.queue, one.offset) for one in state.named]
    messages = [state.messages[queue * MESSAGES + offset] for queue, offset in names]
    return (
        all(evolve(one, queue=0, offset=0) == Named() for one in state.named)
        and all(one.left > 0 and not one.flag for one in messages)
        and len({*names}) == len(names)
        and len({queue for queue, _ in names}) == 1
        and not (state.in_the_way or state.resetting)
        and state.full in (None, 1)
        and (state.short_of is None or (state.short_of[1] > 0 and not state.short_of[0].endswith("now")))
    )


@pytest.mark.parametrize("way", WAYS[:2])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=states())
@example(State(messages=(Message(flag="not held"), *[Message()] * 5), named=(Named(), Named(offset=1)), merge=True))
def test_it_answers_as_the_long_way_or_does_nothing(drive: Any, way: str, state: State) -> None:
    one, other = opened(drive, state), opened(drive, state)
    size = 32 + len(core_of(one).queues[QUEUES[0]].prefix) + 20 * len(state.named)
    receipts = put_into(one, state, size)
    assert put_into(other, state, size) == receipts
    before = state_of(one)
    with going(way):
        replies = fast(one, state, receipts)
    if replies is None:
        assert not plain(state)
        assert state_of(one) == before
    else:
        assert replies == long(other, state, receipts)
        assert state_of(one) == state_of(other)
