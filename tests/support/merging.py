"""A store with a merge buffer, driven by hand, and what its log says of what was handed over.

>>> STAY > SWEEP
True
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from ackstore import Reply
from ackstore.core.states import State, decode_state
from ackstore.format.payloads import decode_prefix
from ackstore.format.records import HEADER_BYTES, KIND_AT, RECORD_BYTES, STATE
from ackstore.words.requests import Pop

STAY, SWEEP = 3.0, 0.5
"""How long a message stays, and how long it is until the buffer is looked through."""


def merging(drive: Any, **settings: Any) -> Any:
    """A store whose buffer takes checkpoints from the first."""
    store = drive(**{"merge": True, "merge_stay": STAY, "offset_interval": SWEEP, **settings}).settle()
    store.flush()
    store.publish(100)
    return store.rest(1.0)


def ready(store: Any, count: int = 3, invisible: float = 60.0, queue: str = "q") -> list[str]:
    """Pop, answered at once, without anything to do for the disk."""
    before = store.pending.copy()
    op = store.submit(Pop(queue, count, invisible))
    assert store.reply(op) is Reply.OK
    assert store.pending == before
    return [each.receipt for each in store.answers[op].value]


def states(store: Any) -> Iterator[tuple[str, State, list[tuple[int, int]]]]:
    """The STATE records in the bytes of the log: queue, what is said of it, and (how, offset) of its messages."""
    for name in sorted(name for name in store.files.cached if name.startswith("log-")):
        data, at = store.files.cached[name], HEADER_BYTES
        while at < len(data):
            kind, length = struct.unpack_from("<B3xI", data, at + KIND_AT)
            payload = data[at + RECORD_BYTES : at + RECORD_BYTES + length]
            at += RECORD_BYTES + length
            if kind == STATE:
                body = 2 + int.from_bytes(payload[:2], "little")
                state, items = decode_state(payload, body)
                yield decode_prefix(payload[:body]).split("/")[0], state, [(how, offset) for how, offset, *_ in items]


def in_memory(store: Any) -> int:
    """Messages that are not on their way."""
    return sum(len(kept.entries) for share in store.core.merge.shares.values() for kept in share.kept)
