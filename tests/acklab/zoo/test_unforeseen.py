"""What only an instant shows is found by the window that leads there, and nothing is in the reference store."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from attrs import evolve

from ackcheck.sim.machine import AckStoreMachine
from ackcheck.sim.narrow import NarrowWindows
from ackcheck.sim.simulation import begin
from acklab.reference.simulated import ReferenceSetup
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause
from ackmodel.observe.broken import Broken

TRIES = 40
"""Openings of one window, each drawn anew, until it shows its store."""

RIGHT = 4

SHOWN_BY: dict[str, tuple[Callable[[NarrowWindows, int, Random], None], Clause]] = {
    "failed-though-stored": (NarrowWindows.after_a_torn_batch, Clause.REPLY_NEVER_FALSE),
    "late-result-counts": (NarrowWindows.after_a_late_result, Clause.REPLY_NEVER_FALSE),
    "renewals-are-never-refused": (NarrowWindows.more_than_there_is_room_for, Clause.MEMORY_IS_BOUNDED),
    "failed-rename-leaks": (NarrowWindows.nothing_left_of_a_failure, Clause.QUIESCENCE_IS_ZERO),
    "closes-over-a-failed-sync": (NarrowWindows.close_in_trouble_with_work, Clause.CLOSE_DRAINS),
    "pauses-without-limit": (NarrowWindows.failing_for_long, Clause.FLUSH_WHEN_IDLE),
    "removed-before-written-again": (NarrowWindows.after_a_failed_sync, Clause.SURVIVES_PROCESS_CRASH),
    "passes-what-was-given-back": (NarrowWindows.settled_but_for_a_failed_pop, Clause.COMMIT_IS_SAFE),
    "old-offsets-after-a-reset": (NarrowWindows.between_steps_of_a_reset, Clause.SURVIVES_PROCESS_CRASH),
    "retires-what-is-not-flushed": (NarrowWindows.acks_beside_a_compaction, Clause.SURVIVES_PROCESS_CRASH),
    "pop-on-the-deadline-gets-nothing": (NarrowWindows.empty_at_a_deadline, Clause.NO_LIMBO),
    "acks-outlive-a-reset": (NarrowWindows.acks_around_a_reset, Clause.COMMIT_IS_SAFE),
}
"""Of each store that chance did not find, or seldom: its window, and a clause that falls there."""


class Opened(NarrowWindows, AckStoreMachine):
    """A run that opens one window, and asks what is owed."""


def broken_in(window: Callable[[NarrowWindows, int, Random], None], setup: ReferenceSetup, seed: int) -> Broken | None:
    machine = Opened()
    machine.run = begin(setup)
    with suppress(Broken):
        window(machine, seed % 2, Random(seed))
        for step in ("survey", "settle_everything"):
            machine.take(step)
    return machine.run.broken


def test_every_window_has_a_store_that_it_shows() -> None:
    shown = {window for window, _ in SHOWN_BY.values()}
    assert shown | {NarrowWindows.around_the_sync_of_a_reset} == set(NarrowWindows.WINDOWS)  # test_sync_of_a_reset.py


@pytest.mark.parametrize("name", SHOWN_BY)
def test_a_window_shows_its_store(name: str) -> None:
    window, clause = SHOWN_BY[name]
    wrong = UNFORESEEN[name]
    right = ReferenceSetup((wrong.level,))
    found = (broken_in(window, evolve(right, core=wrong.core), seed) for seed in range(TRIES))
    assert clause in (broken.clause for broken in found if broken is not None)
    assert [broken_in(window, right, seed) for seed in range(RIGHT)] == [None] * RIGHT
