"""The simulated grade as a campaign: many runs that Hypothesis chooses, from one seed.

>>> from acklab.reference.simulated import ReferenceSetup
>>> report = run_sim_grade(ReferenceSetup(), seed=1, cases=3)
>>> report.cases >= 3, report.finding
(True, None)
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from ackcheck.findings import Finding, GradeReport
from ackcheck.sim.machine import AckStoreMachine, SeveralLogsMachine
from ackcheck.sim.setup import SimSetup
from ackcheck.sim.shrink import Step, shortest, simplest
from ackcheck.sim.simulation import Simulation
from ackcheck.verdict import NEEDS
from ackmodel.observe.broken import Broken

STEPS_A_RUN = 30

AT_ONCE = 1_000
"""Runs that Hypothesis makes in one go. It remembers every choice of all of them, some 50 KB a run."""


def run_sim_grade(
    setup: SimSetup, *, seed: int, cases: int, progress: Callable[[GradeReport], None] = lambda _: None
) -> GradeReport:
    """Run `cases` runs, or until a clause breaks; the finding is shortened. Equal seeds give equal campaigns."""
    report = GradeReport("sim", seed)
    started = time.monotonic()
    failed: list[tuple[SimSetup, Simulation]] = []

    class Machine(AckStoreMachine):
        def begin(self, max_attempts: int | None, fastpath: bool) -> Simulation:
            self.setup = setup.with_traits(max_attempts, fastpath)
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
    source = setup.as_source()
    settings = "".join(f"    {name}={value},\n" for name, value in source.arguments)
    imports = [
        "from ackmodel import CommitPolicy, Level",
        "from ackcheck.sim.simulation import replay",
        *source.imports,
    ]
    return (
        "\n".join(imports) + "\n\n"
        f"SETUP = {source.kind}(\n{settings})\n"
        f"SCRIPT = [\n{steps}]\n\n\n"
        "def test_replay():\n    replay(SETUP.begin(), SCRIPT)\n\n\n"
        'if __name__ == "__main__":\n    test_replay()\n'
    )
