"""Who is meant: the name of a queue, one delivery of one message, and its receipt.

A queue is named by topic, group and number; as text, `topic/group/number`, where missing parts mean
group `default` and number 0:

>>> QueueId.parse("orders/billing/300")
QueueId(topic='orders', group='billing', queue=300)
>>> str(QueueId.parse("orders"))
'orders/default/0'

A receipt is short ASCII text for clients to hand back unread. It holds every field that tells two
deliveries apart: queue, offset, attempt, and the epoch of the store that handed it out (which open
of the store), at full width.

>>> receipt = Receipt(queue=QueueId.parse("orders/billing/3"), offset=2**40, attempt=2, epoch=7)
>>> receipt.text()
'0000010000000000000000020000000000000007@orders/billing/3'
>>> parse_receipt(receipt.text())
('orders/billing/3', 1099511627776, 2, 7)
>>> parse_receipt("no receipt") is None
True
"""

from __future__ import annotations

import re
import struct
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from attrs import field, frozen

from ackstore.words.errors import QueueNameInvalid, shown

MAX_NAME_BYTES = 255
"""Longest topic or group, in UTF-8 bytes: both fit in a record's queue field with room to spare."""
MAX_QUEUE = 2**31 - 1
"""Largest queue number."""

_FIELDS = struct.Struct(">QIQ")
_unpack = _FIELDS.unpack
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_HEAD = 2 * _FIELDS.size
"""Characters of a receipt before the '@'."""


def _is_name(_instance: object, _attribute: object, value: Any) -> None:
    if not (isinstance(value, str) and value and value.isprintable()) or "/" in value:
        raise QueueNameInvalid(
            f"{shown(value)} cannot name a topic or group: give printable text, not empty, without '/'"
        )
    if len(value.encode()) > MAX_NAME_BYTES:
        raise QueueNameInvalid(f"a topic or group name takes at most {MAX_NAME_BYTES} bytes: shorten {value[:40]!r}...")


def _is_number(_instance: object, _attribute: object, value: Any) -> None:
    if type(value) is not int or not 0 <= value <= MAX_QUEUE:
        raise QueueNameInvalid(f"{shown(value)} cannot number a queue: give an integer from 0 to {MAX_QUEUE}")


@frozen(order=True, cache_hash=True)
class QueueId:
    """One queue of one topic, as one consumer group sees it."""

    topic: str = field(validator=_is_name)
    group: str = field(default="default", validator=_is_name)
    queue: int = field(default=0, validator=_is_number)

    @classmethod
    def parse(cls, text: str) -> QueueId:
        """Read `topic/group/number`, `topic/group` or `topic`; or raise `QueueNameInvalid`."""
        return _parse_queue(text)

    def __str__(self) -> str:
        return f"{self.topic}/{self.group}/{self.queue}"

    @property
    def token(self) -> str:
        """The name in ASCII: other characters, and '%' itself, percent-encoded."""
        return f"{quote(self.topic, safe='')}/{quote(self.group, safe='')}/{self.queue}"


@lru_cache(maxsize=4096)
def _parse_queue(text: str) -> QueueId:
    if not isinstance(text, str):
        raise QueueNameInvalid(f"{shown(text)} cannot name a queue: give a QueueId, or text such as 'topic/group/3'")
    parts = text.split("/")
    number = parts[2] if len(parts) > 2 else "0"
    if len(parts) > 3 or not _NUMBER.fullmatch(number):
        raise QueueNameInvalid(
            f"{shown(text)} cannot name a queue: write 'topic/group/number', such as 'orders/billing/3'"
        )
    return QueueId(parts[0], parts[1] if len(parts) > 1 else "default", int(number))


def parse_token(token: str) -> QueueId:
    """Return the queue that a `QueueId.token` names."""
    topic, group, number = token.split("/")
    return QueueId(unquote(topic), unquote(group), int(number))


@frozen
class Receipt:
    """One delivery of one message."""

    queue: QueueId
    offset: int
    attempt: int
    epoch: int

    def text(self) -> str:
        """Return the form that clients hold."""
        return receipt_text(self.queue.token, self.offset, self.attempt, self.epoch)


@frozen
class Delivery:
    """One message handed out once: `receipt` settles this delivery until `deadline` (wall clock,
    seconds).
    """

    queue: QueueId
    offset: int
    attempt: int
    receipt: str
    deadline: float


def receipt_text(token: str, offset: int, attempt: int, epoch: int) -> str:
    """Write a receipt for the queue whose `QueueId.token` is given."""
    return f"{hexlify(_FIELDS.pack(offset, attempt, epoch)).decode()}@{token}"


def parse_receipt(text: Any) -> tuple[str, int, int, int] | None:
    """Read a receipt into (queue token, offset, attempt, epoch); None for what `receipt_text` cannot have written."""
    try:
        head, _, token = text.partition("@")
        offset, attempt, epoch = _unpack(unhexlify(head))
    except (ValueError, struct.error, AttributeError, TypeError):
        return None
    # Hexadecimal has two spellings: only ours is a receipt.
    return (token, offset, attempt, epoch) if token and head == head.lower() else None


def parse_receipts(texts: Sequence[Any]) -> tuple[str, tuple[int, ...]] | None:
    """Read receipts of one queue all at once: its token, and offset, attempt, epoch, offset, attempt, ... of them all.
    None where they are not all such; then `parse_receipt` tells which is what.

    >>> text = receipt_text("orders/billing/3", 7, 1, 4)
    >>> parse_receipts([text, text]), parse_receipts([text, "no receipt"])
    (('orders/billing/3', (7, 1, 4, 7, 1, 4)), None)
    """
    try:
        tail = texts[0][_HEAD:]
        heads = ("\n".join(texts) + "\n").replace(tail + "\n", "")
        # All are as long as the first, and end like it, as nothing else takes all line ends away: the heads are left.
        if {*map(len, texts)} != {_HEAD + len(tail)} or tail[0] != "@" or tail == "@" or heads != heads.lower():
            return None
        return tail[1:], all_fields(len(texts)).unpack(unhexlify(heads))
    except (ValueError, TypeError, IndexError, struct.error):
        return None


@lru_cache(maxsize=512)
def all_fields(count: int) -> struct.Struct:
    """Return the numbers of that many receipts."""
    return struct.Struct(">" + "QIQ" * count)
