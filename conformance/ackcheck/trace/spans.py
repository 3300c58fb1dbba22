"""OpenTelemetry's messaging spans as a history: the file of an OTLP exporter (JSON, a batch a line), or a span a line.

A span that receives a message is a delivery, one that settles it an ack; what the message is called is
`messaging.message.id`, its queue `messaging.destination.name`. Spans say nothing of deadlines. So a message that comes
again without having been settled counts as given back before, and only loss and return are judged.

>>> from ackcheck.trace.lines import Asked
>>> reader = Spans()
>>> def span(operation, start):
...     attributes = {"messaging.operation.type": operation, "messaging.destination.name": "orders"}
...     attributes["messaging.message.id"] = "m1"
...     told = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
...     return {"startTimeUnixNano": start * 10**9, "endTimeUnixNano": start * 10**9 + 1000, "attributes": told}
>>> [entry.op for entry in reader.entries(span("receive", 1)) if isinstance(entry, Asked)]
['publish', 'pop']
>>> [entry.op for entry in reader.entries(span("settle", 2)) if isinstance(entry, Asked)]
['ack']
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from attrs import Factory, define

from ackcheck.trace.lines import FOREVER, BadLine, Entry, call

RECEIVES, SETTLES = frozenset({"receive", "process", "deliver"}), frozenset({"settle", "ack"})


@define
class Spans:
    """Makes entries of spans, in the order in which they come: exporters write a span when it has ended."""

    others: int = 0
    """Spans that are of no message, or of another operation."""
    _numbers: Iterator[int] = Factory(count)
    _offsets: dict[str, dict[str, int]] = Factory(dict)
    _newest: dict[tuple[str, str], str] = Factory(dict)
    """The receipt of the newest delivery of a message that was not settled."""

    def line(self, text: bytes) -> Iterator[Entry]:
        """Yield the entries of one line."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"no JSON ({error}): give what an OTLP file exporter wrote") from None
        if not isinstance(told, dict):
            raise BadLine("no object: give what an OTLP file exporter wrote, or one span a line")
        for span in _spans(told):
            yield from self.entries(span)

    def entries(self, span: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield the entries of one span."""
        told = {one.get("key"): _value(one.get("value")) for one in span.get("attributes", [])}
        operation = told.get("messaging.operation.type") or told.get("messaging.operation")
        queue, message = told.get("messaging.destination.name"), told.get("messaging.message.id")
        if operation not in RECEIVES | SETTLES or not isinstance(queue, str) or message is None:
            self.others += 1
            return
        began, ended = _time(span, "startTimeUnixNano"), _time(span, "endTimeUnixNano")
        if operation in RECEIVES:
            yield from self._received(queue, str(message), began, ended)
        else:
            failed = isinstance(status := span.get("status"), dict) and status.get("code") in (2, "STATUS_CODE_ERROR")
            yield from self._settled(queue, str(message), began, ended, failed=failed)

    def _received(self, queue: str, message: str, began: float, ended: float) -> Iterator[Entry]:
        offsets = self._offsets.setdefault(queue, {})
        if message not in offsets:
            offsets[message] = len(offsets)
            yield from call(self._numbers, (began, began), "publish", None, queue=queue, end=len(offsets))
        before = self._newest.get((queue, message))
        if before is not None:
            yield from call(self._numbers, (began, began), "release", "OK", receipt=before)
        receipt = f"{queue}/{message}/{next(self._numbers)}"
        self._newest[queue, message] = receipt
        delivery = {"receipt": receipt, "offset": offsets[message], "attempt": 1, "deadline": 0}
        yield from call(self._numbers, (began, ended), "pop", [delivery], queue=queue, count=1, invisible=FOREVER)

    def _settled(self, queue: str, message: str, began: float, ended: float, *, failed: bool) -> Iterator[Entry]:
        receipt = self._newest.get((queue, message))
        if receipt is None:
            self.others += 1
            return
        if not failed:
            del self._newest[queue, message]
        yield from call(self._numbers, (began, ended), "ack", "UNKNOWN" if failed else "OK", receipt=receipt)


def _spans(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the spans of a batch, or the one span that a line is."""
    if "resourceSpans" not in told:
        yield told
        return
    for resource in told["resourceSpans"]:
        for scope in resource.get("scopeSpans", []):
            yield from scope.get("spans", [])


def _value(value: Any) -> Any:
    return next(iter(value.values()), None) if isinstance(value, dict) else None


def _time(span: Mapping[str, Any], name: str) -> float:
    try:
        return int(span[name]) / 1e9
    except (LookupError, ValueError, TypeError):
        raise BadLine(f"{name} is {span.get(name)!r:.40}: a span has its times in nanoseconds") from None
