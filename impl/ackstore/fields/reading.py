"""The functions of `ackstore.fields.plain.reading`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fields import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fields.plain.reading import replay_acks, replay_new, whole_records
else:
    from ackstore.fields.compiled.reading import replay_acks, replay_new, whole_records

__all__ = ["replay_acks", "replay_new", "whole_records"]
