"""Faults that wait for their moment: the next I/O of a kind, or of one message, fails or hangs.

A fault that comes by chance seldom meets the one write that matters. A target that says what its I/O is for
(`Io.purposes`) can be met there: at a redelivery, at the rename of a derived file, in the middle of a batch.

>>> aims = Aims()
>>> aims.wait_for(Aim("redelivery", "fails"))
>>> aims.take(("ack",))
>>> aims.take(("batch", "redelivery")).describe()
'redelivery fails'
>>> aims.take(("redelivery",))
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

from attrs import Factory, define, evolve, frozen

from ackmodel.observe.broken import Key

How = Literal["fails", "hangs", "lies"]

FOR_EVER = 10**9
"""So many times: until the disk is healed."""

MIDDLE = -1
"""Bytes written before a write fails: half of them."""

RECORDS = (
    "delivery",
    "redelivery",
    "ack",
    "renewal",
    "release",
    "dead letter",
    "reset",
    "state",
    "rewrite",
    "batch",
)
"""What a write may hold: records of these kinds, records written again after a failed sync, several records at once."""

STEPS = ("create", "sync", "sync_directory", "unlink")
"""What is done with a log, beside writing to it."""

DERIVED = ("derived create", "derived write", "derived sync", "derived rename")
"""The steps by which a file is replaced that derives from a log."""

RESET_SYNC = "sync of a reset"
"""A sync of a file to which a reset was written since it was last synced. No target need say so: it is seen."""

PURPOSES = (*RECORDS, *STEPS, RESET_SYNC, *DERIVED)
"""Everything a fault can be aimed at, in a target that says so."""

LYING = (RESET_SYNC,)
"""What may lie: it says OK, and neither this nor anything after it reaches the disk until the power goes."""

ONE_MESSAGE = "one message"
"""What a fault is aimed at that every write meets which speaks of one message."""

HOWS: tuple[How, ...] = get_args(How)


@frozen
class Aim:
    """The next `times` I/Os that are `at` this purpose, or hold a record of this `message`, fail, hang or lie.

    A write that fails has `written` so many bytes; with `wider`, a sync that fails loses also what was written while it
    ran.
    """

    at: str
    how: How
    times: int = 1
    written: int = 0
    wider: bool = False
    message: Key | None = None

    def describe(self) -> str:
        """Return it in the words of a report."""
        return f"{self.at} {self.how}"

    def meets(self, purposes: Collection[str], messages: Collection[Key]) -> bool:
        """Tell whether an I/O is the one that it waits for."""
        return self.at in purposes if self.message is None else self.message in messages


WINDOW = "window: "
"""What the name of a window begins with (`ackcheck.sim.narrow`), among the states that were reached."""


def all_aims() -> list[str]:
    """Return every fault that can be aimed, in the words of a report."""
    every = [Aim(at, how) for at in (*PURPOSES, ONE_MESSAGE) for how in HOWS]
    return [aim.describe() for aim in every if aim.how != "lies" or aim.at in LYING]


def never_met(in_play: Mapping[str, int]) -> list[str]:
    """Return the faults that were to be met, and never were."""
    return [aim for aim in all_aims() if in_play.get(aim) == 0]


def never_opened(in_play: Mapping[str, int]) -> list[str]:
    """Return the windows that were to be opened, and never were."""
    return [name.removeprefix(WINDOW) for name, times in in_play.items() if name.startswith(WINDOW) and not times]


@define
class Aims:
    """The faults that wait, and those that were met since the disk was healed."""

    waiting: list[Aim] = Factory(list)
    open: dict[str, None] = Factory(dict)
    """What is in play: an operation that the disk has failed, or left hanging."""

    def wait_for(self, aim: Aim) -> None:
        """Have a fault wait for its moment."""
        self.waiting.append(aim)

    def take(self, purposes: Collection[str], messages: Collection[Key] = (), *, may_lie: bool = False) -> Aim | None:
        """Return the fault that waits for such an I/O, if one does; it has one time less then."""
        for index, aim in enumerate(self.waiting):
            if aim.meets(purposes, messages) and (may_lie or aim.how != "lies"):
                self.waiting[index : index + 1] = [evolve(aim, times=aim.times - 1)] if aim.times > 1 else []
                return aim
        return None

    def met(self, aim: Aim) -> None:
        """Take note that the I/O has failed, or hangs: from now on this is in play."""
        self.open[aim.describe()] = None

    def healed(self) -> None:
        """Let nothing wait any more, and nothing be in play."""
        self.waiting.clear()
        self.open.clear()
