"""Campaigns in shares: what one machine does in turn, spread over workers, to the same report.

A **share** is what a seed says by itself: a go of the simulated grade, the hunt of a bug, a part of the mutants. Who
runs them, a **crew**, makes no difference to what they find, and reports are put together in the order of the shares:
so the report is that of one machine, however many workers there are, and whoever of them is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from attrs import frozen

Watch = Callable[[int], None]
"""Told how many cases of a share are done."""


class Report(Protocol):
    """What comes of a share."""

    @property
    def cases(self) -> int:
        """How many cases there were."""
        ...


R = TypeVar("R", bound=Report)
R_co = TypeVar("R_co", bound=Report, covariant=True)


class Share(Protocol[R_co]):
    """A part of a campaign. It is hashable and says all: a worker is sent nothing else."""

    def run(self, watch: Watch) -> R_co:
        """Run it; equal shares give equal reports, apart from the seconds."""
        ...


class Crew(Protocol):
    """Who runs shares."""

    def begin(self, shares: Iterable[Share[Any]]) -> None:
        """Hear which shares will be asked for, in this order, so that they may be run ahead."""
        ...

    def report(self, share: Share[R], watch: Watch) -> R:
        """Return the report of a share, once it is there."""
        ...


@frozen
class Here:
    """A crew of one: this process, which runs a share when it is asked for.

    >>> from ackcheck.findings import GradeReport
    >>> @frozen
    ... class Nothing:
    ...     def run(self, watch: Watch) -> GradeReport:
    ...         return GradeReport("sim", 1)
    >>> Here().report(Nothing(), print).grade
    'sim'
    """

    def begin(self, shares: Iterable[Share[Any]]) -> None:
        """Run nothing ahead."""

    def report(self, share: Share[R], watch: Watch) -> R:
        """Run it now."""
        return share.run(watch)


HERE = Here()
"""Who runs the shares unless a cluster is named."""


class ClusterFailed(RuntimeError):
    """A campaign cannot go on on this cluster; the message says why."""
