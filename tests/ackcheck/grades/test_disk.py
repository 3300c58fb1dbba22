"""The disk grade keeps a right store on every image, and sees what one outcome a cut would seldom show."""

import contextlib
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from ackcheck.cli.disk import disk as disk_command
from ackcheck.disk import Disk
from ackcheck.disk import Fault as DiskFault
from ackcheck.disk.available import missing
from ackcheck.findings import GradeReport
from ackcheck.grades import run_disk_grade
from ackcheck.grades.before_cut import PRELUDES, WAITING, BeforeCut, Prelude
from ackcheck.grades.campaign import Campaign
from ackcheck.grades.causes import Causes
from ackcheck.grades.disk import _Round
from ackcheck.grades.giving_up import believe_syncs
from ackcheck.grades.reached import CHANGED, FULL, REFUSED, Reached, never_reached
from ackcheck.grades.reached import HELD as HELD_SYNCS
from ackcheck.grades.rounds import HELD, MANY
from ackcheck.grades.session import Session
from ackcheck.grades.spares import Spares
from ackcheck.grades.stalled import GIVING_UP, ask_while_held, hold
from ackcheck.grades.workload import Call
from ackcheck.history import History
from ackcheck.hits import Fault
from ackcheck.rig.errors import TargetDied
from ackcheck.rig.exchange import Killed
from ackcheck.rig.killpoint import AfterDelay, KillPoint
from ackmodel import Clause, Level

TOYS = Path(__file__).with_name("toys.py")


def graded(
    name: str,
    prelude: Prelude,
    filesystem: str = "ext4",
    *,
    images: int = 4,
    evidence: Path | None = None,
    again: int = 0,
) -> GradeReport:
    """Judge a toy by one cut, after one prelude; `again` for other seeds."""
    return run_disk_grade(
        f"{TOYS}:{name}",
        Level.DISK,
        seed=PRELUDES.index(prelude) + again * len(PRELUDES),
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
def test_right_store_is_kept_on_every_image(prelude: Prelude, filesystem: str) -> None:
    if reason := missing(filesystem):
        pytest.skip(reason)
    report = graded("Toy", prelude, filesystem)
    assert report.finding is None
    assert report.ran["images judged"] >= 1
    assert report.ran["images judged with a torn block"] <= report.ran["images judged"]
    assert "images judged with a torn block" in report.ran, "it is told where there were none, too"
    assert report.checked[Clause.SURVIVES_POWER_LOSS]
    assert report.hits.seen(Fault.POWER_LOSS) == 1
    assert report.ran["SIGKILL while syncs are held"] == (prelude == "held")


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_a_store_that_cannot_use_an_image_that_it_has_opened_is_caught() -> None:
    target = f"{TOYS.with_name('files.py')}:RaisesAtTheSecondOpen"
    report = run_disk_grade(target, Level.DISK, rounds=1, filesystem="ext4", images=1, stop_at_first=True)
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS
    assert "the log is malformed" in report.finding.why


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize(("name", "prelude"), [("NeverSyncs", "nothing"), ("SyncsAgain", "writes")])
def test_wrong_store_is_seen_through_and_the_image_is_kept(name: str, prelude: Prelude, tmp_path: Path) -> None:
    report = graded(name, prelude, evidence=tmp_path / "findings")
    for again in range(1, 6):  # a record that is refused alone is mended by the next one in its block
        if report.finding is None:
            report = graded(name, prelude, evidence=tmp_path / "findings", again=again)
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
@pytest.mark.parametrize(
    ("name", "filesystem", "kept"), [("toys.py:Toy", "xfs", True), ("files.py:GoesOnBehindAPart", "ext4", False)]
)
def test_what_a_full_disk_takes_a_part_of_is_no_record(name: str, filesystem: str, kept: bool) -> None:
    if reason := missing(filesystem):
        pytest.skip(reason)
    target, at = f"{TOYS.with_name(name)}", PRELUDES.index("full")
    report = run_disk_grade(
        target, Level.DISK, seed=at, rounds=1, filesystem=filesystem, images=4, disk_bytes=1536 << 20
    )
    assert report.ran["refused while the disk was full"] > 0
    assert not never_reached(report.in_play)
    if not kept:
        assert report.finding is not None
        assert report.finding.clause in (Clause.SURVIVES_POWER_LOSS, Clause.SURVIVES_PROCESS_CRASH)
    assert (report.finding is None) == kept


def test_that_the_disk_is_full_was_reached_only_where_something_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.grades.before_cut.full", lambda _, most: contextlib.nullcontext(most))
    seen = Recorded()
    seen.before("full")._fill_the_file_system()
    assert never_reached(seen.traffic.reached.states) == [FULL]


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_store_that_panics_at_a_failed_sync_is_kept() -> None:
    report = graded("Panics", "writes")
    assert report.finding is None
    assert report.ran["the target ended at a failed sync"] == 1
    assert report.hits.refused(Fault.FAILED_SYNC)


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize(("filesystem", "doubted"), [("ext4", True), ("xfs", False)])
def test_what_is_answered_after_a_refused_flush_is_doubted_where_the_file_system_says_ok_to_it(
    filesystem: str, doubted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := missing(filesystem):
        pytest.skip(reason)
    seen = []

    def believe(session: Session, *, gave_up: bool) -> None:
        seen.append(session.panel.strictest.doubtful)
        believe_syncs(session, gave_up=gave_up)

    monkeypatch.setattr("ackcheck.grades.before_cut.believe_syncs", believe)
    target = f"{TOYS.with_name('files.py')}:Mirrored"
    report = run_disk_grade(
        target, Level.DISK, seed=PRELUDES.index("a flush"), rounds=1, filesystem=filesystem, images=1
    )
    assert report.finding is None, str(report.finding)
    assert seen == [doubted]


def test_machine_that_cannot_have_a_disk_judges_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.grades.disk.missing", lambda *_: "a disk needs root")
    report = run_disk_grade(f"{TOYS}:Toy", Level.DISK)
    assert (report.not_judged, report.cases, report.finding) == ("a disk needs root", 0, None)


def test_three_cases_in_a_row_have_refused_writes_and_a_cut_after_a_change_among_them() -> None:
    twice = PRELUDES * 2
    assert all({"writes", "at a change"} < {*twice[start : start + 3]} for start in range(len(PRELUDES)))


def test_where_the_kernel_tells_of_no_change_the_power_is_cut_all_the_same() -> None:
    seen = Recorded()  # whose directory is not there
    seen.before("at a change")._work()
    assert seen.done[0] == seen.done[-1] == "calls"
    assert "hears of no change (No such file or directory)" in seen.done[2]
    assert not seen.ran


def test_power_is_cut_by_one_of_the_next_flushes_once_a_file_is_opened(tmp_path: Path) -> None:
    seen = Recorded()
    seen.directory = tmp_path
    asked: list[KillPoint] = []

    def run(until: KillPoint) -> None:
        asked.append(until)
        if until == AfterDelay(HELD):
            (tmp_path / "offsets").touch()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seen, "run", run)
        seen.before("at a change")._work()
    assert seen.done[1:] == ["cut on flush"]
    assert seen.traffic.reached.states[CHANGED] == 1


def test_that_a_file_was_changed_was_reached_only_where_one_was(tmp_path: Path) -> None:
    seen = Recorded()
    seen.directory = tmp_path
    seen.before("at a change")._work()
    assert never_reached(seen.traffic.reached.states) == [CHANGED]


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


class Recorded:
    """Stands for a session and a disk: notes what is done, in order; a call under way is answered after some polls."""

    filesystem = SimpleNamespace(name="xfs")
    panel = SimpleNamespace(each=lambda _: None)
    random = Random(1)

    def __init__(self, polls: int = 0, *, dies: bool = False, hit: int = 1) -> None:
        self.done: list[str] = []
        self.polls, self.dies, self.now, self.hit = polls, dies, 0.0, hit
        self.ran = Counter[str]()
        self.traffic: Any = SimpleNamespace(
            forgiving=False,
            under_way=0,
            ask=self.ask,
            take=lambda _: None,
            settle=lambda: None,
            causes=Causes(),
            reached=Reached(),
            history=History(),
        )
        self.mountpoint, self.drive = Path("/nowhere"), SimpleNamespace(size=0)
        self.child = SimpleNamespace(poll=self.poll)
        self.promises = SimpleNamespace(barrier="durable")
        self.directory = Path("/nowhere")

    def ask(self, call: Call) -> None:
        self.done.append(call.op)
        self.traffic.under_way = 1

    def poll(self, seconds: float) -> None:
        if self.dies:
            raise TargetDied(1, ["pop"], "")
        self.polls -= 1
        self.now += seconds
        self.traffic.under_way = int(self.polls > 0)

    def run(self, _until: object) -> None:
        self.done.append("calls")

    def note(self, _lane: str, text: str) -> None:
        self.done.append(text)

    def flush(self) -> None:
        self.done.append("flush")

    def look(self) -> None:
        self.done.append("look")

    def publish(self, more: int) -> None:
        self.done.append(f"publish {more}")

    def has_given_up(self) -> bool:
        return False

    def arm(self, fault: DiskFault) -> int:
        self.done.append(f"{fault.do} on {fault.on}")
        return 7

    def disarm(self, number: int | None = None) -> None:
        self.done.append(f"disarm {number}")

    def hits(self, _number: int) -> int:
        return self.hit

    def ask_while_held(self) -> None:
        ask_while_held(cast(Session, self), cast(Disk, self))

    def before(self, prelude: Prelude) -> BeforeCut:
        return BeforeCut(cast(Session, self), cast(Disk, self), prelude)


def test_files_are_filled_while_no_flush_ends_and_a_barrier_is_asked_for_when_they_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ackcheck.grades.before_cut.unwritten", lambda _: WAITING)
    seen = Recorded()
    seen.before("nothing")._fill()
    assert seen.done == ["calls", "holds every flush", "stall on flush", "calls", "disarm 7", "flush", "look"]


@pytest.mark.parametrize(("polls", "waited"), [(3, 3), (1000, GIVING_UP / HELD)])
def test_barrier_is_waited_for_while_flushes_are_held_but_not_for_ever(polls: int, waited: float) -> None:
    seen = Recorded(polls)
    seen.ask_while_held()
    assert seen.done[-1] == "flush"
    assert "disarm 7" not in seen.done
    assert seen.traffic.forgiving
    assert seen.now == pytest.approx(waited * HELD, abs=HELD)


def test_store_that_ends_at_a_sync_that_does_not_end_is_judged_by_what_it_has_left() -> None:
    seen = Recorded(3, dies=True)
    seen.ask_while_held()
    assert seen.ran["the target ended at a sync that did not end"] == 1


@pytest.mark.parametrize(("refused", "never"), [(0, [REFUSED]), (1, [])])
def test_that_the_disk_refuses_was_reached_only_where_it_has_refused_something(refused: int, never: list[str]) -> None:
    seen = Recorded(hit=refused)
    seen.before("a flush")._refuse()
    assert never_reached(seen.traffic.reached.states) == never


def test_there_is_something_to_ack_while_a_flush_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis `everysec` kept all in 4 of 20 runs: every message had been acked before its flush was held."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    seen, asked = Recorded(), list[KillPoint]()
    monkeypatch.setattr(seen, "run", asked.append)
    monkeypatch.setattr(seen, "hits", lambda _: len(asked) > 3)
    hold(cast(Session, seen), cast(Disk, seen))
    assert seen.done == [f"publish {MANY // 2}", "holds every flush from here on", "stall on flush"]
    assert asked[1:] == [AfterDelay(0.0), AfterDelay(0.0), AfterDelay(0.0), AfterDelay(HELD)]


@pytest.mark.parametrize(("held", "never"), [(0, [HELD_SYNCS]), (1, [])])
def test_that_syncs_are_held_was_reached_only_where_one_was(
    monkeypatch: pytest.MonkeyPatch, held: int, never: list[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    seen = Recorded(hit=held)
    hold(cast(Session, seen), cast(Disk, seen))
    assert never_reached(seen.traffic.reached.states) == never
