"""The damage grade: what rots on the disk is refused by name, or not judged where that is not promised."""

from pathlib import Path

import pytest
from tests.ackcheck.grades.inside import Inside
from tests.textbook.catalogue import HERE

from ackcheck.findings import GradeReport
from ackcheck.grade import Job
from ackcheck.grades import campaign, damage, run_damage_grade
from ackcheck.grades.damage import COUNTED, NOTHING_TO_DAMAGE
from ackcheck.hits import Fault
from ackcheck.levels import FLOORS, judged
from ackcheck.promises import Promises
from ackcheck.rig.serve import load_factory
from ackcheck.subject import Subject
from ackmodel import Clause, Level

SEEDS = range(1, 9)


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def child_of(target: str, directory: Path, *, reply_timeout: float) -> Inside:
        return Inside(load_factory(target), directory)

    monkeypatch.setattr(campaign, "child_of", child_of)


def damaged(name: str, seed: int = 1, promises: Promises | None = None, rounds: int = 2) -> GradeReport:
    return run_damage_grade(
        f"{HERE / 'sealed.py'}:{name}", Level.MEMORY, seed=seed, rounds=rounds, promises=promises, stop_at_first=True
    )


def test_a_store_that_refuses_by_name_is_kept_and_goes_on_from_the_whole() -> None:
    report = damaged("SealedLog")
    assert (report.findings, report.not_judged) == ([], "")
    assert report.ran["refused by name"] >= 3  # a bit or a sector twice, and a log that is lost or old
    assert report.ran[COUNTED] == report.hits.seen(Fault.DAMAGE) >= 5
    assert report.ran["clean restart"] == 3
    tested = {level: judged(level, [report], FLOORS["quick"]).tested for level in (Level.MEMORY, Level.DISK)}
    assert tested == {Level.MEMORY: {Clause.CLOSE_DRAINS: 3}, Level.DISK: {Clause.SURVIVES_POWER_LOSS: 0}}


def test_a_store_that_goes_on_in_silence_is_found() -> None:
    found = next(filter(None, (damaged("HalfSealed", seed).finding for seed in SEEDS)))
    assert (found.clause, found.fault) == (Clause.SURVIVES_POWER_LOSS, "damage")
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


def test_that_nothing_could_be_damaged_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "contents", lambda *_: None)
    assert damaged("SealedLog", rounds=1).not_judged == NOTHING_TO_DAMAGE


def test_of_several_modes_it_is_tried_in_the_first() -> None:
    assert damage.judge(Job(Subject(), (Level.DISK,), 3, 1, first=False)) is None
