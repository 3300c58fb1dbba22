"""What a campaign brings home: how often what was tried and checked, and what broke.

>>> report = GradeReport(grade="sim", seed=1)
>>> report.finding is None
True
"""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define, frozen

from ackcheck.history import Line
from ackcheck.hits import Hits
from ackmodel import Clause


@frozen
class Finding:
    """A clause that is broken, and the shortest way there that was found.

    `test` is a Python program that shows it again; empty where chance outside our control plays a part. There `case` is
    the number of its case, from 1, and `again` a command that repeats it.
    """

    clause: Clause
    why: str
    grade: str
    seed: int
    lines: tuple[Line, ...] = ()
    test: str = ""
    case: int | None = None
    again: str = ""

    def __str__(self) -> str:
        """Return it whole, as plain text.

        >>> print(Finding(Clause.NO_LIMBO, "q[3]: it did not come", "power", 4, (Line(0, "client", "pop"),), case=1))
        no-limbo: q[3]: it did not come (grade power, seed 4, case 1)
           0 client      pop
        """
        case = "" if self.case is None else f", case {self.case}"
        lines = [f"{line.step:4} {line.lane:10}  {line.text}" for line in self.lines]
        head = f"{self.clause.value}: {self.why} (grade {self.grade}, seed {self.seed}{case})"
        return "\n".join([head, *lines, *([self.test] if self.test else [])])


@define
class GradeReport:
    """One campaign of one grade against one store. `cases` are runs from an empty directory.

    `checked` counts how often each clause could have failed, `ran` how often each operation and fault really ran.
    `not_judged` says why nothing could be tried, if so.
    """

    grade: str
    seed: int
    cases: int = 0
    seconds: float = 0.0
    checked: Counter[Clause] = Factory(Counter)
    ran: Counter[str] = Factory(Counter)
    finding: Finding | None = None
    not_judged: str = ""
    lacks: set[str] = Factory(set)
    """Methods that the target has not got in any case, so that what needs them was not judged."""
    operations: int = 0
    """Calls that clients made to the store."""
    hits: Hits = Factory(Hits)
    """The faults on real files, as the rig saw them hit."""
    figures: dict[str, float] = Factory(dict)
    """What was measured, by a name that says the unit."""

    def add(self, part: GradeReport) -> None:
        """Take in the report of another campaign of the same grade; its finding too, unless there is one."""
        self.cases += part.cases
        self.seconds += part.seconds
        self.checked.update(part.checked)
        self.ran.update(part.ran)
        self.finding = self.finding or part.finding
        self.not_judged = self.not_judged or part.not_judged
        self.lacks |= part.lacks
        self.operations += part.operations
        self.hits = self.hits.plus(*part.hits.all)
        self.figures |= part.figures
