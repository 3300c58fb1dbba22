"""The disk grade keeps a right store on every image, and sees what one outcome a cut would seldom show."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from ackcheck.cli.disk import disk as disk_command
from ackcheck.disk.available import missing
from ackcheck.findings import GradeReport
from ackcheck.grades import disk, run_disk_grade
from ackcheck.grades.campaign import Campaign
from ackcheck.grades.disk import _Round
from ackcheck.grades.spares import Spares
from ackcheck.hits import Fault
from ackcheck.rig.exchange import Killed
from ackmodel import Clause, Level

TOYS = Path(__file__).with_name("toys.py")


def graded(
    name: str, prelude: disk.Prelude, filesystem: str = "ext4", *, images: int = 4, evidence: Path | None = None
) -> GradeReport:
    """Judge a toy by one cut, after one prelude."""
    return run_disk_grade(
        f"{TOYS}:{name}",
        Level.DISK,
        seed=disk.PRELUDES.index(prelude),
        rounds=1,
        filesystem=filesystem,
        images=images,
        evidence=evidence,
    )


@pytest.fixture
def disk_grade() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize(("prelude", "filesystem"), [("at a flush", "ext4"), ("held", "xfs"), ("nothing", "btrfs")])
def test_right_store_is_kept_on_every_image(prelude: disk.Prelude, filesystem: str) -> None:
    if reason := missing(filesystem):
        pytest.skip(reason)
    report = graded("Toy", prelude, filesystem)
    assert report.finding is None
    assert report.ran["images judged"] >= 1
    assert report.checked[Clause.SURVIVES_POWER_LOSS]
    assert report.hits.seen(Fault.POWER_LOSS) == 1
    assert report.ran["SIGKILL while syncs are held"] == (prelude == "held")


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize(("name", "prelude"), [("NeverSyncs", "nothing"), ("SyncsAgain", "writes")])
def test_wrong_store_is_seen_through_and_the_image_is_kept(name: str, prelude: disk.Prelude, tmp_path: Path) -> None:
    report = graded(name, prelude, evidence=tmp_path / "findings")
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS
    assert any("from an image" in line.text for line in report.finding.lines)
    assert report.finding.case == 1
    images = list((tmp_path / "findings").glob("*/image.gz"))
    assert images
    command = ["--mount", str(images[0]), "--", "sh", "-c", f"cp -r . {tmp_path / 'copied'}; exit 7"]
    assert CliRunner().invoke(disk_command, command).exit_code == 7
    assert (tmp_path / "copied").is_dir()


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_store_that_panics_at_a_failed_sync_is_kept() -> None:
    report = graded("Panics", "writes")
    assert report.finding is None
    assert report.ran["the target ended at a failed sync"] == 1
    assert report.hits.refused(Fault.FAILED_SYNC)


def test_machine_that_cannot_have_a_disk_judges_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.grades.disk.missing", lambda *_: "a disk needs root")
    report = run_disk_grade(f"{TOYS}:Toy", Level.DISK)
    assert (report.not_judged, report.cases, report.finding) == ("a disk needs root", 0, None)


def test_three_cases_in_a_row_have_refused_writes_among_them() -> None:
    twice = disk.PRELUDES * 2
    assert all("writes" in twice[start : start + 3] for start in range(len(disk.PRELUDES)))


def test_what_was_answered_while_the_disk_failed_is_forgiven_though_it_is_read_after_the_cut() -> None:
    forgiven: list[bool] = []
    session: Any = SimpleNamespace(
        note_end=lambda *_: None,
        ran=Counter(),
        traffic=SimpleNamespace(forgiving=True),
        hit=lambda *_, **__: None,
        stopped=lambda *_: forgiven.append(session.traffic.forgiving),
        child=None,
    )
    cut: Any = SimpleNamespace(lost=0)
    machine: Any = SimpleNamespace(
        drive=SimpleNamespace(counts=lambda: {"refused": 1}),
        cut=lambda _: (Killed(answered=(), unanswered=()), cut),
    )
    assert _Round(cast(Campaign, None), session, machine, "writes", cast(Spares, None), 1)._cut() is cut
    assert (forgiven, session.traffic.forgiving) == ([True], False)
