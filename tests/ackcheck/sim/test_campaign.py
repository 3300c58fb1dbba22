"""The simulated grade as a whole: repeatable, short findings, and a test that shows them again."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import define, evolve

from ackcheck.sim import campaign
from ackcheck.sim.campaign import run_sim_grade
from ackcheck.sim.setup import FactorySetup
from ackcheck.sim.target import Look
from ackcheck.suite import LEVELS
from acklab.reference.simulated import ReferenceSetup
from acklab.reference.stepped import Reference
from acklab.zoo import bug_named
from ackmodel import CommitPolicy, Level

BUG = bug_named("old-segment-not-fsynced-on-rotation")
BROKEN = ReferenceSetup(levels=(BUG.level,), commit=BUG.commit, core=BUG.core, bug=BUG.name)


@pytest.mark.no_cover
def test_equal_seeds_give_equal_campaigns_and_others_do_not() -> None:
    first, second, other = (run_sim_grade(ReferenceSetup(), seed=seed, cases=2) for seed in (11, 11, 12))
    assert (first.cases, first.checked, first.ran) == (second.cases, second.checked, second.ran)
    assert first.ran != other.ran
    assert first.finding is None
    assert first.cases >= 2


RULES_THAT_RAN = """
import {also}
from hypothesis import seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from ackcheck.sim.aimed import SEED
from ackcheck.sim.campaign import campaign_settings

RAN = []

@seed(11)
class Machine(RuleBasedStateMachine):
    @rule(number=SEED)
    def one(self, number):
        RAN.append(number)

    @rule()
    def two(self):
        RAN.append(2)

    @rule()
    def three(self):
        RAN.append(3)

    @rule()
    def four(self):
        RAN.append(4)

run_state_machine_as_test(Machine, settings=campaign_settings(300))
print(RAN)
"""


def test_a_campaign_has_the_same_runs_in_any_program_and_writes_nothing_beside_it(tmp_path: Path) -> None:
    """A worker, a test runner and the command line have other modules loaded; a seed says the same to each of them."""
    (tmp_path / "numbers_of_mine.py").write_text(f"NUMBERS = {[*range(101, 400)]}\n", encoding="utf-8")
    first, second = (told(tmp_path, RULES_THAT_RAN.format(also=also)) for also in ("sys", "numbers_of_mine"))
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == ["numbers_of_mine.py"]


def told(directory: Path, program: str) -> str:
    """Return what a program says that runs in that directory."""
    environment = {**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, "-c", program]
    return subprocess.run(
        arguments, check=True, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True, timeout=250
    ).stdout


def test_the_campaign_tells_of_every_run() -> None:
    told: list[int] = []
    report = run_sim_grade(ReferenceSetup(), seed=1, cases=3, progress=told.append)
    assert told == list(range(1, report.cases + 1))
    assert report.seconds > 0


@pytest.mark.no_cover
def test_a_long_campaign_is_made_in_goes_of_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what Hypothesis remembers of them does not grow with their number."""
    whole = run_sim_grade(ReferenceSetup(), seed=11, cases=4)
    monkeypatch.setattr(campaign, "AT_ONCE", 2)
    first, goes = (run_sim_grade(ReferenceSetup(), seed=11, cases=cases) for cases in (2, 4))
    assert goes.cases >= 4
    assert goes.ran != whole.ran
    assert goes.ran > first.ran
    assert goes.ran != Counter({what: 2 * count for what, count in first.ran.items()})
    assert run_sim_grade(BROKEN, seed=1, cases=12, stop_at_first=True, shorten=False).finding is not None


@pytest.mark.no_cover
def test_a_finding_is_repeatable_short_and_can_be_run_again(tmp_path: Path) -> None:
    finding = run_sim_grade(BROKEN, seed=1, cases=12, stop_at_first=True).finding
    again = run_sim_grade(BROKEN, seed=1, cases=12, stop_at_first=True).finding
    assert finding is not None
    assert finding == again
    assert (finding.clause in BUG.breaks, finding.grade, finding.seed) == (True, "sim", 1)
    script = [line for line in finding.test.splitlines() if line.startswith("    (")]
    assert 2 <= len(script) <= 20, finding.test
    assert max(map(len, finding.test.splitlines())) < 80, "a terminal would cut it off"
    assert finding.lines[-1].step == len(script)
    replayed = run_as_program(finding.test, tmp_path)
    assert replayed.returncode == 1
    assert f": {finding.clause.value}: {finding.why}" in replayed.stderr.strip().splitlines()[-1]
    right = finding.test.replace(f"    core=bug_named({BUG.name!r}).core,\n", "")
    assert right != finding.test
    assert run_as_program(right, tmp_path).returncode == 0, "the unbroken store passes the same test"


def run_as_program(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "test_replay.py"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([sys.executable, path], capture_output=True, text=True, env=environment, check=False)


@define
class Raises(Reference):
    """Has a fault of its own."""

    def ack(self, op: int, receipts: object, now: float) -> None:
        raise LookupError("no receipt")


def test_what_a_target_raises_is_not_swallowed() -> None:
    with pytest.raises(LookupError, match="no receipt"):
        run_sim_grade(FactorySetup(make=Raises), seed=1, cases=20)


class LooksAgain(Reference):
    """Sees that what it shows is what there is to see."""

    def look(self, receipts: Sequence[str]) -> Look:
        shown = super().look(receipts)
        assert self._stats == self._core.stats(count=False)
        return shown


@pytest.mark.no_cover
def test_what_is_shown_is_not_what_was_to_be_seen_before() -> None:
    assert run_sim_grade(FactorySetup(make=LooksAgain), seed=3, cases=3).finding is None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("commit", list(CommitPolicy))
def test_the_setup_says_which_store(level: Level, commit: CommitPolicy) -> None:
    target = ReferenceSetup(levels=(level,), commit=commit).target()
    assert isinstance(target, Reference)
    mode, merge = {"memory": ("async", True), "page-cache": ("async", False), "disk": ("sync", False)}[level.value]
    assert (target.config.mode, target.config.merge, target.config.commit) == (mode, merge, commit.value)
    assert target.config.logs == 1
    several = ReferenceSetup(levels=(level,), commit=commit, logs=3).target()
    assert isinstance(several, Reference)
    assert several.config == evolve(target.config, logs=3)


@pytest.mark.no_cover
def test_a_campaign_with_several_logs_says_so_and_its_findings_can_be_run_again(tmp_path: Path) -> None:
    report = run_sim_grade(ReferenceSetup(logs=2), seed=1, cases=2)
    assert report.finding is None, str(report.finding)
    assert report.ran["run with several logs"] == report.cases
    bug = bug_named("several-logs-share-one-mark-file")
    caught = run_sim_grade(
        ReferenceSetup(core=bug.core, bug=bug.name, logs=2), seed=1, cases=20, stop_at_first=True
    ).finding
    assert caught is not None
    assert "logs=2" in caught.test
    assert caught.clause.value in run_as_program(caught.test, tmp_path).stderr
