"""The lines that the rig and a served target exchange: JSON objects, one a line, bounded.

    >>> encode_request(7, "publish", {"queue": "q", "end": 3})
    b'{"id":7,"op":"publish","queue":"q","end":3}\\n'
    >>> decode_reply(b'{"id": 7, "result": null}')
    ReplyLine(id=7, result=None, error=None)
    >>> decode_reply(b'{"id": 7, "error": {"type": "OSError", "message": "disk full"}}').error
    ('OSError', 'disk full')
    >>> decode_reply(b"ready.")
    Traceback (most recent call last):
        ...
    ackcheck.rig.errors.ProtocolError: not JSON: b'ready.'; the target's standard output must hold \
replies only, one JSON object a line (log to standard error)
"""

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ackcheck.rig.errors import ProtocolError
from ackcheck.signs import clean

LINE_LIMIT = 1 << 20
"""Bytes in the longest line, unless told otherwise."""

SHOWN = 200  # bytes of an offending line that a message shows


@frozen
class ReplyLine:
    """A reply line, decoded."""

    id: int
    result: Any = None
    error: tuple[str, str] | None = None


@frozen
class RequestLine:
    """A request line, decoded."""

    id: int
    op: str
    arguments: dict[str, Any]


def encode(value: Mapping[str, Any], limit: int = LINE_LIMIT) -> bytes:
    """Return one line. Raises `ProtocolError` over `limit` bytes, `TypeError` for what is not JSON."""
    line = json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    if len(line) > limit:
        raise ProtocolError(f"a line of {len(line)} bytes, over the limit of {limit}; split it")
    return line


def encode_request(number: int, op: str, arguments: Mapping[str, Any], limit: int = LINE_LIMIT) -> bytes:
    """Return the line of a request."""
    return encode({"id": number, "op": op, **arguments}, limit)


def decode_object(line: bytes, hint: str) -> dict[str, Any]:
    """Return what a line holds: a JSON object with an integer `id`."""
    try:
        value = json.loads(line)
    except ValueError:  # of which UnicodeDecodeError is one
        raise ProtocolError(f"not JSON: {line[:SHOWN]!r}; {hint}") from None
    except RecursionError:
        raise ProtocolError(f"JSON in JSON, too deep to be read: {line[:SHOWN]!r}; {hint}") from None
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        raise ProtocolError(f"not an object with an integer id: {line[:SHOWN]!r}; {hint}")
    return value


def decode_reply(line: bytes) -> ReplyLine:
    """Return the reply that a line holds; raises `ProtocolError`."""
    hint = "the target's standard output must hold replies only, one JSON object a line (log to standard error)"
    value = decode_object(line, hint)
    if value.get("error") is not None and value.get("result") is not None:
        raise ProtocolError(f"both a result and an error: {line[:SHOWN]!r}; a reply is one of the two")
    match value:
        case {"error": {"type": str(kind), "message": str(message)}}:
            return ReplyLine(value["id"], error=(clean(kind), clean(message)))
        case {"result": result} if "error" not in value:
            return ReplyLine(value["id"], result=result)
    raise ProtocolError(
        f"neither a result nor an error of type and message: {line[:SHOWN]!r}; "
        f'a reply is {{"id": .., "result": ..}} or '
        f'{{"id": .., "error": {{"type": "..", "message": ".."}}}}'
    )


def decode_request(line: bytes) -> RequestLine:
    """Return the request that a line holds; raises `ProtocolError`."""
    hint = 'a request is {"id": .., "op": "..", ..}'
    value = decode_object(line, hint)
    number, op = value.pop("id"), value.pop("op", None)
    if not isinstance(op, str):
        raise ProtocolError(f"no op: {line[:SHOWN]!r}; {hint}")
    return RequestLine(number, op, value)
