"""The simulated grade as a campaign: many runs that Hypothesis chooses, from one seed.

>>> from ackcheck.sim.campaign import SimSetup, run_sim_grade
>>> report = run_sim_grade(SimSetup(), seed=1, cases=3)
>>> report.cases >= 3, report.finding
(True, None)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import evolve, frozen
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from ackcheck.findings import Finding, GradeReport
from ackcheck.sim.machine import AckStoreMachine, SeveralLogsMachine
from ackcheck.sim.shrink import Step, shortest, simplest
from ackcheck.sim.simulation import Simulation, replay
from ackcheck.sim.target import SteppedTarget
from ackcheck.verdict import NEEDS
from acklab.reference.stepped import SMALL, Reference
from ackmodel import CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackstore.config import Config
from ackstore.core.core import Core

STEPS_A_RUN = 30

AT_ONCE = 1_000
"""Runs that Hypothesis makes in one go. It remembers every choice of all of them, some 50 KB a run."""

CLAIMING: Mapping[Level, Config] = {
    Level.MEMORY: evolve(SMALL, merge=True, merge_stay=1.0, merge_messages=5),
    Level.PAGE_CACHE: SMALL,
    Level.DISK: evolve(SMALL, mode="sync"),
}
"""The settings of the reference store that claims a level."""


@frozen
class SimSetup:
    """Which store is judged, at which level and commit policy. `bug` names a variant from the zoo.

    `make` gives a fresh stepped target each time it is called; without it, the reference store is judged, with
    `max_attempts` and so many `logs`, and by the short way of its acks if `lane` says so.
    """

    level: Level = Level.PAGE_CACHE
    commit: CommitPolicy = CommitPolicy.ACK
    core: type[Core] = Core
    bug: str = ""
    make: Callable[[], SteppedTarget] | None = None
    max_attempts: int | None = None
    lane: bool = False
    logs: int = 1

    def target(self) -> SteppedTarget:
        """Return a fresh target."""
        if self.make is not None:
            return self.make()
        claiming = CLAIMING[self.level]
        config = evolve(claiming, commit=self.commit.value, max_attempts=self.max_attempts, logs=self.logs)
        return Reference(config, self.core, self.lane)

    def begin(self) -> Simulation:
        """Return a fresh run."""
        return Simulation(self.target, self.level, self.commit)

    def breaks(self, script: list[Step]) -> Simulation | None:
        """Replay a script; return the run if it broke a clause, else None. The run's `broken` says which."""
        run = self.begin()
        try:
            replay(run, script)
        except Broken:
            return run
        return None


def run_sim_grade(
    setup: SimSetup, *, seed: int, cases: int, progress: Callable[[GradeReport], None] = lambda _: None
) -> GradeReport:
    """Run `cases` runs, or until a clause breaks; the finding is shortened. Equal seeds give equal campaigns."""
    report = GradeReport("sim", seed)
    started = time.monotonic()
    failed: list[tuple[SimSetup, Simulation]] = []

    class Machine(AckStoreMachine):
        def begin(self, max_attempts: int | None, lane: bool) -> Simulation:
            self.setup = setup if setup.make else evolve(setup, max_attempts=max_attempts, lane=lane)
            return self.setup.begin()

        def done(self) -> None:
            run = self.run
            report.cases += 1
            report.operations += run.operations
            report.checked.update(run.oracle.checked)
            report.ran.update(run.ran)
            if setup.logs > 1:
                report.ran["run with several logs"] += 1
            report.lacks.update(method for method in NEEDS if not run.can(method))
            report.seconds = time.monotonic() - started
            if run.broken is not None:
                failed.append((self.setup, run))
            progress(report)

    class WithSeveralLogs(SeveralLogsMachine, Machine):
        """As `Machine`, with one rule more."""

    machine = WithSeveralLogs if setup.logs > 1 else Machine
    try:
        for begun in range(0, cases, AT_ONCE):
            with_seed(f"{seed}/{begun}" if begun else seed)(machine)
            run_state_machine_as_test(machine, settings=_settings(min(AT_ONCE, cases - begun)))
    except Broken:
        report.finding = _finding(*failed[0], seed)
    report.seconds = time.monotonic() - started
    return report


def _settings(cases: int) -> settings:
    """Generate only: the script is shortened by replaying it, which is much quicker than drawing it anew."""
    return settings(
        max_examples=cases,
        stateful_step_count=STEPS_A_RUN,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )


def _finding(setup: SimSetup, failed: Simulation, seed: int) -> Finding:
    """Return the shortened finding of a run that broke a clause."""
    assert failed.broken is not None
    clause = failed.broken.clause

    def still_breaks(script: list[Step]) -> bool:
        run = setup.breaks(script)
        return run is not None and run.broken is not None and run.broken.clause is clause

    script = simplest(shortest(failed.script, still_breaks), still_breaks)
    run = setup.breaks(script) or failed
    assert run.broken is not None
    return Finding(clause, run.broken.why, "sim", seed, tuple(run.history.lines), as_test(setup, script))


def as_test(setup: SimSetup, script: list[Step]) -> str:
    """Return a program that replays the script, with the standard test runners or by itself."""
    steps = "".join(f"    ({name!r}, {arguments!r}),\n" for name, arguments in script)
    given: dict[str, object] = {"level": setup.level, "commit": setup.commit}
    if setup.make is None:
        given |= {"max_attempts": setup.max_attempts, "lane": setup.lane, "logs": setup.logs}
    if setup.bug:
        given["core"] = f"bug_named({setup.bug!r}).core"
    settings = "".join(f"    {name}={value},\n" for name, value in given.items())
    zoo = "from acklab.zoo import bug_named\n" if setup.bug else ""
    return (
        "from ackmodel import CommitPolicy, Level\n"
        "from ackcheck.sim.campaign import SimSetup\n"
        f"{zoo}from ackcheck.sim.simulation import replay\n\n"
        f"SETUP = SimSetup(\n{settings})\n"
        f"SCRIPT = [\n{steps}]\n\n\n"
        "def test_replay():\n    replay(SETUP.begin(), SCRIPT)\n\n\n"
        'if __name__ == "__main__":\n    test_replay()\n'
    )
