"""What a hunt for one bug on real files says, without hunting."""

from typing import Any

import pytest
from click.testing import CliRunner
from tests.hunts import zoo_on_files
from tests.hunts.zoo_on_files import RIGHT, Hunt, hunt, main, row

from ackcheck.findings import Finding, GradeReport
from ackcheck.rig.errors import TargetHung
from ackmodel import Clause

BUG = "retry-fsync-after-eio-reports-success"


def saying(clause: Clause | None) -> Any:
    def judged(_target: str, _level: object, *, seed: int, **_: object) -> GradeReport:
        report = GradeReport("disk", seed)
        if clause:
            report.found(Finding(clause, "why", "disk", seed))
        return report

    return judged


def test_a_bug_is_hunted_by_grade_after_grade_until_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    grades = {"process": saying(None), "disk": saying(Clause.FLUSH_IS_REAL), "power": saying(Clause.NO_LIMBO)}
    monkeypatch.setattr(zoo_on_files, "GRADES", grades)
    found = hunt(BUG, 7, ["process", "disk", "power"])
    assert (found.grade, found.clause) == ("disk", "flush-is-real")
    assert hunt(BUG, 7, ["process"]).grade == ""


def test_a_store_that_cannot_be_worked_with_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*_: object, **__: object) -> GradeReport:
        raise TargetHung("ack", 1.0)

    monkeypatch.setattr(zoo_on_files, "GRADES", {"process": hanging})
    assert hunt(BUG, 1, ["process"]).clause == "TargetHung"


def test_a_line_says_how_often_by_what_and_how_soon() -> None:
    hunts = [Hunt("b", 1, "disk", "no-limbo", 4.0), Hunt("b", 2, "", "", 9.0), Hunt("b", 3, "disk", "no-limbo", 6.0)]
    assert row("b", hunts) == "| b | 2 of 3 | `no-limbo` (disk) 2 | 6 |"


@pytest.mark.parametrize(("clause", "code", "unseen"), [(None, 0, BUG), (Clause.NO_LIMBO, 1, "none")])
def test_a_right_store_must_not_be_found(
    monkeypatch: pytest.MonkeyPatch, clause: Clause | None, code: int, unseen: str
) -> None:
    monkeypatch.setattr(zoo_on_files, "GRADES", {"disk": saying(clause)})
    ran = CliRunner().invoke(main, ["--faults", "disk", "--only", BUG])
    assert ran.exit_code == code
    assert RIGHT in ran.output
    assert f"Not seen from outside: {unseen}" in ran.output


def test_a_grade_that_there_is_not_is_named() -> None:
    assert "no grade 'fire'" in CliRunner().invoke(main, ["--faults", "fire"]).output
