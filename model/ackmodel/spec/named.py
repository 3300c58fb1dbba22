"""A clause by the name that somebody gave.

>>> clause_named("flush-is-real")
<Clause.FLUSH_IS_REAL: 'flush-is-real'>
>>> try:
...     clause_named("flush-is-reel")
... except UnknownClause as error:
...     print(error)
no clause 'flush-is-reel'; did you mean 'flush-is-real'?
"""

from __future__ import annotations

from .clauses import Clause
from .nearest import nearest


class UnknownClause(ValueError):
    """A clause was named that there is not; the message offers the nearest names."""


def clause_named(name: str) -> Clause:
    """Return the clause of that id; `UnknownClause` offers the nearest ones."""
    try:
        return Clause(name)
    except ValueError:
        raise UnknownClause(f"no clause {name!r}; {nearest(name, Clause, 'the clauses are')}") from None
