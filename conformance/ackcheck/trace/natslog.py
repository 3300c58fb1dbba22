"""What a NATS server tells of acknowledgements, as a history: the messages of `$JS.EVENT.>`, one a line.

A consumer with `sample_freq: "100%"` has the server tell of each ack that it takes (`consumer_ack`): which message,
which delivery of it, and how long before it was handed out. A message that is acknowledged again, as another delivery,
has come back. Lines of a history (specs/trace.md) may stand among them, so that a fault can be told.

>>> log = NatsLog()
>>> told = {"type": "io.nats.jetstream.metric.v1.consumer_ack", "timestamp": "2026-11-28T14:16:39.418715448Z",
...         "stream": "ORDERS", "consumer": "work", "consumer_seq": 3, "stream_seq": 3, "ack_time": 631105214}
>>> [(entry.op, round(entry.at % 60, 2)) for entry in log.line(json.dumps(told).encode()) if isinstance(entry, Asked)]
[('pop', 38.79), ('ack', 39.42)]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from attrs import Factory, define

from ackcheck.trace.lines import FOREVER, Asked, BadLine, Entry, call, entry_of

__all__ = ["Asked", "NatsLog"]

ACKED = "io.nats.jetstream.metric.v1.consumer_ack"
ENDED = "io.nats.jetstream.advisory.v1.terminated"
"""The consumer has said that the message is never to come again."""


@define
class NatsLog:
    """Makes entries of what a NATS server tells."""

    others: int = 0
    """Lines that are of no ack."""
    _numbers: Iterator[int] = Factory(count)

    def line(self, text: bytes) -> Iterator[Entry]:
        """Yield the entries of one line."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"no JSON ({error}): write the body of each message of $JS.EVENT.> on a line") from None
        if not isinstance(told, dict):
            raise BadLine("no object: write the body of each message of $JS.EVENT.> on a line")
        if "at" in told:
            yield entry_of(told)
        elif told.get("type") in (ACKED, ENDED):
            yield from self._settled(told)
        else:
            self.others += 1

    def _settled(self, told: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield the delivery that was acknowledged, and the ack."""
        queue = f"{told.get('stream')}/{told.get('consumer')}"
        offset, delivery, taken = (told.get(name, 0) for name in ("stream_seq", "consumer_seq", "ack_time"))
        if not all(isinstance(value, int) and value >= 0 for value in (offset, delivery, taken)):
            raise BadLine("stream_seq, consumer_seq or ack_time is no number: write the body as the server sent it")
        at = _seconds(told.get("timestamp"))
        handed_out, receipt = at - taken / 1e9, f"{queue}/{offset}/{delivery}"
        one = {"receipt": receipt, "offset": offset, "attempt": 1, "deadline": 0}
        yield from call(self._numbers, (handed_out, handed_out), "pop", [one], queue=queue, count=1, invisible=FOREVER)
        yield from call(self._numbers, (at, at), "ack", "OK", receipt=receipt)


def _seconds(timestamp: Any) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, TypeError, OverflowError):
        raise BadLine(f"timestamp is {timestamp!r:.40}: write the body as the server sent it") from None
