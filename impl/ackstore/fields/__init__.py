"""The attributes of the core's classes, and the loops that go over many of them: compiled where there is a C compiler.

A class of the core has the class `...Fields` here as its base, so that compiled code reads its attributes as C values;
its methods are its own. `plain` has it in Python, `compiled` in C; `classes`, `settling` and `reading` choose. Nothing
but speed depends on what is compiled; the environment variable ACKSTORE_PURE, set to anything, keeps it out.

>>> type(COMPILED)
<class 'bool'>
"""

from __future__ import annotations

import os
from importlib.util import find_spec

COMPILED = not os.environ.get("ACKSTORE_PURE") and all(
    find_spec(f"ackstore.fields.compiled.{name}") for name in ("classes", "raw", "reading", "settling")
)
"""Whether they are compiled."""
