"""An operator's repair step: for a store that does not open as a fault has left it, and does once its own tool has run.

That is told apart from loss: it is counted, and what the repaired store has is judged as after any other fault. Without
such a step, or where it does not help, a store that cannot be opened has lost everything.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol

from ackcheck.panel import Panel, Stop
from ackcheck.rig.child import Child
from ackcheck.rig.errors import RigError, TargetDied, TargetError

REPAIRED: Final = "opened only after the repair step"
"""What is counted where it was needed."""


class Opening(Protocol):
    """What of an `ackcheck.grades.session.Session` is needed here."""

    child: Child
    panel: Panel
    ran: Counter[str]

    def note(self, lane: str, text: str) -> None:
        """Note something in the history."""

    def start(self) -> None:
        """Start the target, and wait until it has opened its directory."""


def start_repaired(session: Opening, event: Stop, error: RigError) -> None:
    """Start a target that an `error` has kept from opening, once it was repaired; raise `Broken` where it cannot be."""
    try:
        if (said := session.child.repair()) is not None:
            session.note("store", f"cannot be opened as it is: {error}")
            session.note("store", f"is repaired by the operator's step, which says: {said}")
            session.start()
            session.ran[REPAIRED] += 1
            return
    except (TargetError, TargetDied) as still:
        error = still
    session.panel.broke(session.panel.strictest.cannot_open(event, error))
