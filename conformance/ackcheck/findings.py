"""What a campaign brings home: how often what was tried and checked, and what broke.

>>> report = GradeReport(grade="sim", seed=1)
>>> report.found(Finding(Clause.NO_LIMBO, "q[3]: it did not come", "sim", 1))
True
>>> report.found(Finding(Clause.NO_LIMBO, "q[14]: it did not come", "sim", 1))
False
>>> [(finding.why, finding.times) for finding in report.findings]
[('q[3]: it did not come', 2)]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, evolve, frozen

from ackcheck.history import Line
from ackcheck.hits import Fault, Hits
from ackcheck.promises import STRICT, Promises
from ackmodel import Clause, Level

FAULTS: Mapping[Clause, tuple[Fault, ...]] = {
    Clause.CLOSE_DRAINS: (Fault.CLEAN_RESTART,),
    Clause.SURVIVES_PROCESS_CRASH: (Fault.PROCESS_CRASH,),
    Clause.SURVIVES_POWER_LOSS: (Fault.POWER_LOSS, Fault.FAILED_SYNC),
}
"""By which faults on real files the clause that defines a level is put to the test."""

PARTICULARS = re.compile(r"\S+\[\d+\]|\d+(?:\.\d+)?")
"""What tells one case of the same failure from another: messages, numbers, times."""


@frozen
class Finding:
    """A clause that is broken, and the shortest way there that was found.

    `refutes` are the levels that make the broken promise. `test` is a Python program that shows it again; empty where
    chance outside our control plays a part. There `case` is the number of its case, from 1, `round` that of the round
    in it that broke (0: what ends the case), and `again` a command that repeats it; `alone` says that the round broke
    by itself. `times` says how often the like of it was found. `fault` is the last one before it that the rig saw hit,
    empty where there was none, and `effect` what a client lost by it (`ackcheck.effects`): both on real files only.
    """

    clause: Clause
    why: str
    grade: str
    seed: int
    lines: tuple[Line, ...] = ()
    test: str = ""
    case: int | None = None
    round: int | None = None
    alone: bool = False
    again: str = ""
    refutes: tuple[Level, ...] = ()
    times: int = 1
    fault: str = ""
    effect: str = ""

    @property
    def kind(self) -> tuple[str, ...]:
        """What equal findings have in common."""
        return self.clause.value, PARTICULARS.sub("N", self.why), self.fault, *(level.value for level in self.refutes)

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

    def as_json(self) -> dict[str, Any]:
        """Return it as `ackcheck run --json` writes it."""
        return {
            "clause": self.clause.value,
            "why": self.why,
            "grade": self.grade,
            "refutes": [level.value for level in self.refutes],
            "times": self.times,
            "fault": self.fault,
            "effect": self.effect,
            "seed": self.seed,
            "case": self.case,
            "round": self.round,
            "alone": self.alone,
            "again": self.again,
            "history": [{"step": line.step, "lane": line.lane, "text": line.text} for line in self.lines],
            "test": self.test,
        }


@define
class GradeReport:
    """One campaign of one grade against one store. `cases` are runs from an empty directory.

    `checked` counts how often each clause could have failed, `ran` how often each operation and fault really ran,
    `at_stake` for each level in how many faults the clause that says what survives them could have failed. `hits` are
    the faults on real files, as they were seen to hit; `simulated` ones are the suite's own, and cannot miss.
    `not_judged` says why nothing could be tried, if so.
    """

    grade: str
    seed: int
    cases: int = 0
    seconds: float = 0.0
    checked: Counter[Clause] = Factory(Counter)
    at_stake: dict[Level, Counter[Clause]] = Factory(dict)
    simulated: bool = False
    promises: Promises = STRICT
    """What the target promised, and was judged by."""
    ran: Counter[str] = Factory(Counter)
    findings: list[Finding] = Factory(list)
    not_judged: str = ""
    lacks: set[str] = Factory(set)
    """Methods that the target has not got in any case, so that what needs them was not judged."""
    operations: int = 0
    """Calls that clients made to the store."""
    hits: Hits = Factory(Hits)
    """The faults on real files, as the rig saw them hit."""
    figures: dict[str, float] = Factory(dict)
    """What was measured, by a name that says the unit."""
    in_play: Counter[str] = Factory(Counter)
    """How often each fault was met that had been aimed, and what was done while it was in play; 0 is one never met."""

    @property
    def finding(self) -> Finding | None:
        """The first finding, if there is one."""
        return self.findings[0] if self.findings else None

    def found(self, finding: Finding) -> bool:
        """Take in a finding; one that equals an earlier one is folded into it. Return whether it is a new one."""
        for index, known in enumerate(self.findings):
            if known.kind == finding.kind:
                self.findings[index] = evolve(known, times=known.times + finding.times)
                return False
        self.findings.append(finding)
        return True

    def tested(self, level: Level, clause: Clause) -> int:
        """Return in how many faults that were seen to hit a clause that defines a level could have failed."""
        times = self.at_stake.get(level, Counter[Clause]())[clause]
        if self.simulated or clause not in FAULTS:
            return times
        return min(times, sum(self.hits.seen(fault) for fault in FAULTS[clause]))

    def add_stakes(self, at_stake: Mapping[Level, Counter[Clause]]) -> None:
        """Add what was at stake in one more history."""
        for level, counts in at_stake.items():
            self.at_stake.setdefault(level, Counter()).update(counts)

    def add(self, part: GradeReport) -> None:
        """Take in the report of another campaign of the same grade."""
        self.cases += part.cases
        self.seconds += part.seconds
        self.checked.update(part.checked)
        self.add_stakes(part.at_stake)
        self.ran.update(part.ran)
        for finding in part.findings:
            self.found(finding)
        self.not_judged = self.not_judged or part.not_judged
        self.lacks |= part.lacks
        self.operations += part.operations
        self.hits = self.hits.plus(*part.hits.all)
        self.figures |= part.figures
        self.in_play.update(part.in_play)
