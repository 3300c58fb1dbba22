"""The damage grade: what rots on the disk is refused by name, or not judged where that is not promised."""

from pathlib import Path

import pytest
from tests.ackcheck.grades.inside import Inside
from tests.textbook.catalogue import HERE

from ackcheck.findings import GradeReport
from ackcheck.grade import Job
from ackcheck.grades import campaign, damage, run_damage_grade
from ackcheck.grades.damage import CLOSED, COUNTED, NOTHING_TO_DAMAGE
from ackcheck.hits import Fault
from ackcheck.levels import FLOORS, judged
from ackcheck.promises import Promises
from ackcheck.rig.serve import load_factory
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS
from ackmodel import Clause, Level

SEEDS = range(1, 9)


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def child_of(target: str, directory: Path, *, reply_timeout: float) -> Inside:
        return Inside(load_factory(target), directory)

    monkeypatch.setattr(campaign, "child_of", child_of)


def damaged(name: str, seed: int = 1, promises: Promises | None = None, rounds: int = 2) -> GradeReport:
    target = name if ":" in name else f"{HERE / 'sealed.py'}:{name}"
    return run_damage_grade(target, LEVELS, seed=seed, rounds=rounds, promises=promises, stop_at_first=True)


def _noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, bytes], ...]]:
    """Note of each damage the whole directory, the copy that a twin is judged on, and what is there after that."""

    def files(directory: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in directory.iterdir()}

    def judge(copy: damage._Copy) -> None:
        whole = files(copy.session.directory)
        once(copy)
        noted.append((whole, found.pop(), files(copy.session.directory)))

    def judge_twin(copy: damage._Copy) -> None:
        found.append(files(copy.session.directory))
        twin(copy)

    found: list[dict[str, bytes]] = []
    noted: list[tuple[dict[str, bytes], ...]] = []
    once, twin = damage._Copy.judge, damage._Copy._judge_twin
    monkeypatch.setattr(damage._Copy, "judge", judge)
    monkeypatch.setattr(damage._Copy, "_judge_twin", judge_twin)
    return noted


def test_a_store_that_refuses_by_name_is_kept_and_goes_on_from_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("ackcheck.rig.machine.available", "ackcheck.disk.available.missing"):  # no disk, and not as root
        monkeypatch.setattr(where, lambda *_: pytest.fail("it needs no disk"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    copies = _noted(monkeypatch)
    report = damaged("SealedLog")
    assert len(copies) == report.ran[COUNTED]
    assert all(whole == after != copy for whole, copy, after in copies)
    assert (report.findings, report.not_judged) == ([], "")
    assert report.ran["refused by name"] >= 3  # a bit or a sector twice, and a log that is lost or old
    assert report.ran[COUNTED] == report.hits.seen(Fault.DAMAGE) >= 5
    assert report.ran["clean restart"] == 3
    tested = {level: judged(level, [report], FLOORS["quick"]).tested for level in (Level.MEMORY, Level.DISK)}
    assert tested == {Level.MEMORY: {Clause.CLOSE_DRAINS: 3}, Level.DISK: {Clause.SURVIVES_POWER_LOSS: 0}}


def test_a_store_that_goes_on_in_silence_is_found() -> None:
    found = next(filter(None, (damaged("HalfSealed", seed).finding for seed in SEEDS)))
    assert (found.clause, found.fault, found.refutes) == (Clause.SURVIVES_POWER_LOSS, "damage", LEVELS)
    assert "is damaged" in "".join(line.text for line in found.lines)


def test_a_store_that_refuses_without_a_name_is_found_and_the_mend_is_said() -> None:
    found = damaged("Malformed").finding
    assert found is not None
    assert (found.clause, found.effect) == (Clause.SURVIVES_POWER_LOSS, "cannot open")
    assert "no file is named: the target's 'open' raised ValueError: malformed" in found.why
    assert found.why.endswith('states the promise damage = "unnoticed"')


def test_what_is_not_promised_is_not_judged() -> None:
    report = damaged("HalfSealed", promises=Promises(publish="republished", damage="unnoticed"))
    assert (report.findings, report.ran[COUNTED]) == ([], 0)
    assert "damage = 'unnoticed'" in report.not_judged


@pytest.mark.parametrize(("toy", "told"), [("RefusesItsPops", set()), ("RefusesItsPopsUnnamed", {"damage"})])
def test_a_store_may_refuse_when_it_is_asked_for_something(toy: str, told: set[str]) -> None:
    report = damaged(f"{Path(__file__).with_name('spoilt.py')}:{toy}", rounds=1)
    assert {finding.fault for finding in report.findings} == told
    assert bool(report.ran["refused by name"]) is not bool(told)
    assert report.hits.seen(Fault.DAMAGE) >= 1


def test_that_nothing_could_be_damaged_is_not_judged() -> None:
    """What was not closed with OK owes nothing."""
    report = damaged(f"{Path(__file__).with_name('spoilt.py')}:NeverSure", rounds=1)
    assert (report.findings, report.ran[CLOSED], report.ran[COUNTED]) == ([], 1, 0)
    assert report.not_judged == NOTHING_TO_DAMAGE


def test_of_several_modes_it_is_tried_in_the_first() -> None:
    assert damage.judge(Job(Subject(), (Level.DISK,), 3, 1, first=False)) is None
