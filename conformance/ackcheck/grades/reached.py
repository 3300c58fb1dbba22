"""Which states a campaign on real files has reached: orders of calls that it brings about, and faults made use of.

A fault opens a window: while the disk holds the target's syncs, or refuses what it writes, something is asked, and the
target is stopped. What happens in it is counted, and so is each order of calls (`ackcheck.grades.orders`). What a grade
should have reached, of this target, stands there with 0 until it has:

>>> reached = Reached()
>>> reached.should({CROWD, HELD, REFUSED})
>>> reached.opens(HELD); reached.asked("ack"); reached.stopped("SIGKILL")
>>> reached.asked("ack")                                    # the window is closed
>>> reached.opens(REFUSED); reached.asked("pop"); reached.closes(hit=False)      # nothing was refused
>>> {state: times for state, times in reached.states.items() if times}
{'syncs are held': 1, 'syncs are held, then ack': 1, 'syncs are held, then SIGKILL': 1}
>>> never_reached(reached.states)
['hundreds of calls in flight', 'the disk refuses writes, or a flush']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import Factory, define

FIRST_POPS: Final = "pops before the first publish"
CROWD: Final = "hundreds of calls in flight"
BESIDE_A_RESET: Final = "calls beside a reset of their queue"
REOPENED: Final = "SIGKILL, open, barrier, power loss"
LESS: Final = "publish with less than before, after a power loss"

ORDERS: Final = (FIRST_POPS, CROWD, BESIDE_A_RESET, REOPENED, LESS)
"""The orders of calls that are brought about."""

HELD: Final = "syncs are held"
FULL: Final = "the disk is full"
REFUSED: Final = "the disk refuses writes, or a flush"
CHANGED: Final = "a file is made, opened, renamed or removed, and the power goes soon after"

WINDOWS: Final = (HELD, FULL, REFUSED)
"""What a fault opens, and a stop of the target or of the fault closes."""

MOMENTS: Final = (CHANGED,)
"""What is waited for before a fault."""


def never_reached(states: Mapping[str, int]) -> list[str]:
    """Return the states that should have been reached, and never were."""
    return [state for state in (*ORDERS, *WINDOWS, *MOMENTS) if states.get(state) == 0]


@define
class Reached:
    """Counts, in `states`, how often each state was reached."""

    states: Counter[str] = Factory(Counter)
    _window: str = ""
    _in_it: Counter[str] = Factory(Counter)
    """What was counted since the window opened."""

    def should(self, states: Iterable[str]) -> None:
        """Note what a case should reach."""
        self.states.update(dict.fromkeys(states, 0))

    def came_to(self, order: str) -> None:
        """Note that an order of calls has come about."""
        self.states[order] += 1

    def opens(self, window: str) -> None:
        """Note that a fault is there: as the rig made sure, or as `closes` will tell."""
        self._window = window
        self._in_it.clear()
        self._count(window)

    def closes(self, *, hit: bool = True) -> None:
        """Note that it is over; without a `hit` nothing has met it, and it was not reached."""
        if not hit:
            self.states.subtract(self._in_it)
        self._window = ""

    def asked(self, op: str) -> None:
        """Note that something is asked."""
        if self._window:
            self._count(f"{self._window}, then {op}")

    def stopped(self, how: str) -> None:
        """Note that the target was stopped; that closes the window."""
        self.asked(how)
        self.closes()

    def _count(self, state: str) -> None:
        self.states[state] += 1
        self._in_it[state] += 1
