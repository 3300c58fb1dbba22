"""The functions of `ackstore.fastpath.plain.calls`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fastpath import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fastpath.plain.calls import ack, ack_many
else:
    from ackstore.fastpath.compiled.calls import ack, ack_many

__all__ = ["ack", "ack_many"]
