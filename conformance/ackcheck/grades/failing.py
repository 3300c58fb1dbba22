"""A case that failed by itself: neither kept nor broken, but with all that helps to see why.

>>> error = circumstances(RigFailed("the disk is gone"), "case 3", ["opens the directory"], "panic: no disk")
>>> print(*error.__notes__, sep=chr(10))
in case 3; what came last:
  opens the directory
the target's last words:
  panic: no disk
"""

from __future__ import annotations

from collections.abc import Sequence

from ackcheck.rig.errors import RigError, RigFailed

SHOWN = 12
"""Lines of the history that are shown."""


def circumstances(error: RigError | OSError, case: str, history: Sequence[str], last_words: str) -> RigError:
    """Return the error with a note of the case, the end of its history, and what the target said last."""
    told = error if isinstance(error, RigError) else RigFailed(f"{type(error).__name__}: {error}")
    lines = [f"in {case}; what came last:", *(f"  {line}" for line in history[-SHOWN:])]
    said = [f"  {line}" for line in last_words.splitlines()[-SHOWN:]]
    lines += ["the target's last words:", *said] if said else []
    told.add_note("\n".join(lines))
    return told
