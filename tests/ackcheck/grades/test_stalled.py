"""A kill while syncs are held takes what a store kept to itself meanwhile, and nothing else."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ackcheck.disk import Cut, Disk
from ackcheck.disk.available import missing
from ackcheck.disk.filesystem import named
from ackcheck.findings import GradeReport
from ackcheck.grade import Job
from ackcheck.grades import campaign, process, run_disk_grade, run_power_grade, run_process_grade
from ackcheck.grades.before_cut import PRELUDES
from ackcheck.grades.session import Session
from ackcheck.grades.stalled import hold, lost_by
from ackcheck.hits import Fault
from ackcheck.rig import RigError
from ackcheck.rig.exchange import Killed
from ackcheck.subject import Subject
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

HERE = Path(__file__).parent


@pytest.fixture
def disk_grade() -> None:
    if reason := missing():
        pytest.skip(reason)


def killed_while_held(name: str) -> GradeReport:
    return run_process_grade(f"{HERE / name}", Level.PAGE_CACHE, seed=1, rounds=0, stalls=1, stop_at_first=True)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_what_is_kept_back_while_a_sync_is_under_way_is_lost() -> None:
    report = killed_while_held("behind.py:SyncsBehind")
    assert report.finding is not None
    assert (report.finding.clause, report.finding.case) == (Clause.SURVIVES_PROCESS_CRASH, 1)
    assert report.hits.refused(Fault.STALLED_SYNC) == report.hits.as_json()["held_syncs"] >= 1
    assert "syncs held" in str(report.hits)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_what_the_kernel_was_given_is_kept() -> None:
    report = killed_while_held("toys.py:Toy")
    assert report.finding is None
    assert report.hits.seen(Fault.STALLED_SYNC) == report.ran["SIGKILL while syncs are held"] == 1


def _finds_while_held(session: Session, disk: Disk) -> tuple[int, int]:
    assert hold(session, disk)[1]
    raise Broken(Clause.NO_LIMBO, "a finding while the target waits for a flush")


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize("grade", ["process", "disk"])
def test_what_is_found_while_a_sync_is_held_ends_the_target_all_the_same(
    grade: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that waits for a flush outlives its SIGKILL for as long as that is held."""
    monkeypatch.setattr("ackcheck.grades.stalled.hold", _finds_while_held)
    if grade == "process":
        report = killed_while_held("toys.py:Toy")
    else:
        monkeypatch.setattr("ackcheck.grades.disk.kill_while_held", lambda _session, _disk: None)
        at = PRELUDES.index("held")
        report = run_disk_grade(f"{HERE / 'toys.py:Toy'}", Level.DISK, seed=at, rounds=1, filesystem="ext4")
    assert report.cases == 1


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_a_store_that_never_syncs_was_not_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.grades.stalled.SLICES", 1)
    report = killed_while_held("toys.py:NeverSyncs")
    assert report.hits.seen(Fault.STALLED_SYNC) == 0
    assert "asked for none meanwhile" in report.hits.reasons(Fault.STALLED_SYNC)[0]


def test_where_there_can_be_no_disk_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "missing", lambda *_: "a disk needs root")
    report = run_process_grade("no.such:target", Level.DISK, rounds=0, stalls=1)
    assert report.cases == 0
    assert report.ran["SIGKILL while syncs are held, not tried: a disk needs root"] == 1


class Made(RigError):
    """A disk was to be made."""


def test_the_disk_that_holds_syncs_is_as_large_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int | None] = []

    def make(folder: Path, filesystem: str, *, size: int | None) -> None:
        sizes.append(size)
        raise Made

    monkeypatch.setattr(campaign, "missing", lambda filesystem: "")
    monkeypatch.setattr(campaign, "Disk", make)
    for mib in (None, 1, 256):
        with pytest.raises(Made):
            process.judge(Job(Subject(f"{HERE / 'toys.py'}:Toy"), (Level.DISK,), 0, 1, disk_mib=mib))
    assert sizes == [None, named("ext4").smallest, 256 << 20]


def cut_while_held(name: str) -> GradeReport:
    return run_power_grade(f"{HERE / name}", Level.DISK, seed=1, rounds=0, failed_syncs=0, stalls=1, stop_at_first=True)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_what_is_answered_while_a_sync_is_under_way_is_lost_with_the_power() -> None:
    report = cut_while_held("toys.py:NeverSyncs")
    assert report.finding is not None
    assert (report.finding.clause, report.finding.case) == (Clause.SURVIVES_POWER_LOSS, 1)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_who_waits_for_its_syncs_has_lost_nothing_with_the_power() -> None:
    report = cut_while_held("toys.py:Toy")
    assert report.finding is None
    assert report.hits.seen(Fault.POWER_LOSS) == 1
    assert report.hits.seen(Fault.STALLED_SYNC) == report.ran["power loss while syncs are held"] == 1


def test_what_only_the_file_system_wrote_is_not_what_the_target_wrote() -> None:
    """A store whose server is elsewhere was kept at level DISK: the file system had lost bytes of its own."""
    cut = cast(Cut, SimpleNamespace(lost=4096))
    assert lost_by(Killed(answered=(), unanswered=(), wrote=0), cut) == 0
    assert lost_by(Killed(answered=(), unanswered=(), wrote=2), cut) == 4096
