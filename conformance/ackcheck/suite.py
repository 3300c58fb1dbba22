"""The suite as a whole: which campaigns a profile runs against a target, and the verdict they add up to.

>>> plan = Plan(levels=(Level.PAGE_CACHE,), faults=("sim",), effort=Effort(sim=2, process=0, power=0), seed=1)
>>> run_suite(Subject(), plan).level.value
'page-cache'
"""

from __future__ import annotations

import shlex
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import evolve, frozen

from ackcheck.findings import Finding, Grade, GradeReport
from ackcheck.grades import power, process, run_power_grade, run_process_grade
from ackcheck.grades.campaign import REPLY_TIMEOUT
from ackcheck.rig import RigError, TargetError
from ackcheck.rig.serve import load_factory
from ackcheck.sim.campaign import SimSetup, run_sim_grade
from ackcheck.sim.simulation import STEPS
from ackcheck.sim.target import SteppedTarget
from ackcheck.verdict import NEEDS, LevelReport, Verdict
from acklab.fuzz.runner import AtherisMissing, run_atheris
from acklab.reference.files import name_of
from acklab.soak import run_soak
from ackmodel import Clause, CommitPolicy, Level

GRADES: tuple[Grade, ...] = ("sim", "process", "power", "soak", "fuzz")

LEVELS: tuple[Level, ...] = tuple(Level)
"""The levels that are judged unless one is chosen."""


SEEDS = 2**32
"""How many seeds there are, from 0."""


class NoSuchTarget(ValueError):
    """A target was named that is not there; the message says what to write."""


@contextmanager
def _named(doing: str) -> Iterator[None]:
    """Turn what the target's own code raises in this process into a `TargetError` that says where."""
    try:
        yield
    except (RigError, NoSuchTarget):
        raise
    except Exception as error:  # whatever it is, it is the target's failure: no clause is broken by it
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise TargetError(doing, type(error).__name__, f"{error} ({last.filename}:{last.lineno})") from error


@frozen
class Effort:
    """How much is tried: runs of the simulation a level and commit policy; SIGKILLs, power losses, and seconds of the
    soak, a level; and seconds of fuzzing, once."""

    sim: int
    process: int
    power: int
    soak: int = 0
    fuzz: int = 0

    def of(self, grade: Grade) -> int:
        """Return the effort of one grade."""
        efforts = {"process": self.process, "power": self.power, "soak": self.soak, "fuzz": self.fuzz}
        return self.sim * len(CommitPolicy) if grade == "sim" else efforts[grade]


PROFILES: Mapping[str, Effort] = {
    "quick": Effort(sim=45, process=6, power=2, soak=2),
    "standard": Effort(sim=700, process=60, power=20, soak=30),
    "deep": Effort(sim=10_000, process=2_000, power=200, soak=600, fuzz=300),
}
"""From about a minute to hours, on two cores. Deep is more than a million simulated operations a level."""


SEVERAL = 4
"""One run in so many is of a reference store with several logs."""

LOGS: Mapping[CommitPolicy, int] = {CommitPolicy.ACK: 2, CommitPolicy.CHECKPOINT: 3}
"""How many it has then."""


@frozen
class Subject:
    """What is judged: the reference store, or a target of somebody else's.

    `target` is `module:factory` or `file.py:factory`, or a command line; None is the reference store, whose mode
    follows the level.
    """

    target: str | Sequence[str] | None = None

    @property
    def name(self) -> str:
        """How reports call it."""
        if self.target is None:
            return "the reference store"
        return self.target if isinstance(self.target, str) else " ".join(self.target)

    def on_files(self, level: Level) -> str | Sequence[str]:
        """Return what the rigs of the process and the power grade serve."""
        if self.target is not None:
            return self.target
        return name_of(level)

    @property
    def stepped(self) -> bool:
        """Whether it hands out its I/O, so that the simulated grade can judge it."""
        if not isinstance(self.target, str):
            return self.target is None
        with _named("factory"):
            return hasattr(self.factory()(), "take")

    def factory(self) -> Callable[[], SteppedTarget]:
        """Return the factory that `target` names; `NoSuchTarget` where there is none."""
        assert isinstance(self.target, str)
        try:
            with _named("module"):
                factory: Callable[[], SteppedTarget] = load_factory(self.target)
        except TargetError as error:
            if isinstance(error.__cause__, ImportError | FileNotFoundError | AttributeError | ValueError):
                why = f"{error.__cause__}; write module:factory or path/to/file.py:factory"
                raise NoSuchTarget(f"no target {self.target!r}: {why}") from error
            raise
        if not callable(factory):
            raise NoSuchTarget(f"{self.target!r} is no factory: it must return a fresh target each time it is called")
        return factory

    def simulated(self, level: Level, cases: int) -> list[tuple[SimSetup, int]]:
        """Return the setups of the simulated grade, and how many runs each gets: `cases` for a commit policy."""
        if self.target is not None:
            make = self.factory()
            return [(SimSetup(level=level, commit=commit, make=make), cases) for commit in CommitPolicy]
        several = cases // SEVERAL
        one = [(SimSetup(level=level, commit=commit), cases - several) for commit in CommitPolicy]
        more = [(SimSetup(level=level, commit=commit, logs=LOGS[commit]), several) for commit in CommitPolicy]
        return one + [each for each in more if several]


@frozen
class Plan:
    """What is to be tried; of the grades on real files only the case with this number, from 1, where there is one."""

    levels: tuple[Level, ...]
    faults: tuple[Grade, ...]
    effort: Effort
    seed: int
    case: int | None = None
    reply_timeout: float = REPLY_TIMEOUT
    """Seconds after which a target on real files that has not answered hangs."""

    def cases(self, grade: Grade) -> int:
        """Return how many cases a grade on real files has, at one level."""
        count = process.cases if grade == "process" else power.cases
        return count(self.effort.of(grade))


Watcher = Callable[[Level, Grade, int, int], None]
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
    stepped = subject.stepped
    for grade in plan.faults:
        most = plan.effort.of(grade)
        watch(level, grade, 0, most)
        if grade == "sim":
            yield (
                _simulated(subject, plan, level, seed, watch)
                if stepped
                else GradeReport(grade, seed, not_judged=NO_STEPS)
            )
        elif grade == "soak":
            yield _soaked(subject, plan, level, seed, watch)
        elif grade == "fuzz":
            if most and level is plan.levels[0]:  # no level makes a difference to it
                yield _fuzzed(subject, seed, most)
        elif stepped and subject.target is not None:
            yield GradeReport(grade, seed, not_judged=NO_FILES)
        else:
            judge = run_process_grade if grade == "process" else run_power_grade

            def done(report: GradeReport, grade: Grade = grade, most: int = most) -> None:
                watch(level, grade, report.ran["SIGKILL"] + report.ran["power loss"], most)

            report = judge(
                subject.on_files(level),
                level,
                seed=seed,
                rounds=most,
                progress=done,
                only=plan.case,
                reply_timeout=plan.reply_timeout,
            )
            if report.finding is not None:
                report.finding = evolve(report.finding, again=command_again(subject, plan, level, report.finding))
            yield report
        watch(level, grade, most, most)


def command_again(subject: Subject, plan: Plan, level: Level, finding: Finding) -> str:
    """Return the command that repeats the case of a finding on real files.

    >>> from ackmodel import Clause
    >>> plan = Plan((Level.DISK,), ("process",), PROFILES["deep"], seed=7)
    >>> finding = Finding(Clause.NO_LIMBO, "it did not come", "process", 7, case=3)
    >>> command_again(Subject(["./store", "{dir}"]), plan, Level.DISK, finding)
    "ackcheck run --level disk --faults process --profile deep --seed 7 --case 3 -- ./store '{dir}'"
    """
    profiles = [name for name, effort in PROFILES.items() if effort == plan.effort]
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


NO_STEPS = "the target does its own I/O: it has no `take` (see ackcheck.sim.target.SteppedTarget)"
NO_FORMAT = "only the files of the reference store are known"
NO_THREADS = "threads, memory and a failing disk are put under the reference store only, in this process"
NO_FILES = "the target does no I/O of its own: it is a stepped target (see ackcheck.target.Target)"


def _soaked(subject: Subject, plan: Plan, level: Level, seed: int, watch: Watcher) -> GradeReport:
    """Return the report of a soak of the reference store."""
    if subject.target is not None:
        return GradeReport("soak", seed, not_judged=NO_THREADS)
    if not plan.effort.soak:
        return GradeReport("soak", seed, not_judged="no time was given to it")

    def done(report: GradeReport) -> None:
        watch(level, "soak", min(int(report.seconds), plan.effort.soak), plan.effort.soak)

    return run_soak(level, seed=seed, seconds=plan.effort.soak, progress=done)


def _fuzzed(subject: Subject, seed: int, seconds: int) -> GradeReport:
    """Return the report of fuzzing the recovery of the reference store."""
    report = GradeReport("fuzz", seed, lacks=set(NEEDS))
    if subject.target is not None:
        report.not_judged = NO_FORMAT
        return report
    began = time.monotonic()
    try:
        seen, broke = run_atheris(seed=seed, seconds=seconds)
    except AtherisMissing as missing:
        report.not_judged = str(missing)
        return report
    report.cases, report.seconds = seen.total(), time.monotonic() - began
    report.ran.update(seen)
    report.checked[Clause.SURVIVES_POWER_LOSS] += report.cases
    if broke:
        report.finding = Finding(Clause.SURVIVES_POWER_LOSS, broke, "fuzz", seed)
    return report


def _simulated(subject: Subject, plan: Plan, level: Level, seed: int, watch: Watcher) -> GradeReport:
    """Return one report for both commit policies; stop at the first finding."""
    whole = GradeReport("sim", seed)
    most = plan.effort.of("sim")
    before = 0
    for number, (setup, cases) in enumerate(subject.simulated(level, plan.effort.sim)):

        def done(report: GradeReport, before: int = before) -> None:
            watch(level, "sim", min(before + report.cases, most), most)

        with _named("step"):
            part = run_sim_grade(setup, seed=seed + number, cases=cases, progress=done)
        before += cases
        whole.add(part)
        if part.finding is not None:
            break
    return whole


def never_ran(verdict: Verdict) -> list[str]:
    """Return the steps of the simulation that no run took, though it was run and found nothing."""
    simulated = [report for report in verdict.reports if report.grade == "sim" and report.cases]
    if not simulated or verdict.findings:
        return []
    ran: Counter[str] = Counter()
    for report in simulated:
        ran.update(report.ran)
    return sorted(step for step in STEPS - set(verdict.lacks) if not ran[step])
