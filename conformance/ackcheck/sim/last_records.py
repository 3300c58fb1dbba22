"""Which file holds a record of which message: told of every write, sync and removal, it knows when the last one goes.

>>> held = LastRecords()
>>> held.wrote("a", [("q", 0), ("q", 1)]); held.synced("a", held.begin("a"))
>>> held.wrote("b", [("q", 1)]); held.synced("b", held.begin("b"))
>>> held.wrote("c", [("q", 0)])                 # never synced: the record in `a` is still the last on the disk
>>> sorted(held.removed("a"))
[('q', 0)]
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define

from ackmodel.observe.broken import Key


@define
class LastRecords:
    """The messages that the records of each file speak of: in the page cache, and on the disk."""

    cached: dict[str, set[Key]] = Factory(dict)
    durable: dict[str, set[Key]] = Factory(dict)

    def wrote(self, file: str, messages: Iterable[Key]) -> None:
        """Note that a write to a file has returned."""
        self.cached.setdefault(file, set()).update(messages)

    def begin(self, file: str) -> frozenset[Key]:
        """Note that a sync of a file begins; return what it covers."""
        return frozenset(self.cached.get(file, ()))

    def synced(self, file: str, covered: frozenset[Key]) -> None:
        """Such a sync returned success."""
        self.durable.setdefault(file, set()).update(covered)

    def removed(self, file: str) -> set[Key]:
        """Note that a file was removed; return the messages of which it held the last record on the disk."""
        self.cached.pop(file, None)
        last = self.durable.pop(file, set())
        return last.difference(*self.durable.values()) if last else last

    def restarted(self, names: Iterable[str]) -> None:
        """Note that the power was lost: of what is left it is unknown when it was synced."""
        left = set(names)
        self.cached = {file: messages for file, messages in self.cached.items() if file in left}
        self.durable = {file: set(messages) for file, messages in self.cached.items()}
