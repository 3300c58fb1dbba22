"""What the kinds of record say.

    CHECKPOINT  queue | deadline f64 | epoch u64 | (offset u64, attempt u32) for each message
    ACK         queue | (offset u64, attempt u32, epoch u64) for each delivery
    RENEW       as CHECKPOINT: the new deadline
    DEAD        as CHECKPOINT, with the time of death for a deadline
    RESET       queue | offset u64 | generation u64
    STATE       queue | start u64 | floor u64 | generation u64 | forgotten u64 | messages (see `ackstore.core.states`)

`queue` is a u16 length and the queue's name in ASCII (`QueueId.token`). Every record names its
queue in full and every ack its delivery in full, so that no record needs another to be understood.

>>> prefix = queue_prefix("orders/billing/3")
>>> decode_ack(encode_ack(prefix, [(7, 1, 4), (9, 2, 4)]))
('orders/billing/3', [(7, 1, 4), (9, 2, 4)])
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

_LENGTH = struct.Struct("<H")
_TERMS = struct.Struct("<dQ")
_MESSAGE = struct.Struct("<QI")
_DELIVERY = struct.Struct("<QIQ")
_RESET = struct.Struct("<QQ")
STATE_HEAD = struct.Struct("<QQQQ")

_delivery = _DELIVERY.pack
_read_delivery = _DELIVERY.unpack_from
_DELIVERY_BYTES = _DELIVERY.size
_terms = _TERMS.unpack_from
TERMS_BYTES = _TERMS.size
_message = _MESSAGE.unpack_from
_ONE_MESSAGE = _TERMS.size + _MESSAGE.size


def queue_prefix(token: str) -> bytes:
    """Return the `queue` field of every record of one queue."""
    return _LENGTH.pack(len(token)) + token.encode("ascii")


def encode_checkpoint(prefix: bytes, deadline: float, epoch: int, messages: Iterable[tuple[int, int]]) -> bytes:
    """Return the payload of a CHECKPOINT, RENEW or DEAD; `messages` are (offset, attempt)."""
    items = b"".join([_MESSAGE.pack(offset, attempt) for offset, attempt in messages])
    return prefix + _TERMS.pack(deadline, epoch) + items


def encode_ack(prefix: bytes, deliveries: Iterable[tuple[int, int, int]]) -> bytes:
    """Return an ACK's payload; `deliveries` are (offset, attempt, epoch)."""
    return prefix + b"".join([_DELIVERY.pack(*delivery) for delivery in deliveries])


def encode_one_ack(prefix: bytes, offset: int, attempt: int, epoch: int) -> bytes:
    """Return the payload of an ACK of one delivery: for the hottest path there is."""
    return prefix + _delivery(offset, attempt, epoch)


def encode_reset(prefix: bytes, offset: int, generation: int) -> bytes:
    """Return a RESET's payload: where the consumer begins again, and how many resets there are with this one."""
    return prefix + _RESET.pack(offset, generation)


def stated_start(data: bytes, at: int, end: int) -> int:
    """Return what the STATE payload from byte `at` to `end` says of where the log begins; 0 for nothing."""
    body = at + _LENGTH.size + (_LENGTH.unpack_from(data, at)[0] if end - at >= _LENGTH.size else 0)
    return int(STATE_HEAD.unpack_from(data, body)[0]) if body + STATE_HEAD.size <= end else 0


def decode_prefix(prefix: bytes) -> str:
    """Return the queue token that a queue field holds."""
    return prefix[_LENGTH.size :].decode("ascii")


def encode_flat_ack(prefix: bytes, fields: tuple[int, ...]) -> bytes:
    """Return the payload of an ACK; `fields` are offset, attempt, epoch, offset, ... of its deliveries."""
    return prefix + _deliveries(len(fields) // 3).pack(*fields)


@lru_cache(maxsize=512)
def _deliveries(count: int) -> struct.Struct:
    return struct.Struct("<" + "QIQ" * count)


def _token(payload: bytes) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(payload)
    end = _LENGTH.size + length
    return decode_prefix(payload[:end]), end


def decode_checkpoint(payload: bytes) -> tuple[str, float, int, list[tuple[int, int]]]:
    """Return the queue token, deadline, epoch, and messages as (offset, attempt) of a CHECKPOINT, RENEW or DEAD: for
    tools that look at a log (recovery reads with `decode_messages`)."""
    token, at = _token(payload)
    deadline, epoch, messages = decode_messages(payload, at, len(payload))
    return token, deadline, epoch, list(messages)


def decode_messages(data: bytes, at: int, end: int) -> tuple[float, int, Iterable[tuple[int, int]]]:
    """Return the deadline, epoch and messages that stand behind the queue field, from byte `at` to `end`."""
    deadline, epoch = _terms(data, at)
    if end - at == _ONE_MESSAGE:
        return deadline, epoch, (_message(data, at + TERMS_BYTES),)
    return deadline, epoch, _MESSAGE.iter_unpack(data[at + TERMS_BYTES : end])


def decode_ack(payload: bytes) -> tuple[str, list[tuple[int, int, int]]]:
    """Return an ACK's queue token, and its deliveries as (offset, attempt, epoch)."""
    token, at = _token(payload)
    return token, list(decode_deliveries(payload, at, len(payload)))


def decode_deliveries(data: bytes, at: int, end: int) -> Iterable[tuple[int, int, int]]:
    """Return the deliveries that stand behind the queue field, from byte `at` to `end`."""
    if end - at == _DELIVERY_BYTES:
        return (_read_delivery(data, at),)
    return _DELIVERY.iter_unpack(data[at:end])


def decode_reset(payload: bytes) -> tuple[str, int, int]:
    """Return a RESET's queue token, offset and generation."""
    token, at = _token(payload)
    offset, generation = _RESET.unpack_from(payload, at)
    return token, offset, generation
