"""Faults that wait for their moment are met there, what they open is counted, and what is asked meanwhile is judged."""

from collections.abc import Callable

import pytest

from ackcheck.findings import GradeReport
from ackcheck.show import _in_play
from ackcheck.sim.aims import DERIVED, Aim, Aims, all_aims, never_met
from ackcheck.sim.narrow import all_windows
from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import Simulation, breaks, replay
from ackcheck.verdict import ModeReport, Verdict
from acklab.reference.simulated import ReferenceSetup
from acklab.reference.stepped import Reference
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause, Level

POPPED: list[Step] = [("pop", {"count": 1, "invisible": 5.0}), ("finish_all", {})]
HELD: list[Step] = [("pop", {"count": 1}), ("finish_all", {})]


def begun(make: Callable[[], Reference] = Reference) -> Simulation:
    return Simulation(make, (Level.PAGE_CACHE,))


def told(run: Simulation) -> list[str]:
    return [line.text for line in run.history.lines]


def test_a_fault_is_met_by_the_io_it_was_aimed_at_and_by_no_other() -> None:
    run = replay(begun(), [*POPPED, ("aim", {"at": "redelivery", "how": "fails"}), *HELD])
    assert not run.in_play
    replay(run, [("wait", {"seconds": 5.0}), ("pop", {"count": 1}), ("finish_writes", {}), ("flush", {})])
    assert run.in_play["redelivery fails"] == 1
    assert run.in_play["redelivery fails, then flush"] == 1
    assert "operation 3 is answered FAILED" in told(run)


def test_what_hangs_does_so_until_the_disk_is_healed() -> None:
    run = replay(begun(), [*HELD, ("aim", {"at": "ack", "how": "hangs"}), ("ack", {"which": 0}), ("finish_all", {})])
    assert [pending.hangs for pending in run.pending] == [True]
    assert "operation 2 is answered OK" not in told(run)
    replay(run, [("heal", {})])
    assert "operation 2 is answered OK" in told(run)
    assert not run.aims.open


def test_one_message_fails_for_ever_and_others_do_not() -> None:
    run = replay(begun(), [("pop", {"count": 2}), ("finish_all", {}), ("aim_at_message", {"which": 0, "how": "fails"})])
    for _ in range(2):
        replay(run, [("ack", {"which": 0}), ("finish_writes", {})])
    replay(run, [("ack", {"which": 1}), ("finish_writes", {})])
    answers = [text for text in told(run) if "is answered" in text][1:]
    assert [text.split()[-1] for text in answers] == ["FAILED", "FAILED", "OK"]
    replay(run, [("settle_everything", {})])


@pytest.mark.parametrize("at", DERIVED)
@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_every_step_of_a_derived_file_can_be_met_while_the_store_closes(at: str, how: str) -> None:
    script: list[Step] = [*HELD, ("ack", {"which": 0}), ("finish_writes", {}), ("aim", {"at": at, "how": how})]
    run = replay(begun(), [*script, ("stop_in_trouble", {}), ("heal", {}), ("survey", {})])
    assert run.in_play[f"{at} {how}"] == 1
    assert run.broken is None


def test_an_aim_is_had_so_many_times() -> None:
    aims = Aims()
    aims.wait_for(Aim("ack", "fails", times=2))
    assert [aims.take(("ack",)) is not None for _ in range(3)] == [True, True, False]


def test_a_campaign_says_what_it_never_met() -> None:
    report = GradeReport("sim", 1)
    report.in_play.update(dict.fromkeys(all_aims(), 0))
    report.in_play.update({"ack fails": 2, "ack fails, then crash": 1})
    assert len(never_met(report.in_play)) == len(all_aims()) - 1
    report.in_play.update({**dict.fromkeys(all_windows(), 1), all_windows()[0]: 0})
    reached, never, closed = _in_play(Verdict("t", (ModeReport((Level.DISK,), (report,)),)))
    assert closed == "windows that never opened in this profile: between steps of a reset"
    assert reached.startswith(f"in play: 1 of {len(all_aims())} aimed faults")
    assert "ack fails" not in never
    assert "ack hangs" in never


def test_a_store_that_waits_for_a_request_to_flush_is_not_idle_but_broken() -> None:
    wrong = UNFORESEEN["retries-with-the-next-request"]
    script: list[Step] = [*HELD, ("ack", {"which": 0}), ("finish_writes", {}), ("wait", {"seconds": 0.15})]
    script += [("fail_sync", {}), ("finish_all", {}), ("survey", {})]
    run = breaks(ReferenceSetup(core=wrong.core), script)
    assert run is not None
    assert run.broken is not None
    assert run.broken.clause is Clause.FLUSH_WHEN_IDLE
    assert breaks(ReferenceSetup(), script) is None
