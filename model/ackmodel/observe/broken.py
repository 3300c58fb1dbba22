"""A clause that broke: what every judge of this suite raises.

>>> str(Broken(Clause.NO_LIMBO, "it did not come back", ("orders", 3)))
'no-limbo: it did not come back'
"""

from __future__ import annotations

from ..spec.clauses import Clause

Key = tuple[str, int]
"""A message: its queue, and its place in it."""


class Broken(AssertionError):
    """A clause is broken; `clause` names it, and `key` the message at which it broke, where it was one."""

    def __init__(self, clause: Clause, why: str, key: Key | None = None):
        super().__init__(f"{clause.value}: {why}")
        self.clause = clause
        self.why = why
        self.key = key


class CannotOpen(Broken):
    """The store cannot be opened on what it has written: nothing has survived, or nothing that can be read."""
