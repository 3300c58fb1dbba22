"""Each monitor, broken and held."""

from functools import partial

import pytest

from ackmodel import Level
from ackmodel.observe import monitors
from ackmodel.observe.monitors import IoCounts, Sighting

AT = Sighting
NOTHING: frozenset[str] = frozenset()
DONE, ASKED = IoCounts(writes=2, covered=2), IoCounts(writes=1, covered=1)

CASES = [
    # what is seen; whether it may be
    (partial(monitors.commit_is_monotone, None, AT(0, 0), kept=0, restarted=False), None),
    (partial(monitors.commit_is_monotone, AT(3, 2), AT(3, 2), kept=2, restarted=False), None),
    (partial(monitors.commit_is_monotone, AT(3, 2), AT(2, 0), kept=2, restarted=True), None),
    (partial(monitors.commit_is_monotone, AT(3, 2), AT(2, 2), kept=2, restarted=False), "went back from 3 to 2"),
    (partial(monitors.commit_is_monotone, AT(3, 2), AT(3, 1), kept=2, restarted=False), "on the disk went back from 2"),
    (partial(monitors.commit_is_monotone, AT(3, 2), AT(1, 1), kept=2, restarted=True), "2 was on the disk"),
    (partial(monitors.commit_is_safe, AT(1, 0), unsettled=[1], unflushed=[1]), None),
    (partial(monitors.commit_is_safe, AT(2, 0), unsettled=[], unflushed=[1, 5]), "ack of message 1 is not flushed"),
    (partial(monitors.commit_is_safe, AT(2, 0), unsettled=[1], unflushed=[]), "message 1 is not acknowledged"),
    (partial(monitors.derived_never_ahead, AT(2, 2), [2]), None),
    (partial(monitors.derived_never_ahead, AT(2, 2), [3, 1]), "message 1 is not acknowledged"),
    (partial(monitors.flush_degrades, None), None),
    (partial(monitors.unknown_has_a_cause, "operation 3", trouble=True), None),
    (
        partial(monitors.unknown_has_a_cause, "operation 3", trouble=False),
        "operation 3 was answered UNKNOWN, and meanwhile no I/O had failed",
    ),
    (partial(monitors.written_once, "r1", 1, 0), None),
    (partial(monitors.written_once, "r1", 3, 2), None),
    (partial(monitors.written_once, "r1", 3, 1), "the ack of r1 was written 3 times"),
    (partial(monitors.space_is_bounded, 100, 100), None),
    (partial(monitors.space_is_bounded, 101, 100), "holds 101 bytes"),
    (partial(monitors.flush_degrades, "BUSY"), "still answered BUSY"),
    (partial(monitors.commit_progresses, AT(6, 6), 6, 6), None),
    (partial(monitors.commit_progresses, AT(5, 5), 6, 6), "the offset is 5"),
    (partial(monitors.commit_progresses, AT(6, 5), 6, 6), "5 on the disk"),
    (partial(monitors.commit_progresses, AT(4, 4), 3, 6), None),
    (partial(monitors.commit_progresses, AT(2, 2), 3, 6), "the first 3 messages are settled and flushed"),
    (partial(monitors.commit_progresses, AT(3, 2), 3, 6), "2 on the disk"),
    (partial(monitors.quiescence_is_zero, {"operations": 0.0}), None),
    (partial(monitors.quiescence_is_zero, {"a": 0.0, "operations": 1.0}), "operations = 1.0"),
    (partial(monitors.quiescence_is_zero, {"operations": -1.0}), "operations = -1.0"),
    (partial(monitors.flush_when_idle, 0, 9.0, 1.0), None),
    (partial(monitors.flush_when_idle, 1, 1.0, 1.0), None),
    (partial(monitors.flush_when_idle, 1, 1.1, 1.0), "1 records are unflushed"),
    (partial(monitors.reply_after_stage, Level.PAGE_CACHE, ASKED, IoCounts(2, 0)), None),
    (partial(monitors.reply_after_stage, Level.PAGE_CACHE, ASKED, ASKED), "nothing was written"),
    (partial(monitors.reply_after_stage, Level.DISK, ASKED, DONE), None),
    (partial(monitors.reply_after_stage, Level.DISK, ASKED, IoCounts(2, 1)), "no sync"),
    (partial(monitors.close_drains, "OK", 0, 0), None),
    (partial(monitors.close_drains, "FAILED", 0, 3), None),
    (partial(monitors.close_drains, "OK", 0, 3), "3 records are unflushed"),
    (partial(monitors.close_drains, "FAILED", 2, 0), "2 operations were not"),
    (partial(monitors.memory_is_bounded, {"records": 8.0}, {"records": 8.0}), None),
    (partial(monitors.memory_is_bounded, {"records": 9.0, "more": 99.0}, {"records": 8.0}), "records = 9 "),
    (partial(monitors.submitted_is_written, {"a", "b"}, {"a"}, NOTHING), None),
    (partial(monitors.submitted_is_written, {"a"}, {"a", "b"}, NOTHING), "ack of b was written, and nobody"),
    (partial(monitors.submitted_is_written, {"a", "b"}, {"a"}, {"b"}), "ack of b was answered OK, and no write"),
    (partial(monitors.reply_exactly_once, 4, 1), None),
    (partial(monitors.reply_exactly_once, 4, 2), "operation 4 was answered 2 times"),
]


IDS = [f"{seen.func.__name__}-{number}" for number, (seen, _) in enumerate(CASES)]  # sets print in no order


@pytest.mark.parametrize(("seen", "why"), CASES, ids=IDS)
def test_a_monitor_speaks_and_is_silent(seen: "partial[str | None]", why: str | None) -> None:
    found = seen()
    if why is None:
        assert found is None
    else:
        assert found is not None
        assert why in found


def test_every_monitor_is_both_broken_and_held_here() -> None:
    public = {name for name, thing in vars(monitors).items() if callable(thing) and name[0].islower()} - {"frozen"}
    assert {seen.func.__name__ for seen, why in CASES if why} == public
    assert {seen.func.__name__ for seen, why in CASES if not why} == public
