"""What came of a broker under one grade of faults, set beside what is expected.

>>> redis = read_profile("redis")
>>> judged = Judged(redis, redis.configurations[0], "power", 7, "quick", Verdict("it", ()))
>>> judged.command(case=3)
'ackcheck broker redis --configuration always --faults power --profile quick --seed 7 --case 3'
"""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from attrs import frozen

from ackcheck.brokers.expectation import Configuration
from ackcheck.brokers.profile import Profile, read_profile  # noqa: F401 - the example above reads one
from ackcheck.grades.repairing import REPAIRED
from ackcheck.hits import Fault
from ackcheck.origin import origin
from ackcheck.verdict import Verdict


@frozen
class Judged:
    """What came of one configuration under one grade of faults."""

    broker: Profile
    configuration: Configuration
    grade: str
    seed: int
    profile: str
    verdict: Verdict
    pinned: bool = True
    """Whether something is expected of it."""
    failed: str = ""
    """Why the run came to no verdict: the broker, or the machine, failed by itself."""

    @property
    def tried(self) -> dict[Fault, int]:
        """How often each fault was tried."""
        return self._counted("tried")

    @property
    def seen(self) -> dict[Fault, int]:
        """How often each fault was seen to hit."""
        return self._counted("seen")

    def _counted(self, what: str) -> dict[Fault, int]:
        counts = {f: sum(getattr(one.hits, what)(f) for one in self.verdict.reports) for f in Fault}
        return counts if what == "seen" else {fault: count for fault, count in counts.items() if count}

    @property
    def came(self) -> dict[Fault, Counter[str]]:
        """How often each outcome came of each fault."""
        counted: dict[Fault, Counter[str]] = {}
        for finding in self.verdict.findings:
            fault = Fault(finding.fault or Fault.CLEAN_RESTART)
            counted.setdefault(fault, Counter())[str(self.configuration.outcome_of(finding))] += finding.times
        return counted

    def _clauses(self, fault: Fault) -> dict[str, list[str]]:
        """Return which clauses a fault broke, and with what outcomes."""
        told: dict[str, set[str]] = {}
        for finding in self.verdict.findings:
            if Fault(finding.fault or Fault.CLEAN_RESTART) is fault:
                told.setdefault(finding.clause.value, set()).add(str(self.configuration.outcome_of(finding)))
        return {clause: sorted(outcomes) for clause, outcomes in told.items()}

    @property
    def repaired(self) -> int:
        """How often the operator's repair step was needed to open it."""
        return sum(report.ran[REPAIRED] for report in self.verdict.reports)

    @property
    def surprises(self) -> list[str]:
        """What was not expected. A grade that this machine could not run says nothing, and surprises nobody."""
        if not self.pinned or any(report.not_judged for report in self.verdict.reports):
            return []
        found = self.configuration.outcomes(self.verdict.findings)
        return [f"{self.grade}, {told}" for told in self.configuration.surprises(self.grade, self.seen, found)]

    @property
    def reasons(self) -> list[str]:
        """Why nothing could be said, of the whole or of one fault."""
        if self.failed:
            return [self.failed]
        reports = self.verdict.reports
        told = [report.not_judged for report in reports if report.not_judged]
        if not told and not any(self.seen.values()):
            told = [one.why for one in self.verdict.levels if one.why] or ["too little was at stake"]
        missed = self.configuration.missed(list(self.tried), self.seen) if self.pinned else []
        why = {fault: [reason for one in reports for reason in one.hits.reasons(fault)] for fault in missed}
        return told + [f"{fault.value} was never seen to hit: {'; '.join(why[fault])}" for fault in missed]

    def command(self, **more: int) -> str:
        """Return the command that runs it again, or one case of it."""
        words = ["ackcheck", "broker", self.broker.name]
        if self.pinned:
            words += ["--configuration", self.configuration.name]
        else:
            words += [
                word for key, value in self.configuration.settings.items() for word in ("--set", f"{key}={value}")
            ]
        words += ["--faults", self.grade, "--profile", self.profile, "--seed", str(self.seed)]
        return shlex.join(words + [word for name, value in more.items() for word in (f"--{name}", str(value))])

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` writes it."""
        came = self.came
        faults = {
            fault.value: {
                "tried": self.tried.get(fault, 0),
                "seen": self.seen[fault],
                "promised": self.configuration.promises_under(fault),
                "outcomes": dict(came.get(fault, {})),
                "clauses": self._clauses(fault),
            }
            for fault in Fault
            if fault in self.tried or fault in came
        }
        return {
            "broker": self.broker.name,
            "title": self.broker.title,
            "configuration": self.configuration.name,
            "settings": dict(self.configuration.settings),
            "claims": self.configuration.claims.value if self.configuration.claims else "none",
            "grade": self.grade,
            "seed": self.seed,
            "profile": self.profile,
            "faults": faults,
            "repaired": self.repaired,
            "surprises": self.surprises,
            "not_judged": self.reasons,
            "failed": self.failed,
            "told": str(self),
            **origin(self.command(), [self.grade]),
            "verdict": self.verdict.as_json(),
        }

    def __str__(self) -> str:
        """Return it in a line, for people."""
        run = f"{self.broker.name} {self.configuration.name}, {self.grade}"
        if self.failed:
            return f"{run}, seed {self.seed}: failed: {self.failed}"
        came, told = self.came, []
        for fault in (fault for fault in Fault if fault in self.tried or fault in came):
            outcomes = ", ".join(f"{outcome} {times}x" for outcome, times in came.get(fault, {}).items())
            kept = "kept" if self.seen[fault] else "not judged"
            told.append(f"{fault.value} {self.seen[fault]} of {self.tried.get(fault, 0)}: {outcomes or kept}")
        repaired = [f"repaired {self.repaired}x before it opened"] if self.repaired else []
        parts = [*told, *repaired, *(f"not judged: {reason}" for reason in self.reasons)]
        return f"{run}: {'; '.join(parts)}"
