"""The fast path of an ack: judged, written and answered in one go, compiled where there is a C compiler.

Its rules stand once, in `ackstore.fastpath.plain`, in Python. Cython makes C of the same files (`hatch_build.py` puts a
copy of each beside the `.pxd` that gives its types, in `ackstore.fastpath.compiled`). What is written twice is what
they stand on, and no rule: the attributes of the classes (`ackstore.fields`), the bytes of a receipt and of a record,
the clock, and the write (`basics`). Nothing but speed depends on what is compiled; the environment variable
ACKSTORE_PURE, set to anything, keeps it out.

>>> type(COMPILED)
<class 'bool'>
"""

from __future__ import annotations

from importlib.util import find_spec

from ackstore import fields

COMPILED = fields.COMPILED and find_spec("ackstore.fastpath.compiled.calls") is not None
"""Whether acks go the compiled way."""
