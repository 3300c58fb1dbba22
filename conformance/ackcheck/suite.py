"""The suite as a whole: which campaigns a profile runs against a target, and the verdict they add up to.

>>> plan = Plan(levels=(Level.PAGE_CACHE,), faults=("sim",), effort={"sim": 2}, seed=1)
>>> run_suite(Subject(), plan).outcome     # nothing broke, and next to nothing was tried
'not-judged'
"""

from __future__ import annotations

import random
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import Factory, define, evolve, frozen

from ackcheck import lab
from ackcheck.cluster import HERE, Crew, Share
from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import PROFILES, REPLY_TIMEOUT, Grade, Job
from ackcheck.grades import OWN
from ackcheck.levels import FLOORS, Floor
from ackcheck.promises import Promises, in_words
from ackcheck.sim.simulation import NOT_OWED, STEPS, TAKES
from ackcheck.subject import NoSuchTarget, Subject
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Level

LEVELS: tuple[Level, ...] = tuple(Level)
"""The levels that are judged unless one is chosen."""

TRIES = 3
"""How often a round is run by itself, at most, to see whether it breaks so too."""

UNDER_WAY = "the run was not over yet"
"""Why a verdict so far is cut short."""

SEEDS = 2**32
"""How many seeds there are, from 0."""


def grades() -> Mapping[str, Grade]:
    """Return every grade by its name: our own first, then those of other packages.

    >>> list(grades())
    ['sim', 'process', 'power', 'disk', 'damage', 'fuzz', 'soak']
    """
    found = {grade.name: grade for grade in OWN}
    return found | {name: point.load() for name, point in lab.named(lab.GRADES).items()}


def efforts(profile: str) -> Mapping[str, int]:
    """Return how much of each grade a profile tries."""
    return {name: grade.effort[profile] for name, grade in grades().items()}


class BadRequest(ValueError):
    """There is no such grade, level, profile or case; the message lists those there are."""


@frozen
class Plan:
    """What is to be tried: of each grade so much, judged for these levels; of the grades on real files only the case
    with this number, from 1, where there is one."""

    levels: tuple[Level, ...]
    faults: tuple[str, ...]
    effort: Mapping[str, int]
    seed: int
    case: int | None = None
    reply_timeout: float = REPLY_TIMEOUT
    """Seconds after which a target on real files that has not answered hangs."""
    floor: Floor = FLOORS["quick"]
    """In how many faults what defines a level must have been at stake for it to be kept."""
    stop_at_first: bool = False
    evidence: Path | None = None
    """Where a folder is written for each finding on real files; None: nowhere."""
    promises: Promises | None = None
    """What is promised, whatever the target says of itself."""
    round: int | None = None
    """The one round of that case to run, from 1; 0 for the restarts that end it."""
    disk_mib: int | None = None
    """How many MiB the disks have on which the target's directory lies; None: as many as each grade is used to."""
    shorten: bool = False
    """Whether the round in which something broke on real files is run again by itself."""
    filesystem: str | None = None
    """Which one a disk in user space carries; None: the grade's default."""

    def cases(self, grade: str) -> int:
        """Return how many cases a grade on real files has."""
        count = grades()[grade].cases
        return count(self.effort.get(grade, 0)) if count else 0

    def rounds(self, grade: str) -> int:
        """Return how many rounds its case has there, at most, that can be run by themselves."""
        count = grades()[grade].rounds
        return count(self.effort.get(grade, 0), self.case) if count and self.case is not None else 0

    def check_case(self) -> None:
        """Raise `BadRequest` where a grade has not got the case that is asked for, or the round of it."""
        if self.case is None:
            return
        for grade in self.faults:
            most, rounds, it = self.cases(grade), self.rounds(grade), f"case {self.case} of the {grade} grade"
            if self.case > most:
                raise BadRequest(f"--case {self.case}: the {grade} grade has {most} at this profile, from 1")
            if self.round is not None and not rounds:
                raise BadRequest(f"{it} is of one piece: leave --round out")
            if self.round is not None and self.round > rounds:
                raise BadRequest(f"--round {self.round}: {it} has {rounds} at this profile, from 1; 0 is what ends it")


Watcher = Callable[[str, str, int, int], None]
"""Told of a mode and grade how much is done, and of how much."""


Told = Callable[[Verdict], None]
"""Told of the verdict so far."""


def run_suite(
    subject: Subject,
    plan: Plan,
    watch: Watcher = lambda *_: None,
    told: Told = lambda _: None,
    crew: Crew = HERE,
) -> Verdict:
    """Run every campaign of the plan; raise a `RigError` where the target or the machine does not work.

    `told` hears of the verdict so far whenever a campaign has ended, or has found something: what comes after may be
    interrupted. `crew` runs what can be run anywhere; the verdict is the same whoever does.
    """
    run = _Run(subject, plan, watch, told, crew)
    modes = [(levels, (plan.seed + 10 * number) % SEEDS) for number, levels in enumerate(subject.modes(plan.levels))]
    crew.begin(_shares(subject, plan, modes))
    for levels, seed in modes:
        run.judge(levels, seed)
        if run.over:
            break
    verdict = run.verdict()
    return evolve(verdict, never_ran=tuple(never_ran(verdict)), cut=run.cut)


def _shares(
    subject: Subject, plan: Plan, modes: Sequence[tuple[tuple[Level, ...], int]]
) -> Iterator[Share[GradeReport]]:
    """Yield what of the campaigns can be run anywhere, in their order."""
    for levels, seed in modes:
        for name in plan.faults:
            if (shares := grades()[name].shares) is not None:
                yield from shares(
                    Job(subject, levels, plan.effort.get(name, 0), seed, stop_at_first=plan.stop_at_first)
                )


def judge(
    target: str | Sequence[str],
    *,
    faults: Sequence[str] = ("sim", "process", "power"),
    level: str | None = None,
    profile: str = "quick",
    seed: int | None = None,
    effort: int | None = None,
    promises: Promises | None = None,
    watch: Watcher = lambda *_: None,
) -> Verdict:
    """Run the suite against a target, and return the verdict.

    `effort` is how much of each grade is tried, where the profile's is not wanted. Raises `BadRequest`, `NoSuchTarget`,
    and a `RigError` where the target or the machine does not work.
    """
    _check("grade", faults, grades())
    _check("level", [level] if level else [], [each.value for each in LEVELS])
    _check("profile", [profile], PROFILES)
    plan = Plan(
        (Level(level),) if level else LEVELS,
        tuple(name for name in grades() if name in faults),
        efforts(profile) if effort is None else dict.fromkeys(faults, effort),
        random.SystemRandom().randrange(SEEDS) if seed is None else seed,
        floor=FLOORS[profile],
        promises=promises,
    )
    return run_suite(_subject(target), plan, watch)


def _check(what: str, named: Sequence[str], known: Sequence[str] | Mapping[str, object]) -> None:
    for name in named:
        if name not in known:
            raise BadRequest(f"no {what} {name!r}: there are {', '.join(known)}")


def _subject(target: str | Sequence[str]) -> Subject:
    if isinstance(target, str):
        if ":" not in target:
            raise NoSuchTarget(f"no target {target!r}: write module:factory, file.py:factory, or a command as a list")
        return Subject(target)
    if not target or shutil.which(target[0]) is None:
        raise NoSuchTarget(f"no program {target[0] if target else ''!r}: write the words of the target's command")
    return Subject(tuple(target))


@define
class _Run:
    """The campaigns of a plan, one after another; `modes` are those that have begun, the newest last."""

    subject: Subject
    plan: Plan
    watch: Watcher
    told: Told
    crew: Crew
    modes: list[ModeReport] = Factory(list)

    @property
    def over(self) -> bool:
        """Whether something was found, and that is enough."""
        return self.plan.stop_at_first and any(mode.findings for mode in self.modes)

    @property
    def cut(self) -> str:
        """Why it ended before the end of the profile; empty where it did not."""
        if self.plan.case is not None:
            return "--case runs one case of many" if self.plan.round is None else "--round runs one round of many"
        return "--stop-at-first ended the run at its first finding" if self.over else ""

    def verdict(self, *more: GradeReport) -> Verdict:
        """Return the verdict so far; `more` is a campaign of the newest mode that is under way."""
        modes = self.modes
        if more:
            modes = [*modes[:-1], evolve(modes[-1], grades=(*modes[-1].grades, *more))]
        return Verdict(self.subject.name, tuple(modes), chosen=len(self.plan.levels) == 1, cut=UNDER_WAY)

    def judge(self, levels: tuple[Level, ...], seed: int) -> None:
        """Run every campaign against one mode of the subject."""
        self.modes.append(ModeReport(levels, (), self.plan.floor))
        for name in self.plan.faults:
            report = grades()[name].run(self._job(levels, seed, name))
            if report is not None:
                if self.plan.shorten:
                    self._shorten(levels, report)
                _say_how_to_repeat(self.subject, self.plan, levels, report)
                self.modes[-1] = evolve(self.modes[-1], grades=(*self.modes[-1].grades, report))
                self.told(self.verdict())
            if self.over:
                break

    def _job(self, levels: tuple[Level, ...], seed: int, name: str) -> Job:
        most, mode, found = self.plan.effort.get(name, 0), levels[-1].value if self.subject.ours else "", 0

        def tell(report: GradeReport) -> None:
            nonlocal found
            if len(report.findings) > found:
                found = len(report.findings)
                _say_how_to_repeat(self.subject, self.plan, levels, report)
                self.told(self.verdict(report))

        self.watch(mode, name, 0, most)
        return Job(
            self.subject,
            levels,
            most,
            seed,
            case=self.plan.case,
            round=self.plan.round,
            disk_mib=self.plan.disk_mib,
            reply_timeout=self.plan.reply_timeout,
            first=len(self.modes) == 1,
            promises=self.plan.promises,
            filesystem=self.plan.filesystem,
            stop_at_first=self.plan.stop_at_first,
            evidence=self.plan.evidence,
            watch=lambda done, of: self.watch(mode, name, done, of),
            tell=tell,
            crew=self.crew,
        )

    def _shorten(self, levels: tuple[Level, ...], report: GradeReport) -> None:
        """Run the round of each finding again by itself; where it breaks the same clause so, tell that history."""
        for index, finding in enumerate(report.findings):
            if finding.case is None or finding.round is None:
                continue
            job = evolve(
                self._job(levels, finding.seed, finding.grade),
                case=finding.case,
                round=finding.round,
                stop_at_first=True,
                tell=lambda _: None,
                watch=lambda *_: None,
            )
            for _ in range(TRIES):
                alone = grades()[finding.grade].run(job)
                same = [one for one in (alone.findings if alone else ()) if one.clause is finding.clause]
                if same:
                    report.findings[index] = evolve(
                        same[0], refutes=finding.refutes, times=finding.times, round=finding.round, alone=True
                    )
                    break


def _say_how_to_repeat(subject: Subject, plan: Plan, levels: tuple[Level, ...], report: GradeReport) -> None:
    report.findings = [
        evolve(finding, again=command_again(subject, plan, levels, finding)) if finding.case is not None else finding
        for finding in report.findings
    ]


def command_again(subject: Subject, plan: Plan, levels: tuple[Level, ...], finding: Finding) -> str:
    """Return the command that repeats the case of a finding on real files.

    >>> from ackmodel import Clause
    >>> plan = Plan((Level.DISK,), ("process",), efforts("deep"), seed=7)
    >>> finding = Finding(Clause.NO_LIMBO, "it did not come", "process", 7, case=3)
    >>> command_again(Subject(["./store", "{dir}"]), plan, (Level.DISK,), finding)
    "ackcheck run --level disk --faults process --profile deep --seed 7 --case 3 -- ./store '{dir}'"
    """
    profiles = [name for name in PROFILES if efforts(name) == plan.effort]
    words = ["ackcheck", "run"]
    words += ["--level", levels[0].value] if len(levels) == 1 else []
    words += ["--faults", finding.grade]
    words += [word for name in profiles for word in ("--profile", name)]
    words += ["--seed", str(finding.seed), "--case", str(finding.case)]
    words += ["--round", str(finding.round)] if finding.alone else []
    words += ["--disk-mib", str(plan.disk_mib)] if plan.disk_mib is not None else []
    words += [word for one in (in_words(plan.promises) if plan.promises else ()) for word in ("--promise", one)]
    if plan.reply_timeout != REPLY_TIMEOUT:
        words += ["--reply-timeout", f"{plan.reply_timeout:g}"]
    words += ["--filesystem", plan.filesystem] if plan.filesystem else []
    if subject.server:
        words += ["--server", shlex.join(subject.server)]
    if isinstance(subject.target, str):
        words.append(subject.target)
    elif subject.target is not None:
        words += ["--", *subject.target]
    return shlex.join(words)


def never_ran(verdict: Verdict) -> list[str]:
    """Return the steps of the simulation that a run owes and none took, though it was run and found nothing."""
    simulated = [report for report in verdict.reports if report.grade == "sim" and report.cases]
    if not simulated or verdict.findings:
        return []
    ran: Counter[str] = Counter()
    for report in simulated:
        ran.update(report.ran)
    return sorted(step for step in STEPS - NOT_OWED if TAKES.get(step, step) not in verdict.lacks and not ran[step])
