"""Stepped stores that share no code with the reference are kept, and refused where a line of theirs is wrong."""

from typing import Any

import pytest
from attrs import define
from tests.textbook.stepped import LEVELS, Damaged, Journal, Program, Snapshots, Stepped

from ackcheck.sim.campaign import run_sim_grade
from ackcheck.sim.disk import Disk
from ackcheck.sim.setup import FactorySetup
from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import Simulation, replay
from ackcheck.sim.target import Io
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

ACKED: list[Step] = [("finish_all", {}), ("pop", {"count": 1}), ("finish_all", {}), ("ack", {"which": 0})]
LOST: list[Step] = [("lose_power", {"fate": 0}), ("survey", {})]


@pytest.mark.no_cover
@pytest.mark.parametrize("make", [Journal, Snapshots])
def test_a_right_store_of_others_is_kept(make: type[Stepped]) -> None:
    report = run_sim_grade(FactorySetup((LEVELS[make.__name__],), make=make), seed=1, cases=4)
    assert report.finding is None, str(report.finding)
    assert report.operations > 100
    assert {Clause.COMMIT_PROGRESSES, Clause.CLOSE_DRAINS} <= set(report.checked)


def broken(make: type[Stepped], script: list[Step]) -> Clause:
    run = Simulation(make, (LEVELS.get(make.__name__, LEVELS[make.__bases__[0].__name__]),))
    with pytest.raises(Broken) as caught:
        replay(run, script)
    return caught.value.clause


@define(eq=False)
class SyncsNoDirectory(Snapshots):
    """Holds a file for replaced once it is renamed."""

    def io(self, action: Any, file: str = "", **more: Any) -> Io:
        return super().io("sync", "state") if action == "sync_directory" else super().io(action, file, **more)


@define(eq=False)
class SyncsAgain(Journal):
    """Tries a failed sync again, in the same log."""

    def _begin(self) -> Program:
        if not self.lines:
            yield from super()._begin()


@define(eq=False)
class GivesNothingBack(Snapshots):
    """Answers what was asked while it stores something before that is on the disk."""

    def _store(self, books: Any) -> Program:
        yield from super()._store(books) if not self.proved else ()


def test_a_rename_that_is_not_synced_is_lost_with_the_power() -> None:
    clause = broken(SyncsNoDirectory, [*ACKED, ("finish_all", {}), *LOST])
    assert clause is Clause.RECEIPT_IS_EXACT, "the delivery is lost too, and its receipt is issued again"


def test_a_sync_that_is_tried_again_is_refused() -> None:
    barrier: list[Step] = [("finish_writes", {}), ("flush", {}), ("fail_sync", {}), ("finish_all", {})]
    again: list[Step] = [("wait", {"seconds": 1.0}), ("finish_all", {})]
    assert broken(SyncsAgain, [*ACKED, *barrier, *again, *LOST]) in (Clause.FLUSH_REWRITES, Clause.FLUSH_IS_REAL)


def test_an_answer_before_the_write_is_refused() -> None:
    assert broken(GivesNothingBack, [*ACKED, ("finish_all", {})]) is Clause.REPLY_AFTER_STAGE


@pytest.mark.parametrize(("make", "file"), [(Snapshots, "state"), (Journal, "current"), (Journal, "log.1")])
def test_damage_is_refused_by_name(make: type[Stepped], file: str) -> None:
    run = replay(Simulation(make, (Level.PAGE_CACHE,)), [*ACKED, ("finish_all", {}), ("close", {})])
    disk: Disk = run.disk
    disk.write(file, len(disk.read(file)) // 3, b"#")
    with pytest.raises(Damaged, match=f"{file} is damaged"):
        make().open(disk, now=2000.0)


def test_a_log_that_is_gone_is_missed() -> None:
    run = replay(Simulation(Journal, (Level.PAGE_CACHE,)), [*ACKED, ("finish_all", {}), ("close", {})])
    run.disk.unlink("log.1")
    with pytest.raises(Damaged, match=r"log\.1 is missing"):
        Journal().open(run.disk, now=2000.0)


@pytest.mark.parametrize("fate", range(12))
def test_what_was_refused_does_not_come_back_with_the_log_that_was_given_up(fate: int) -> None:
    script: list[Step] = [
        ("begin_at", {"queue": 0, "offset": 5}),
        ("lose_power", {"fate": 0}),
        ("pop", {"count": 1, "queue": 0}),
        ("flush", {}),
        ("finish_all", {}),
        ("flush", {}),
        ("release", {"which": -1}),
        ("fail_write", {"written": 1000}),  # all of it, and yet it failed
        ("finish_all", {}),
        ("lose_power", {"fate": fate}),
        ("pop", {"count": 1, "queue": 0}),
        ("finish_all", {}),
    ]
    replay(Simulation(Journal, (LEVELS["Journal"],)), script)


def test_a_log_that_is_gone_is_missed_where_one_before_it_could_not_be_removed() -> None:
    script: list[Step] = [
        ("pop", {"count": 1, "queue": 0, "invisible": 5.0}),
        ("finish_all", {}),
        ("wait", {"seconds": 5.0}),
        ("fail_sync", {"which": 0, "wider": False}),
        ("aim", {"at": "unlink", "how": "fails", "times": 0, "written": -1, "wider": False}),
        ("wait", {"seconds": 9.0}),
        ("finish_all", {}),
        ("close", {}),
        ("finish_all", {}),
    ]
    disk: Disk = replay(Simulation(Journal, (Level.PAGE_CACHE,)), script).disk
    assert {"log.1", "log.2"} <= set(disk.names())
    disk.unlink("log.2")
    with pytest.raises(Damaged, match=r"log\.2 is missing"):
        Journal().open(disk, now=2000.0)
