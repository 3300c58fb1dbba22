"""Orders of calls that no burst comes to: each is brought about, counted, and sees through a wrong store."""

import sys
from pathlib import Path

import pytest

from ackcheck.grades import orders, session
from ackcheck.grades.campaign import Campaign, begin_case
from ackcheck.grades.power import lose_power
from ackcheck.grades.reached import BESIDE_A_RESET, CROWD, FIRST_POPS, LESS, ORDERS, REOPENED
from ackcheck.grades.rounds import turn_of
from ackcheck.grades.session import FEW
from ackcheck.grades.workload import QUEUES
from ackcheck.rig.machine import PowerRig
from ackcheck.rig.writeback import NOTHING
from ackcheck.show import _in_play
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause, Level
from ackmodel.observe.events import PowerLost, ProcessCrashed

ORDERED = str(Path(__file__).with_name("ordered.py"))
CROWDED = (sys.executable, "-m", "ackcheck.rig.serve", "--dir", "{dir}", "--threads", "300", "--target")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE", "REFUSING", "RESTING"):  # what is missing is waited for
        monkeypatch.setattr(session, name, 0.3)


def campaign_of(toy: str, level: Level = Level.DISK, *, crowded: bool = False) -> Campaign:
    target = f"{ORDERED}:{toy}"
    return Campaign([*CROWDED, target] if crowded else target, level, "process", 1)


def found(campaign: Campaign) -> set[Clause]:
    return {finding.clause for finding in campaign.report.findings}


@pytest.mark.parametrize(("toy", "clauses"), [("Known", set()), ("EmptyForEver", {Clause.NO_LIMBO})])
def test_queues_are_popped_before_the_first_publish(toy: str, clauses: set[Clause], tmp_path: Path) -> None:
    campaign = campaign_of(toy)
    with campaign.case(tmp_path) as one:
        one.open(first=orders.pop_before_the_first_publish)
        one.survey()
    assert found(campaign) == clauses
    assert campaign.report.in_play[FIRST_POPS] == 1


def test_a_store_that_cannot_be_popped_before_the_first_publish_is_not_judged_by_it(tmp_path: Path) -> None:
    campaign = Campaign(str(Path(__file__).with_name("toys.py")) + ":Toy", Level.DISK, "process", 2)
    with campaign.case(tmp_path) as one:
        one.turn = 1
        begin_case(one)
        one.survey()
    assert not found(campaign)
    assert campaign.report.in_play[FIRST_POPS] == 0
    [never] = _in_play(Verdict("t", (ModeReport((Level.DISK,), (campaign.report,)),)))
    assert FIRST_POPS in never


@pytest.mark.parametrize(("toy", "clauses"), [("Groups", set()), ("RoomForFew", {Clause.SURVIVES_PROCESS_CRASH})])
def test_hundreds_of_calls_are_in_flight(toy: str, clauses: set[Clause], tmp_path: Path) -> None:
    campaign = campaign_of(toy, crowded=True)
    with campaign.case(tmp_path) as one:
        one.open()
        orders.crowd(one)
        one.traffic.settle()
        one.kill()
        one.open(ProcessCrashed())
        one.survey()
    assert found(campaign) == clauses
    assert campaign.report.in_play[CROWD] == 1


@pytest.mark.parametrize("toy", ["Extended", "SettlesAfterTheReset"])
def test_calls_are_beside_a_reset_of_their_queue(toy: str, tmp_path: Path) -> None:
    campaign = campaign_of(toy)
    with campaign.case(tmp_path) as one:
        one.open()
        for number in range(3 if toy == "Extended" else 20):  # until the ack of a message that is as new comes first
            one.random.seed(number)
            assert orders.calls_beside_a_reset(one)
            one.survey()
    # A message that the late ack hides may have come since the reset, or not: on a busy machine it has not.
    wrong = ({Clause.NO_LIMBO}, {Clause.COMMIT_IS_MONOTONE})
    assert found(campaign) in ((set(),) if toy == "Extended" else wrong)
    assert campaign.report.in_play[BESIDE_A_RESET] >= 1


@pytest.mark.parametrize(("toy", "clauses"), [("Known", set()), ("SyncsItsOwn", {Clause.RECOVERED_IS_CACHED})])
@pytest.mark.usefixtures("machine_grade")
def test_a_barrier_covers_what_the_process_before_had_written(toy: str, clauses: set[Clause], tmp_path: Path) -> None:
    campaign = campaign_of(toy, Level.PAGE_CACHE)
    with PowerRig(tmp_path, size=16 << 20) as rig, campaign.case(rig.path) as one:
        one.open()
        one.ask(one.traffic.work.pop(QUEUES[0], FEW, 30.0))
        one.ack_all(list(one.traffic.where))
        orders.kill_open_and_flush(one)
        lose_power(one, rig, NOTHING)
        one.open(PowerLost())
        one.survey()
    assert found(campaign) == clauses
    assert campaign.report.in_play[REOPENED] == 1


@pytest.mark.parametrize(("toy", "clauses"), [("Known", set()), ("TakesTheFirst", {Clause.NO_LIMBO})])
def test_less_is_published_than_before_and_then_all_of_it(toy: str, clauses: set[Clause], tmp_path: Path) -> None:
    campaign = campaign_of(toy)
    with campaign.case(tmp_path) as one:
        one.open()
        one.kill()
        one.open(ProcessCrashed(), first=orders.publish_less)
        one.survey()
    assert found(campaign) == clauses
    assert campaign.report.in_play[LESS] == 1


@pytest.mark.parametrize(
    ("toy", "clauses", "times"),
    [
        ("KeepsAll", {Clause.SPACE_IS_BOUNDED}, 1),
        ("KeepsAllAndIsSlow", {Clause.SPACE_IS_BOUNDED}, 1),
        ("Roomy", set(), 0),
    ],
)
def test_what_is_settled_takes_up_no_more_room_than_the_store_says(
    toy: str, clauses: set[Clause], times: int, tmp_path: Path
) -> None:
    campaign = campaign_of(toy)
    with campaign.case(tmp_path) as one:
        one.open(more=64)
        one.survey()
        one.settle_everything()
    assert found(campaign) == clauses
    assert campaign.report.checked[Clause.SPACE_IS_BOUNDED] == times


def test_whose_turn_it_is_changes_from_case_to_case_and_from_round_to_round(tmp_path: Path) -> None:
    with campaign_of("Known").case(tmp_path) as one:
        turns = []
        for one.turn in (4, 5):
            for one.round in (2, 4):
                turns.append(turn_of(one, 2))
    assert turns == [1, 0, 0, 1]
    assert len(set(ORDERS)) == len(ORDERS)
