"""The suite as a pytest plugin, and as plain functions: run in a pytest of its own, with a short campaign."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ackcheck.findings import Finding, GradeReport
from ackcheck.ledger import Entry
from ackcheck.outcomes import NotJudged, Refuted, UnknownName, assert_kept, names, outcomes
from ackcheck.subject import NoSuchTarget
from ackcheck.suite import BadRequest, judge
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause, Level

BROKEN = """
from acklab.reference.stepped import Reference
from acklab.zoo import bug_named

def broken():
    return Reference(core_class=bug_named("old-segment-not-fsynced-on-rotation").core)
"""
SHORT = """
import ackcheck.suite
ackcheck.suite.efforts = lambda profile: {"sim": 5}
"""
LEDGER = """
[[expected]]
clause = "survives-power-loss"
reason = "not synced yet"
link = "https://example.org/7"

[[expected]]
clause = "reply-exactly-once"
reason = "was mended"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "target.py").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(SHORT, encoding="utf-8")
    (tmp_path / "known.toml").write_text(LEDGER, encoding="utf-8")
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest there, with the plugin named, as it may not be installed."""
    fixed = ["-p", "no:ackcheck", "-p", "ackcheck.pytest_plugin", "-p", "no:cacheprovider", "-c", "/dev/null"]
    words = [sys.executable, "-m", "pytest", *fixed, "--rootdir", str(project), "-o", "junit_family=xunit2", *options]
    return subprocess.run(words, cwd=project, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.no_cover
def test_each_clause_is_a_test_and_what_the_ledger_expects_is_an_xfail(project: Path) -> None:
    chosen = ["--ackcheck-target=target.py:broken", "--ackcheck-faults=sim", "--ackcheck-level=page-cache"]
    ran = run(project, *chosen, "--ackcheck-seed=1", "--ackcheck-ledger=known.toml", "--junit-xml=out.xml")
    assert "ackcheck: target.py:broken, seed 1" in ran.stdout
    assert ran.returncode == 1, ran.stdout
    rows = {str(row.get("name")): row for row in ET.parse(project / "out.xml").iter("testcase")}
    assert tuple(rows) == names()
    assert "not synced yet https://example.org/7" in ET.tostring(rows["clause.survives-power-loss"], "unicode")
    assert "remove the entry" in ET.tostring(rows["clause.reply-exactly-once"], "unicode")  # was expected, and is kept
    assert "another level" in ET.tostring(rows["level.disk"], "unicode")
    failed = {name for name, row in rows.items() if row.find("failure") is not None}
    assert failed >= {"clause.reply-exactly-once", "level.page-cache"}
    assert "clause.survives-power-loss" not in failed


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--ackcheck-target=target.py:broken", "--ackcheck-ledger=none.toml"], "none.toml cannot be read"),
    ],
)
def test_what_cannot_be_run_ends_pytest_with_a_mend(project: Path, options: list[str], why: str) -> None:
    ran = run(project, *options)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert why in ran.stdout + ran.stderr


def test_without_a_target_the_plugin_adds_nothing_and_imports_nothing_of_the_suite(project: Path) -> None:
    (project / "conftest.py").unlink()
    test = "import sys\ndef test_it(): assert 'ackcheck.suite' not in sys.modules and 'ackmodel' not in sys.modules\n"
    (project / "test_it.py").write_text(test, encoding="utf-8")
    ran = run(project)
    assert (ran.returncode, "1 passed" in ran.stdout) == (0, True), ran.stdout


def verdict(*findings: Finding) -> Verdict:
    report = GradeReport("sim", seed=1, cases=1, findings=list(findings), simulated=True)
    report.checked[Clause.NO_RETURN] = 3
    return Verdict("a store", (ModeReport((Level.DISK,), (report,)),))


LIMBO = Finding(Clause.NO_LIMBO, "late", "sim", 1, refutes=(Level.DISK,))


def test_plain_functions_say_what_is_kept_broken_expected_and_not_judged() -> None:
    assert_kept(verdict(), "no-return")
    with pytest.raises(Refuted, match="late"):
        assert_kept(verdict(LIMBO), "no-limbo")
    with pytest.raises(Refuted, match="refuted by no-limbo"):
        assert_kept(verdict(LIMBO), "level.disk")
    with pytest.raises(NotJudged, match="never at stake"):
        assert_kept(verdict(), "flush-is-real")
    with pytest.raises(UnknownName, match="no clause or level 'no-limb'"):
        assert_kept(verdict(), "no-limb")


def test_an_entry_that_has_expired_excuses_nothing_and_one_that_is_flaky_may_stay_away() -> None:
    old = Entry(clause=Clause.NO_LIMBO, reason="x", expires=date(2026, 1, 1))
    assert outcomes(verdict(LIMBO), [old], today=date(2026, 1, 1))["clause.no-limbo"].status == "expected"
    assert outcomes(verdict(LIMBO), [old], today=date(2026, 1, 2))["clause.no-limbo"].status == "broken"
    flaky = Entry(clause=Clause.NO_RETURN, reason="x", status="flaky")
    assert outcomes(verdict(), [flaky])["clause.no-return"].status == "kept"
    fails = Entry(clause=Clause.NO_RETURN, reason="x")
    assert outcomes(verdict(), [fails])["clause.no-return"].status == "unexpectedly-kept"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"level": "paper"}, "no level 'paper'"),
        ({"profile": "slow"}, "no profile 'slow'"),
        ({"faults": ["rain"]}, "no grade 'rain'"),
    ],
)
def test_what_there_is_not_is_refused_by_name(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        judge("a:b", **wrong)  # type: ignore[arg-type]
    with pytest.raises(NoSuchTarget, match="as a list"):
        judge("no-colon")
