"""Records that are whole, and say nothing: their checksums are right, so that only their content can be wrong."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import Config, Core, LogDamaged, recover
from ackstore.format.payloads import queue_prefix
from ackstore.format.records import ACK, CHECKPOINT, DEAD, RENEW, RESET, Header, encode_record


def directory(segment: bytes) -> Any:
    """A directory that holds one segment."""
    files = {"log-00000001.seg": segment}
    return SimpleNamespace(names=lambda: list(files), read=files.__getitem__)


@pytest.mark.parametrize("kind", [CHECKPOINT, ACK, RENEW, DEAD, RESET])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x05",
        b"\xff\xff",
        b"\x01\0q",
        queue_prefix("a/b/c/0"),
        queue_prefix("q/default/0") + b"x",
        b"\x01\0\xff",
    ],
)
def test_a_record_that_says_nothing_is_named(kind: int, payload: bytes) -> None:
    data = Header(1, 1, 0, 0, 0, 1, 0).encode() + encode_record(kind, payload, 1, 0)
    recovered = recover(Config(), directory(data))
    with pytest.raises(LogDamaged, match=rf"record 1 .* kind {kind} .*Restore"):
        Core(Config(), recovered, 0.0)


def test_the_collector_runs_again_afterwards() -> None:
    data = Header(1, 1, 0, 0, 0, 1, 0).encode() + encode_record(ACK, b"", 1, 0)
    with pytest.raises(LogDamaged):
        Core(Config(), recover(Config(), directory(data)), 0.0)
    assert gc.isenabled()
