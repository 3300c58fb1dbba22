"""A recorded history, line by line: what is simple is taken on the fast path, the rest by the oracle.

The verdict does not depend on which of them takes a line (the tests set one beside the other). With `msgspec`
(`pip install 'ackcheck[trace]'`) lines are read several times as fast.

>>> from ackmodel import Level
>>> recording = Recording(Judge(Level.DISK))
>>> recording.take(b'{"at": 1, "asked": {"id": 1, "op": "publish", "queue": "q", "end": 3}}')
>>> recording.judge.counts["publish"].came, recording.in_flight
(1, 1)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

from ackcheck.trace.handover import from_oracle, to_oracle
from ackcheck.trace.judge import Judge
from ackcheck.trace.lines import Entry, Gap, as_line, read_line
from ackcheck.trace.simple import Simple
from ackmodel import CommitPolicy

LEAST_TAKEN = 50
"""Entries that the oracle takes at least before the fast path is tried again; handing over is not free."""


def _loads() -> Callable[[bytes], Any]:
    try:
        import msgspec
    except ImportError:
        return json.loads
    return msgspec.json.decode


@define
class Recording:
    """A history under judgement, which ends up in `judge`."""

    judge: Judge
    line: int = 0
    least_taken: int = LEAST_TAKEN
    _loads: Callable[[bytes], Any] = field(init=False, factory=_loads)
    _simple: Simple | None = field(init=False)
    _left: int = field(init=False, default=0)
    """Entries until the fast path is tried again."""

    def __attrs_post_init__(self) -> None:
        self._simple = self._begun()

    @property
    def in_flight(self) -> int:
        """How many receipts and requests are kept."""
        return self.judge.in_flight if self._simple is None else self._simple.in_flight

    def take(self, raw: bytes) -> None:
        """Judge a line; raises `BadLine`, and `TooMuchUnderWay`."""
        self.line += 1
        if self._simple is not None:
            try:
                told = self._loads(raw)
            except (ValueError, RecursionError):
                told = None
            if type(told) is dict and self._simple.take(told):
                return
        if raw.strip():
            self._judge(read_line(raw.decode("utf-8", errors="replace")))

    def take_entries(self, entries: Any) -> None:
        """Judge what one line says in another format."""
        self.line += 1
        for entry in entries:
            if self._simple is None or not self._simple.take(as_line(entry)):
                self._judge(entry)

    def ended(self) -> None:
        """Note the end of the record."""
        if self._simple is not None:
            self.judge.checked.update(self._simple.checked())
        else:
            self.judge.ended()
        self.judge.line = self.line

    def _judge(self, entry: Entry) -> None:
        judge, simple = self.judge, self._simple
        if simple is not None:
            to_oracle(simple, judge)
            self._simple, self._left = None, max(self.least_taken, simple.in_flight // 2)
        judge.take(entry, self.line)
        self._left -= 1
        if self._left <= 0 or isinstance(entry, Gap):
            self._simple = self._begun()
            self._left = max(self.least_taken, judge.in_flight // 2)

    def _begun(self) -> Simple | None:
        """Return the fast path where it may be taken: offsets speak of acks, and no change is under way."""
        return from_oracle(self.judge) if self.judge.commit is CommitPolicy.ACK else None
