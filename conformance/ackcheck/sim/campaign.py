"""The simulated grade as a campaign: many runs that Hypothesis chooses, from one seed.

>>> from acklab.reference.simulated import ReferenceSetup
>>> report = run_sim_grade(ReferenceSetup(), seed=1, cases=3)
>>> report.cases >= 3, report.finding
(True, None)
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import evolve
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from ackcheck.findings import Finding, GradeReport
from ackcheck.needs import NEEDS
from ackcheck.panel import Fallen
from ackcheck.sim.aims import all_aims
from ackcheck.sim.choices import FROM_THE_SEED_ALONE
from ackcheck.sim.machine import AckStoreMachine, SeveralLogsMachine
from ackcheck.sim.narrow import NarrowWindows, all_windows
from ackcheck.sim.setup import SimSetup
from ackcheck.sim.shrink import Step, shortest, simplest
from ackcheck.sim.simulation import Simulation, begin, breaks
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

STEPS_A_RUN = 30

MOST_SHORTENED = 8
"""Findings of different kinds that are shortened, in one go."""

AT_ONCE = 1_000
"""Runs that Hypothesis makes in one go. It remembers every choice of all of them, some 50 KB a run."""


SELDOM = 50_000
"""New objects after which Python looks for garbage while runs are made. It looks after 700, a tenth of the time that a
run takes, and finds little: values of frozen classes hold no rings."""


@contextmanager
def garbage_sought_seldom() -> Iterator[None]:
    """Have Python look for garbage as seldom as that.

    >>> with garbage_sought_seldom():
    ...     gc.get_threshold()[0]
    50000
    """
    before = gc.get_threshold()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def goes(cases: int) -> list[tuple[int, int]]:
    """Return the goes of a campaign, which know nothing of each other: where each begins, and how many runs it has.

    >>> goes(2_500)
    [(0, 1000), (1000, 1000), (2000, 500)]
    """
    return [(begun, min(AT_ONCE, cases - begun)) for begun in range(0, cases, AT_ONCE)]


def run_sim_grade(
    setup: SimSetup,
    *,
    seed: int,
    cases: int,
    progress: Callable[[int], None] = lambda _: None,
    stop_at_first: bool = False,
    shorten: bool = True,
) -> GradeReport:
    """Run `cases` runs, or until the first finding; a few findings are shortened. Equal seeds give equal campaigns.

    `progress` is told how many runs are over.
    """
    whole = GradeReport("sim", seed, simulated=True)
    for begun, count in goes(cases):
        whole.add(
            run_go(
                setup,
                seed=seed,
                begun=begun,
                cases=count,
                progress=lambda done: progress(whole.cases + done),
                stop_at_first=stop_at_first,
                shorten=shorten,
            )
        )
        if stop_at_first and whole.findings:
            break
    return whole


def run_go(
    setup: SimSetup,
    *,
    seed: int,
    begun: int,
    cases: int,
    progress: Callable[[int], None],
    stop_at_first: bool = False,
    shorten: bool = True,
) -> GradeReport:
    """Run one go of a campaign; `begun` says where in it that begins."""
    report = GradeReport("sim", seed, simulated=True)
    started = time.monotonic()
    known: dict[tuple[str, ...], Finding] = {}

    class Machine(NarrowWindows, AckStoreMachine):
        def begin(self, max_attempts: int | None, fastpath: bool) -> Simulation:
            self.setup = setup.with_traits(max_attempts, fastpath)
            return begin(self.setup)

        def done(self) -> None:
            _count(report, self.run, setup)
            run = undamaged(self.setup, self.run)
            for fallen in run.panel.fallen:
                found = Finding(fallen.broken.clause, fallen.broken.why, "sim", seed, refutes=fallen.levels)
                if found.kind not in known:
                    before = len(known) if shorten else MOST_SHORTENED
                    known[found.kind] = _shortened(self.setup, run, fallen, found, before)
                report.found(known[found.kind])
            progress(report.cases)
            if stop_at_first and run.broken is not None:
                raise run.broken

    class WithSeveralLogs(SeveralLogsMachine, Machine):
        """As `Machine`, with one rule more."""

    machine = WithSeveralLogs if setup.logs > 1 else Machine
    with suppress(Broken), garbage_sought_seldom():
        with_seed(f"{seed}/{begun}" if begun else seed)(machine)
        run_state_machine_as_test(machine, settings=campaign_settings(cases))
    report.seconds = time.monotonic() - started
    return report


def _count(report: GradeReport, run: Simulation, setup: SimSetup) -> None:
    """Add a run that is over to the report."""
    run.panel.count_stakes()
    report.cases += 1
    report.operations += run.operations
    report.checked.update(run.panel.checked)
    report.add_stakes(run.panel.at_stake)
    report.ran.update(run.ran)
    report.in_play.update(dict.fromkeys(all_aims(), 0) if run.says_purposes else {})
    report.in_play.update(dict.fromkeys(all_windows(), 0))
    report.in_play.update(run.in_play)
    if setup.logs > 1:
        report.ran["run with several logs"] += 1
    report.lacks.update(method for method in NEEDS if not run.can(method))


def campaign_settings(cases: int) -> settings:
    """Generate only: the script is shortened by replaying it, which is much quicker than drawing it anew."""
    return settings(
        max_examples=cases,
        stateful_step_count=STEPS_A_RUN,
        deadline=None,
        database=None,
        backend=FROM_THE_SEED_ALONE,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )


def undamaged(setup: SimSetup, failed: Simulation) -> Simulation:
    """Return a run that shows the same store broken and in which no file is damaged, if it is broken in that too: what
    is lost then was not lost to the damage, and is not put down to it."""
    script = [("restart", {}) if name == "damage" else (name, arguments) for name, arguments in failed.script]
    if not failed.panel.fallen or script == failed.script:
        return failed
    run = breaks(setup, script)
    return run if run is not None and set(run.panel.standing) <= set(failed.panel.standing) else failed


def _shortened(setup: SimSetup, failed: Simulation, fallen: Fallen, found: Finding, before: int) -> Finding:
    """Return the finding with the shortest script that shows it; not shortened where there are too many `before` it."""
    clause = fallen.broken.clause

    def still_breaks(script: list[Step]) -> bool:
        return _as(clause, fallen.levels, breaks(setup, script)) is not None

    script = failed.script
    if before < MOST_SHORTENED:
        script = simplest(shortest(script, still_breaks), still_breaks)
    run = breaks(setup, script) or failed
    shown = _as(clause, fallen.levels, run) or fallen
    return evolve(found, why=shown.broken.why, lines=tuple(run.history.lines), test=as_test(setup, script))


def _as(clause: Clause, levels: tuple[Level, ...], run: Simulation | None) -> Fallen | None:
    """Return where a run broke the same clause at the same levels."""
    fell = run.panel.fallen if run else []
    return next((one for one in fell if one.broken.clause is clause and one.levels == levels), None)


def as_test(setup: SimSetup, script: list[Step]) -> str:
    """Return a program that replays the script, with the standard test runners or by itself."""
    steps = "".join(f"    ({name!r}, {arguments!r}),\n" for name, arguments in script)
    source = setup.as_source()
    settings = "".join(f"    {name}={value},\n" for name, value in source.arguments)
    imports = [
        "from ackmodel import CommitPolicy, Level",
        "from ackcheck.sim.simulation import begin, replay",
        *source.imports,
    ]
    return (
        "\n".join(imports) + "\n\n"
        f"SETUP = {source.kind}(\n{settings})\n"
        f"SCRIPT = [\n{steps}]\n\n\n"
        "def test_replay():\n    replay(begin(SETUP), SCRIPT)\n\n\n"
        'if __name__ == "__main__":\n    test_replay()\n'
    )
