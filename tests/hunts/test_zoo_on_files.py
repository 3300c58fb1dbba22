"""What a hunt for one bug on real files says, without hunting."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.hunts import bug_on_files, images, zoo_on_files
from tests.hunts.bug_on_files import RIGHT, Hunt, hunt
from tests.hunts.one_cut import Judged
from tests.hunts.zoo_on_files import main, row

from ackcheck.findings import Finding, GradeReport
from ackcheck.rig.errors import TargetHung
from acklab.zoo.table import BEGIN, END
from ackmodel import Clause, CommitPolicy

BUG = "retry-fsync-after-eio-reports-success"
OF_A_CHECKPOINT = "premature-offset-commit-before-record-flush"


def saying(clause: Clause | None, asked: list[dict[str, object]] | None = None) -> Any:
    def judged(_target: str, _level: object, *, seed: int, **more: object) -> GradeReport:
        if asked is not None:
            asked.append(more)
        report = GradeReport("disk", seed)
        if clause:
            report.found(Finding(clause, "why", "disk", seed))
        return report

    return judged


def test_a_bug_is_hunted_by_grade_after_grade_until_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    grades = {"process": saying(None), "disk": saying(Clause.FLUSH_IS_REAL), "power": saying(Clause.NO_LIMBO)}
    monkeypatch.setattr(bug_on_files, "GRADES", grades)
    found = hunt(BUG, 7, ["process", "disk", "power"])
    assert (found.grade, found.clause, found.why) == ("disk", "flush-is-real", "why")
    assert hunt(BUG, 7, ["process"]).grade == ""


def test_a_bug_is_judged_by_the_quick_profile_and_its_own_commit_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(bug_on_files, "GRADES", {"power": saying(None, asked)})
    hunt(OF_A_CHECKPOINT, 7, ["power"])
    [how] = asked
    assert (how["commit"], how["rounds"], how["stalls"]) == (CommitPolicy.CHECKPOINT, 5, 1)


def test_a_store_that_cannot_be_worked_with_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*_: object, **__: object) -> GradeReport:
        raise TargetHung("ack", 1.0)

    monkeypatch.setattr(bug_on_files, "GRADES", {"process": hanging})
    assert hunt(BUG, 1, ["process"]).clause == "TargetHung"


def test_one_hunt_is_a_line_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug_on_files, "GRADES", {"disk": saying(Clause.NO_LIMBO)})
    told = json.loads(CliRunner().invoke(bug_on_files.main, [BUG, "--faults", "disk"]).output)
    assert (Hunt(**told).bug, Hunt(**told).clause) == (BUG, "no-limbo")


def test_a_line_says_how_often_by_what_and_how_soon() -> None:
    hunts = [Hunt(BUG, 1, "disk", "no-limbo", "", 4.0), Hunt(BUG, 2, "", "", "", 9.0)]
    hunts.append(Hunt(BUG, 3, "disk", "no-limbo", "", 6.0))
    assert row(BUG, hunts) == f"| `{BUG}` | 2 of 3 | `no-limbo` (disk, 2) | 5 (6) |"


@pytest.mark.parametrize(("found", "code", "unseen"), [("", 0, f"`{BUG}`"), ("disk", 1, "none")])
def test_a_right_store_must_not_be_found_and_the_page_says_who_was_not_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: str, code: int, unseen: str
) -> None:
    def told(programs: list[tuple[str, ...]], **_: object) -> list[tuple[object, object]]:
        hunts = (
            {"bug": one[2], "seed": 1, "grade": found, "clause": "", "why": "", "seconds": 1.0} for one in programs
        )
        return [((), one) for one in hunts]

    monkeypatch.setattr(zoo_on_files, "in_slices", told)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    ran = CliRunner().invoke(main, ["--faults", "disk", "--only", BUG, "--page", str(page)])
    assert ran.exit_code == code
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert RIGHT in text
    assert f"Not seen from outside: {unseen}" in text


def test_a_grade_that_there_is_not_is_named() -> None:
    assert "no grade 'fire'" in CliRunner().invoke(main, ["--faults", "fire"]).output


@pytest.mark.parametrize(("found", "code"), [("", 0), ("no-limbo: why", 1)])
def test_images_are_counted_and_a_finding_on_one_ends_in_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, found: str, code: int
) -> None:
    def told(programs: list[tuple[str, ...]], **_: object) -> list[tuple[object, object]]:
        cuts = (
            Judged(one[2], one[4], 1, images=1000, folded=7, without=0, seconds=80.0, found=found) for one in programs
        )
        return [((), {name: getattr(cut, name) for name in Judged.__annotations__}) for cut in cuts]

    monkeypatch.setattr(images, "in_slices", told)
    ran = CliRunner().invoke(images.main, ["--cuts", "2", "--only", "SQLite, WAL"])
    assert ran.exit_code == code
    assert f"| SQLite, WAL | xfs | 2 | 2,000 | 14 | 0 | 12.5 | {2 * code} |" in ran.output
    assert "6,000 images in all." in ran.output
