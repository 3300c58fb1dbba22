"""What a message says at its end of a name that is not known.

>>> nearest("no-limb", ["no-limbo", "no-return"], "the clauses are")
"did you mean 'no-limbo'?"
>>> nearest("zebra", ["no-limbo", "no-return"], "the clauses are")
'the clauses are: no-limbo, no-return'
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], all_are: str) -> str:
    """Return the known names that come near to one; where none does, all of them, introduced by `all_are`."""
    names = [str(each) for each in known]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.7)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"{all_are}: {', '.join(names)}"
