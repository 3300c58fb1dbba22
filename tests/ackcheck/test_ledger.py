"""The ledger: what is expected is told apart, and a ledger that is out of date is an error."""

import json
from datetime import date
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.findings import Finding, GradeReport
from ackcheck.given import MOST_SETTINGS
from ackcheck.ledger import BadLedger, Entry, as_toml, compared, read_ledger, updated
from ackcheck.subject import Subject
from ackcheck.suite import Plan
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause

TOYS = Path(__file__).parent / "grades" / "toys.py"
TODAY = date(2026, 6, 1)
LATE = Finding(Clause.NO_LIMBO, "q[3] did not come", "sim", 1)
EARLY = Finding(Clause.DEADLINE_IS_EXACT, "q[4] came early", "sim", 1)


def test_what_is_expected_is_told_apart() -> None:
    known = Entry(clause=Clause.NO_LIMBO, reason="known")
    told = compared([known], [LATE, EARLY], today=TODAY)
    assert (told.expected, told.new, told.errors) == ((LATE,), (EARLY,), ())


def test_a_pattern_looks_at_clause_and_reason() -> None:
    assert compared([Entry(pattern=r"limbo.*did not", reason="known")], [LATE], today=TODAY).new == ()
    assert compared([Entry(pattern="early", reason="known", status="flaky")], [LATE], today=TODAY).new == (LATE,)


def test_what_fails_must_come_and_what_is_flaky_may() -> None:
    assert "did not come" in compared([Entry(clause=Clause.NO_LIMBO, reason="known")], [], today=TODAY).errors[0]
    assert compared([Entry(clause=Clause.NO_LIMBO, reason="known", status="flaky")], [], today=TODAY).errors == ()


def test_what_a_run_that_was_cut_short_did_not_wait_for_is_told_and_is_no_error() -> None:
    entries = [Entry(clause=Clause.NO_LIMBO, reason="comes"), Entry(pattern="x.y", reason="later")]
    told = compared(entries, [LATE], today=TODAY, cut="it was interrupted")
    assert (told.errors, told.unwaited) == ((), ("'x.y' (later) was not waited for: it was interrupted",))
    assert updated(entries, [LATE], cut="it was interrupted") == tuple(entries)
    late = compared([Entry(pattern="x.y", reason="later", expires=date(2026, 5, 31))], [], today=TODAY, cut="so")
    assert "expired" in late.errors[0]


@pytest.mark.parametrize(("expires", "wrong"), [(date(2026, 5, 31), True), (TODAY, False)])
def test_an_entry_that_has_expired_is_an_error(expires: date, wrong: bool) -> None:
    entry = Entry(clause=Clause.NO_LIMBO, reason="known", expires=expires)
    assert bool(compared([entry], [LATE], today=TODAY).errors) == wrong


def test_an_update_keeps_what_comes_and_names_what_is_new(tmp_path: Path) -> None:
    entries = (
        Entry(clause=Clause.NO_LIMBO, reason='kno"wn', link="https://example.org", expires=TODAY),
        Entry(clause=Clause.CLOSE_DRAINS, reason="mended"),
        Entry(pattern="x.y", reason="at times", status="flaky"),
    )
    kept = updated(entries, [LATE, EARLY, EARLY])
    assert kept[:2] == (entries[0], entries[2])
    assert [entry.clause for entry in kept[2:]] == [Clause.DEADLINE_IS_EXACT]
    file = tmp_path / "known.toml"
    file.write_text(as_toml(kept), encoding="utf-8")
    assert read_ledger(file) == kept


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("x = 1", r"write entries as \[\[expected\]\]"),
        ("[[expected]]\nclause = 'no-limbo'", "write a reason"),
        ("[[expected]]\nreason = 'r'", "a clause or a pattern"),
        ("[[expected]]\nclause = 'no-limbos'\nreason = 'r'", "no clause 'no-limbos'; did you mean 'no-limbo'"),
        ("[[expected]]\npattern = '('\nreason = 'r'", r"known.toml: entry 1: '\(' is no regular expression"),
        ("[[expected]]\npattern = ['a']\nreason = 'r'", "write a regular expression, in quotes"),
        ("x = " + "[" * 100_000, "lists in lists"),
        ("#" * (MOST_SETTINGS + 1), "longer than 1 MiB"),
        ("[[expected]]\nclause = 'no-limbo'\nreason = 'r'\nstatus = 'odd'", "write fails or flaky"),
        ("[[expected]]\nclause = 'no-limbo'\nreason = 'r'\nexpires = 'soon'", "write a date"),
        ("[[expected]]\nclause = 'no-limbo'\nreason = 'r'\nwhy = 'x'", "write only clause"),
        ("[[", "cannot be read as TOML"),
    ],
)
def test_a_ledger_that_cannot_be_is_refused_with_its_mend(text: str, mend: str, tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadLedger, match=mend):
        read_ledger(file)
    assert CliRunner().invoke(main, ["run", "--expect", str(file)]).exit_code == 2


def test_what_a_later_run_of_a_case_found_is_compared_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the first that found something is told in full."""
    known, found = tmp_path / "known.toml", iter([LATE, EARLY])
    known.write_text(as_toml([Entry(clause=LATE.clause, reason="known")]), encoding="utf-8")

    def run_suite(subject: Subject, plan: Plan, *_: object) -> Verdict:
        report = GradeReport("process", 1, findings=[evolve(next(found), refutes=plan.levels)])
        return Verdict(subject.name, (ModeReport(plan.levels, (report,)),), cut="one case")

    monkeypatch.setattr("ackcheck.cli.run.run_suite", run_suite)
    words = ["run", "--faults", "process", "--case", "1", "--repeat", "2", "--expect", str(known), f"{TOYS}:Toy"]
    ran = CliRunner().invoke(main, words)
    assert (ran.exit_code, "not expected: deadline-is-exact: q[4] came early" in ran.stdout) == (1, True)


def test_the_command_writes_what_a_run_then_expects(tmp_path: Path) -> None:
    known, verdict = tmp_path / "known.toml", tmp_path / "verdict.json"
    run = ["run", "--faults", "process", "--seed", "1", "--level", "page-cache", "--case", "1", "--stop-at-first"]
    target = f"{TOYS}:WritesNothing"
    assert CliRunner().invoke(main, [*run, "--json", str(verdict), target]).exit_code == 1
    told = CliRunner().invoke(main, ["ledger", "update", str(known), "--from", str(verdict)])
    assert (told.exit_code, "1 expected, 1 of them without a reason" in told.stdout) == (0, True)
    again = CliRunner().invoke(main, [*run, "--expect", str(known), target])
    assert (again.exit_code, "expected: survives-process-crash" in again.stdout) == (0, True)
    never = Entry(clause=Clause.QUIESCENCE_IS_ZERO, reason="mended long ago")
    known.write_text(as_toml((*read_ledger(known), never)), encoding="utf-8")
    short = CliRunner().invoke(main, [*run, "--expect", str(known), target])
    assert (short.exit_code, "did not come" in short.stdout) == (4, False)
    not_waited = "quiescence-is-zero (mended long ago) was not waited for: --case runs one case of many"
    assert f"in the ledger: {not_waited}" in short.stdout
    told = CliRunner().invoke(main, ["ledger", "update", str(known), "--from", str(verdict)])
    assert "2 expected, 1 of them" in told.stdout
    assert "nothing was taken out: --case runs one case of many" in told.stdout
    whole = json.loads(verdict.read_text(encoding="utf-8")) | {"cut": ""}
    verdict.write_text(json.dumps(whole), encoding="utf-8")
    assert CliRunner().invoke(main, ["ledger", "update", str(known), "--from", str(verdict)]).exit_code == 0
    assert never not in read_ledger(known)
    for wrong in ("[]", '{"findings": null}'):
        verdict.write_text(wrong, encoding="utf-8")
        assert CliRunner().invoke(main, ["ledger", "update", str(known), "--from", str(verdict)]).exit_code == 2
