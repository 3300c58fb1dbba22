"""The power grade: what was synced is there, what was not is caught, and a sync that lies is seen through."""

import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.cli.run import run
from ackcheck.grades import power, run_power_grade
from ackcheck.grades.rounds import LONG_SEGMENT, Kind
from ackcheck.grades.session import Session
from ackcheck.hits import Fault
from ackcheck.promises import Promises
from ackcheck.rig import Range, TargetError, Writeback
from ackcheck.rig.machine import shut_down
from ackcheck.rig.writeback import NOTHING
from ackcheck.suite import LEVELS
from acklab.reference import files as reference
from acklab.zoo import BUGS
from ackmodel import Clause, Level

TOYS = Path(__file__).with_name("toys.py")
FILES = Path(__file__).with_name("files.py")

on_machine = pytest.mark.usefixtures("machine_grade")


@on_machine
@pytest.mark.machine
@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_store_keeps_its_level(level: Level) -> None:
    told: list[int] = []
    report = run_power_grade(
        reference.name_of(level),
        level,
        seed=4,
        rounds=2,
        failed_syncs=0,
        progress=lambda report: told.append(report.ran["power loss"]),
    )
    assert report.finding is None, str(report.finding)
    assert (report.grade, report.cases, report.not_judged) == ("power", 1, "")
    assert report.ran["power loss"] == 2
    assert (report.hits.seen(Fault.POWER_LOSS), report.hits.reasons(Fault.POWER_LOSS)) == (2, ())
    assert report.ran["clean restart"] == 1
    assert told[-1] == 2
    assert report.checked[Clause.SURVIVES_POWER_LOSS] > 0


@on_machine
@pytest.mark.machine
@pytest.mark.parametrize(("level", "segment_bytes"), list(zip(LEVELS, (LONG_SEGMENT, None, LONG_SEGMENT), strict=True)))
def test_the_reference_store_keeps_its_level_when_a_sync_fails(
    level: Level, segment_bytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "SEGMENTS", (segment_bytes,))
    report = run_power_grade(reference.name_of(level), level, seed=4, rounds=0)
    assert report.finding is None, str(report.finding)
    assert (report.cases, report.ran["full disk"], report.ran["clean restart"]) == (2, 2, 2)
    assert report.ran["failed fsync"] > 0
    assert (report.hits.tried(Fault.FAILED_SYNC), report.hits.seen(Fault.FAILED_SYNC)) == (2, 2)
    assert report.hits.refused(Fault.FAILED_SYNC) == report.ran["failed fsync"]
    assert report.ran["file system that gave up"] == 1
    assert report.checked[Clause.SURVIVES_POWER_LOSS] > 0
    assert report.checked[Clause.FLUSH_REWRITES] > 0


@on_machine
@pytest.mark.machine
@pytest.mark.parametrize("journal", ["spared", "starved"])
def test_a_right_store_that_is_not_ours_passes_a_failed_sync(monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    monkeypatch.setattr(power, "JOURNALS", (journal,))
    report = run_power_grade(f"{TOYS}:Toy", Level.DISK, rounds=0, failed_syncs=1)
    assert report.finding is None, str(report.finding)
    assert report.ran["full disk"] == 1
    assert report.ran["calls that raised"] > 0  # it says that it could not


@on_machine
@pytest.mark.machine
def test_what_a_file_system_said_ok_to_after_it_gave_up_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "JOURNALS", ("starved",))
    report = run_power_grade(f"{FILES}:Mirrored", Level.DISK, seed=1, rounds=0, failed_syncs=2)
    assert report.finding is None, str(report.finding)
    assert report.ran["file system that gave up"] > 0


@on_machine
@pytest.mark.machine
def test_a_store_that_never_syncs_is_caught() -> None:
    report = run_power_grade(f"{TOYS}:NeverSyncs", Level.DISK, seed=4, rounds=4, failed_syncs=0, stop_at_first=True)
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS
    assert any(line.lane == "disk" and line.text.startswith("the power goes") for line in report.finding.lines)
    assert any(line.lane == "page cache" for line in report.finding.lines)


@on_machine
@pytest.mark.machine
def test_the_level_decides_what_may_be_lost() -> None:
    async_store, seed = reference.name_of(Level.PAGE_CACHE), 1
    flushed = run_power_grade(async_store, Level.DISK, seed=seed, rounds=6, failed_syncs=0, stop_at_first=True)
    while flushed.finding is None and seed < 5:  # how much is not synced when the power goes is the machine's
        seed += 1
        flushed = run_power_grade(async_store, Level.DISK, seed=seed, rounds=6, failed_syncs=0, stop_at_first=True)
    assert flushed.finding is not None  # an asynchronous store that claims to be synchronous
    # An ack or a delivery; or a renewal, or a release: whichever the power took.
    assert flushed.finding.clause in (Clause.SURVIVES_POWER_LOSS, Clause.DEADLINE_IS_EXACT, Clause.NO_LIMBO)


@on_machine
@pytest.mark.machine
def test_a_store_that_believes_the_second_sync_is_caught() -> None:
    report = run_power_grade(f"{TOYS}:SyncsAgain", Level.DISK, seed=1, rounds=0, failed_syncs=2, stop_at_first=True)
    assert report.finding is not None
    assert report.finding.clause in (Clause.SURVIVES_POWER_LOSS, Clause.FLUSH_REWRITES)


@on_machine
@pytest.mark.machine
def test_the_command_catches_fsyncgate() -> None:
    """At the quick profile, with nothing but the target named: the cases themselves ask for long segments."""
    bug = BUGS["retry-fsync-after-eio-reports-success"]
    target = reference.name_of(bug.level, bug.name)
    ran = CliRunner().invoke(
        run, [target, "--level", bug.level.value, "--faults", "power", "--seed", "1", "--stop-at-first", "--json", "-"]
    )
    assert ran.exit_code == 1, ran.output
    verdict = json.loads(ran.stdout)
    [report] = verdict["runs"]
    assert {found["clause"] for found in verdict["findings"]} <= {clause.value for clause in bug.breaks}
    assert report["ran"]["failed fsync"] > 0


@on_machine
@pytest.mark.machine
def test_a_right_store_with_all_there_can_be_keeps_its_level() -> None:
    report = run_power_grade(f"{TOYS}:Extended", Level.DISK, seed=2, rounds=2, failed_syncs=1)
    assert report.finding is None, str(report.finding)
    assert report.lacks == {"leave"}
    assert {"renew", "release", "dead"} <= set(report.ran)


@on_machine
@pytest.mark.machine
def test_a_reset_that_is_only_in_memory_is_caught() -> None:
    report = run_power_grade(f"{TOYS}:ResetsInMemory", Level.DISK, seed=1, rounds=8, failed_syncs=0, stop_at_first=True)
    assert report.finding is not None
    # Which falls first depends on what the store shows first: that the reset is undone, what the offset has passed, or
    # a dead letter that was to begin anew.
    assert report.finding.clause in {Clause.COMMIT_IS_MONOTONE, Clause.DERIVED_NEVER_AHEAD, Clause.NO_LIMBO}


@on_machine
@pytest.mark.machine
def test_one_case_is_run_by_itself() -> None:
    assert power.cases(2) == 5  # two failed syncs, as many cases as there are losses, at most, and one of held syncs
    for _ in range(3):  # whether the file system has given up by then is a matter of how busy the machine is
        report = run_power_grade(f"{TOYS}:Toy", Level.DISK, rounds=2, only=2)
        assert (report.cases, report.ran["full disk"], report.ran["power loss"]) == (1, 1, 0)
        if report.ran["file system that gave up"] == 1:
            break
    else:
        pytest.fail("it never gave up")


@on_machine
@pytest.mark.machine
def test_a_target_that_ends_itself_at_a_failed_sync_is_in_its_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "JOURNALS", ("spared",))
    ended = 0
    for seed in range(1, 9):  # on a busy machine its first sync may come before the disk is full
        report = run_power_grade(f"{TOYS}:Panics", Level.DISK, seed=seed, rounds=0, failed_syncs=1)
        assert report.finding is None, str(report.finding)
        ended = report.ran["the target ended at a failed sync"]
        if ended:
            break
    assert ended == 1


@on_machine
@pytest.mark.machine
def test_a_target_that_raises_on_a_disk_that_works_is_named() -> None:
    with pytest.raises(TargetError, match="LookupError"):
        run_power_grade(f"{TOYS}:Raises", Level.DISK, rounds=1, failed_syncs=0)


@on_machine
@pytest.mark.machine
def test_a_store_that_cannot_be_opened_because_of_the_rig_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_open = Session.begin_open

    def on_a_dead_disk(session: Session) -> None:
        if session.ran["power loss"]:
            shut_down(session.directory)
        begin_open(session)

    monkeypatch.setattr(Session, "begin_open", on_a_dead_disk)
    ran = CliRunner().invoke(
        main, ["run", f"{TOYS}:Toy", "--level", "disk", "--faults", "power", "--seed", "1", "--case", "3"]
    )
    assert ran.exit_code == 3, ran.output
    assert "the file system of the rig does not work" in ran.stderr


def test_a_machine_that_cannot_lose_its_power_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "available", lambda: "there is no /dev/loop-control")
    report = run_power_grade("no.such:target", Level.DISK, seed=5)
    assert report.not_judged == "needs root and loop devices: there is no /dev/loop-control"
    assert (report.grade, report.seed, report.cases, report.finding) == ("power", 5, 0, None)


def test_what_the_kernel_wrote_is_described() -> None:
    plan = Writeback(files=("offsets",), ranges=(Range("log", 4096, 4096),), metadata=True)
    assert power.described(plan) == "log @4096, all of offsets, the journal"
    assert power.described(Writeback()) == "nothing"


@pytest.mark.parametrize(
    ("kind", "window", "alone"),
    [("last", 0.0, True), ("single", 0.0, True), ("long", 0.0, False), ("long", 0.05, True), ("burst", 0.05, False)],
)
def test_the_kernel_does_not_do_what_an_idle_store_promises_to_do(
    kind: Kind, window: float, alone: bool, tmp_path: Path
) -> None:
    """Else one that never syncs once it is idle would be helped."""
    (tmp_path / "log").write_bytes(bytes(1 << 16))
    promises = Promises(loss_window=window)
    chosen = [power.by_itself(kind, promises, Random(seed), tmp_path) for seed in range(20)]
    assert all(one == NOTHING for one in chosen) is alone
