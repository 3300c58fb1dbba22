"""What the core tells its parts: what became of the records that each of them writes.

>>> class Quiet:
...     def cached(self, record, prompt): pass
...     def failed(self, record): pass
...     def flushed(self, record): pass
>>> isinstance(Quiet(), Part)
True
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ackstore.fields.classes import RecordFields


@runtime_checkable
class Part(Protocol):
    """What writes one kind of record."""

    def cached(self, record: RecordFields, prompt: bool, /) -> None:
        """Note that a record is CACHED; `prompt` says that this is enough for an answer."""

    def failed(self, record: RecordFields, /) -> None:
        """Note that a record was certainly not stored."""

    def flushed(self, record: RecordFields, /) -> None:
        """Note that a record is FLUSHED."""
