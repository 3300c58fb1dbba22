"""The functions of `ackstore.fastpath.plain.acks`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fastpath import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fastpath.plain.acks import ack, ack_many, segment_for
else:
    from ackstore.fastpath.compiled.acks import ack, ack_many, segment_for

__all__ = ["ack", "ack_many", "segment_for"]
