"""The functions of `ackstore.fastpath.plain.reading`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fastpath import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fastpath.plain.reading import replay_acks, whole_records
else:
    from ackstore.fastpath.compiled.reading import replay_acks, whole_records

__all__ = ["replay_acks", "whole_records"]
