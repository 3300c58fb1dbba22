"""The worlds: what each observation makes of one, and what may happen to it unobserved."""

from typing import Any

import pytest

from ackmodel import Level
from ackmodel.events import (
    Absent,
    AckAnswered,
    AckAsked,
    Event,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    Reply,
    Restarted,
    SyncEnded,
    WriteFailed,
)
from ackmodel.worlds import UNSEEN, Settled, World, drift, possible_after

NO, MEMORY, CACHED, DURABLE = Settled
HELD = World(current="r1", deadline=30.0)
ASKED = World(current="r1", deadline=30.0, asked=frozenset({7}))


def kept(settled: Settled, **changes: Any) -> World:
    """The world in which operation 7 has settled the message this firmly."""
    return World(**{"current": "r1", "deadline": 30.0, "settled": settled, "by": 7, **changes})


def answer(reply: Reply, op: int = 7, at: float = 5.0) -> AckAnswered:
    return AckAnswered(op, reply, at)


NOBODY = World()
SAME = "the same world"
AFTER: list[tuple[Event, World, Level, Any]] = [
    (Popped("r2", 30.0, 60.0), HELD, Level.DISK, (World("r2", 60.0),)),
    (Popped("r2", 29.9, 60.0), HELD, Level.DISK, ()),
    (Popped("r2", 99.0, 120.0), kept(MEMORY), Level.DISK, ()),
    (Popped("r2", 99.0, 120.0), ASKED, Level.DISK, (World("r2", 120.0),)),
    (PopUnanswered(50.0), HELD, Level.DISK, (HELD, World(UNSEEN, 50.0))),
    (PopUnanswered(20.0), HELD, Level.DISK, (HELD, World(UNSEEN, 30.0))),
    (PopUnanswered(50.0), kept(MEMORY), Level.DISK, SAME),
    (AckAsked(7, "r1", 29.9), HELD, Level.DISK, (ASKED,)),
    (AckAsked(7, "r1", 30.0), HELD, Level.DISK, SAME),
    (AckAsked(7, "r0", 1.0), HELD, Level.DISK, SAME),
    (answer(Reply.OK), kept(CACHED), Level.PAGE_CACHE, SAME),
    (answer(Reply.OK), kept(CACHED), Level.DISK, ()),
    (answer(Reply.OK), kept(DURABLE), Level.DISK, SAME),
    (answer(Reply.OK), kept(MEMORY), Level.PAGE_CACHE, ()),
    (answer(Reply.SETTLED, op=8), kept(CACHED), Level.PAGE_CACHE, SAME),
    (answer(Reply.SETTLED), ASKED, Level.PAGE_CACHE, ()),
    (answer(Reply.UNKNOWN), ASKED, Level.DISK, SAME),
    (answer(Reply.FAILED), ASKED, Level.DISK, (HELD,)),
    (answer(Reply.FAILED), kept(MEMORY), Level.DISK, ()),
    (answer(Reply.BUSY, op=8), kept(MEMORY), Level.DISK, SAME),
    (answer(Reply.EXPIRED), ASKED, Level.DISK, ()),
    (answer(Reply.EXPIRED, at=30.0), ASKED, Level.DISK, (HELD,)),
    (answer(Reply.EXPIRED), HELD, Level.DISK, SAME),
    (answer(Reply.INVALID), kept(MEMORY), Level.DISK, ()),
    (MadeDurable(), kept(DURABLE), Level.PAGE_CACHE, SAME),
    (MadeDurable(), kept(CACHED), Level.PAGE_CACHE, ()),
    (MadeDurable(), HELD, Level.PAGE_CACHE, ()),
    (Absent(29.9), HELD, Level.DISK, SAME),
    (Absent(30.0), HELD, Level.DISK, ()),
    (Absent(99.0), kept(MEMORY), Level.DISK, SAME),
    (Absent(0.0), NOBODY, Level.DISK, ()),
    (ProcessCrashed(), ASKED, Level.DISK, (HELD,)),
    (ProcessCrashed(), kept(MEMORY), Level.DISK, (HELD, kept(CACHED))),
    (ProcessCrashed(), kept(CACHED), Level.DISK, SAME),
    (PowerLost(), ASKED, Level.DISK, (HELD,)),
    (PowerLost(), HELD, Level.PAGE_CACHE, (HELD, NOBODY)),
    (PowerLost(), kept(CACHED), Level.DISK, (HELD, kept(DURABLE))),
    (PowerLost(), kept(DURABLE), Level.DISK, SAME),
    (
        PowerLost(),
        kept(DURABLE),
        Level.PAGE_CACHE,
        (kept(DURABLE), kept(DURABLE, current=None, deadline=float("-inf"))),
    ),
    (Restarted(), kept(MEMORY), Level.DISK, SAME),
    (WriteFailed(), ASKED, Level.DISK, SAME),
    (SyncEnded("failed"), kept(CACHED), Level.DISK, SAME),
]


@pytest.mark.parametrize(("event", "world", "level", "after"), AFTER)
def test_what_a_world_may_have_become(event: Event, world: World, level: Level, after: Any) -> None:
    expected = (world,) if after is SAME else after
    assert set(possible_after(event, world, level)) == set(expected)


def test_unobserved_an_ack_takes_effect_or_comes_closer_to_the_disk() -> None:
    assert drift(HELD) == (HELD,)
    assert {world.settled for world in drift(ASKED)} == set(Settled)
    assert {world.by for world in drift(ASKED) if world.settled} == {7}
    assert [world.settled for world in drift(kept(CACHED))] == [CACHED, DURABLE]


def test_of_two_acks_either_may_take_effect() -> None:
    both = World("r1", 30.0, frozenset({7, 8}))
    assert {world.by for world in drift(both)} == {None, 7, 8}


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="is not an event"):
        possible_after("crash", HELD, Level.DISK)  # type: ignore[arg-type]
