"""The suite as a whole: which campaigns a profile runs against a target, and the verdict they add up to.

>>> plan = Plan(levels=(Level.PAGE_CACHE,), faults=("sim",), effort={"sim": 2}, seed=1)
>>> run_suite(Subject(), plan).level.value
'page-cache'
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from attrs import evolve, frozen

from ackcheck import lab
from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import PROFILES, REPLY_TIMEOUT, Grade, Job
from ackcheck.grades import OWN
from ackcheck.sim.simulation import STEPS
from ackcheck.subject import Subject
from ackcheck.verdict import LevelReport, Verdict
from ackmodel import Level

LEVELS: tuple[Level, ...] = tuple(Level)
"""The levels that are judged unless one is chosen."""

SEEDS = 2**32
"""How many seeds there are, from 0."""


def grades() -> Mapping[str, Grade]:
    """Return every grade by its name: our own first, then those of other packages.

    >>> list(grades())
    ['sim', 'process', 'power', 'fuzz', 'soak']
    """
    found = {grade.name: grade for grade in OWN}
    return found | {name: point.load() for name, point in lab.named(lab.GRADES).items()}


def efforts(profile: str) -> Mapping[str, int]:
    """Return how much of each grade a profile tries."""
    return {name: grade.effort[profile] for name, grade in grades().items()}


@frozen
class Plan:
    """What is to be tried: of each grade so much; of the grades on real files only the case with this number, from 1,
    where there is one."""

    levels: tuple[Level, ...]
    faults: tuple[str, ...]
    effort: Mapping[str, int]
    seed: int
    case: int | None = None
    reply_timeout: float = REPLY_TIMEOUT
    """Seconds after which a target on real files that has not answered hangs."""

    def cases(self, grade: str) -> int:
        """Return how many cases a grade on real files has, at one level."""
        count = grades()[grade].cases
        return count(self.effort.get(grade, 0)) if count else 0


Watcher = Callable[[Level, str, int, int], None]
"""Told of a level and grade how much is done, and of how much."""


def run_suite(
    subject: Subject,
    plan: Plan,
    watch: Watcher = lambda *_: None,
    told: Callable[[Verdict, GradeReport], None] = lambda *_: None,
) -> Verdict:
    """Run every campaign of the plan; raise a `RigError` where the target or the machine does not work.

    `told` hears at once of every campaign that has ended, with the verdict so far: what comes after may be interrupted.
    """
    verdict = Verdict(subject.name, ())
    for number, level in enumerate(plan.levels):
        before = verdict.levels
        verdict = Verdict(subject.name, (*before, LevelReport(level, ())))
        for report in _campaigns(subject, plan, level, (plan.seed + 10 * number) % SEEDS, watch):
            verdict = Verdict(subject.name, (*before, LevelReport(level, (*verdict.levels[-1].grades, report))))
            told(verdict, report)
    return verdict


def _campaigns(subject: Subject, plan: Plan, level: Level, seed: int, watch: Watcher) -> Iterator[GradeReport]:
    """Yield the report of every campaign against one level."""
    known = grades()
    for name in plan.faults:
        most = plan.effort.get(name, 0)

        def done(count: int, of: int, name: str = name) -> None:
            watch(level, name, count, of)

        job = Job(
            subject,
            level,
            most,
            seed,
            case=plan.case,
            reply_timeout=plan.reply_timeout,
            first=level is plan.levels[0],
            watch=done,
        )
        done(0, most)
        report = known[name].run(job)
        if report is None:
            continue
        if report.finding is not None and report.finding.case is not None:
            report.finding = evolve(report.finding, again=command_again(subject, plan, level, report.finding))
        yield report


def command_again(subject: Subject, plan: Plan, level: Level, finding: Finding) -> str:
    """Return the command that repeats the case of a finding on real files.

    >>> from ackmodel import Clause
    >>> plan = Plan((Level.DISK,), ("process",), efforts("deep"), seed=7)
    >>> finding = Finding(Clause.NO_LIMBO, "it did not come", "process", 7, case=3)
    >>> command_again(Subject(["./store", "{dir}"]), plan, Level.DISK, finding)
    "ackcheck run --level disk --faults process --profile deep --seed 7 --case 3 -- ./store '{dir}'"
    """
    profiles = [name for name in PROFILES if efforts(name) == plan.effort]
    words = ["ackcheck", "run", "--level", level.value, "--faults", finding.grade]
    words += [word for name in profiles for word in ("--profile", name)]
    words += ["--seed", str(finding.seed), "--case", str(finding.case)]
    if plan.reply_timeout != REPLY_TIMEOUT:
        words += ["--reply-timeout", f"{plan.reply_timeout:g}"]
    if isinstance(subject.target, str):
        words.append(subject.target)
    elif subject.target is not None:
        words += ["--", *subject.target]
    return shlex.join(words)


def never_ran(verdict: Verdict) -> list[str]:
    """Return the steps of the simulation that no run took, though it was run and found nothing."""
    simulated = [report for report in verdict.reports if report.grade == "sim" and report.cases]
    if not simulated or verdict.findings:
        return []
    ran: Counter[str] = Counter()
    for report in simulated:
        ran.update(report.ran)
    return sorted(step for step in STEPS - set(verdict.lacks) if not ran[step])
