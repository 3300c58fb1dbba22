"""The worlds: what each observation makes of one, and what may happen to it unobserved."""

from typing import Any

import pytest
from attrs import evolve

from ackmodel import Level
from ackmodel.observe.domination import undominated
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Event,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    RenewAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
    Secured,
    SyncEnded,
    WriteFailed,
)
from ackmodel.observe.possible import possible_after
from ackmodel.observe.worlds import (
    NEVER,
    UNHEARD,
    UNSEEN,
    Claim,
    Lease,
    Release,
    Renewal,
    Reset,
    Settled,
    World,
    drift,
    took_effect,
)

NO, MEMORY, CACHED, DURABLE = Settled
HELD = World(current="r1", deadline=30.0)
ASKED = World(current="r1", deadline=30.0, asked=frozenset({7}))


def kept(settled: Settled, **changes: Any) -> World:
    """The world in which operation 7 has settled the message this firmly."""
    return World(**{"current": "r1", "deadline": 30.0, "settled": settled, "by": 7, **changes})


def answer(reply: Reply, op: int = 7, at: float = 5.0) -> AckAnswered:
    return AckAnswered(op, reply, at)


FIRST: dict[str, Any] = {"least": 1, "most": 1, "sure": 1}
"""What is counted of a first delivery that survives power loss."""

NOBODY = World()
LOOSE = World(current="r1", deadline=30.0, loose=True)
RENEWING = World(current="r1", deadline=30.0, changes=frozenset({Renewal(8, 90.0)}))
RENEWED = took_effect(RENEWING, Renewal(8, 90.0))
RELEASING = World(current="r1", deadline=30.0, changes=frozenset({Release(8)}))
RELEASED = took_effect(RELEASING, Release(8))
RESETTING = World(current="r1", deadline=30.0, changes=frozenset({Reset(8, True)}))
ANEW = took_effect(RESETTING, Reset(8, True))
PASSED = took_effect(World(changes=frozenset({Reset(8, False)})), Reset(8, False))
BEFORE = Lease("r1", 30.0, 0, ended_by=8)
EARLIER = frozenset({evolve(BEFORE, ended_by=None)})


def told(reply: Reply, at: float = 5.0) -> ChangeAnswered:
    return ChangeAnswered(8, reply, at)


def confirmed(world: World, **changes: Any) -> World:
    """The world after operation 8 was answered OK."""
    return evolve(world, unconfirmed=frozenset(), **changes)


SAME = "the same world"
ENDED = "the same world, and no operation of it will be answered any more"
AFTER: list[tuple[Event, World, Level, Any]] = [
    (Popped("r2", 30.0, 60.0), HELD, Level.DISK, (World("r2", 60.0, **FIRST),)),
    (Popped("r2", 29.9, 60.0), HELD, Level.DISK, ()),
    (Popped("r2", 99.0, 120.0), kept(MEMORY), Level.DISK, ()),
    (Popped("r2", 99.0, 120.0), ASKED, Level.DISK, (World("r2", 120.0, **FIRST),)),
    (Popped("r2", 99.0, 120.0), HELD, Level.PAGE_CACHE, (World("r2", 120.0, loose=True, least=1, most=1),)),
    (PopUnanswered(50.0), HELD, Level.DISK, (HELD, World(UNSEEN, 50.0, loose=True, most=1, earliest=50.0))),
    (PopUnanswered(20.0), HELD, Level.DISK, (HELD, World(UNSEEN, 30.0, loose=True, most=1, earliest=30.0))),
    (PopUnanswered(50.0), kept(MEMORY), Level.DISK, SAME),
    (AckAsked(7, "r1", 29.9), HELD, Level.DISK, (ASKED,)),
    (AckAsked(7, "r1", 30.0), HELD, Level.DISK, SAME),
    (AckAsked(7, "r0", 1.0), HELD, Level.DISK, SAME),
    (answer(Reply.OK), kept(CACHED), Level.PAGE_CACHE, ENDED),
    (answer(Reply.OK), kept(CACHED), Level.DISK, ()),
    (answer(Reply.OK), kept(DURABLE), Level.DISK, ENDED),
    (answer(Reply.OK), kept(MEMORY), Level.PAGE_CACHE, ()),
    (answer(Reply.SETTLED, op=8), kept(CACHED), Level.PAGE_CACHE, SAME),
    (answer(Reply.SETTLED), ASKED, Level.PAGE_CACHE, ()),
    (answer(Reply.UNKNOWN), ASKED, Level.DISK, ENDED),
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
    (ProcessCrashed(), kept(MEMORY), Level.DISK, (HELD, kept(CACHED, by=UNHEARD))),
    (ProcessCrashed(), kept(CACHED), Level.DISK, ENDED),
    (PowerLost(), ASKED, Level.DISK, (HELD,)),
    (PowerLost(), HELD, Level.PAGE_CACHE, (HELD,)),
    (PowerLost(), LOOSE, Level.PAGE_CACHE, (HELD, NOBODY)),
    (PowerLost(), kept(CACHED), Level.DISK, (HELD, kept(DURABLE, by=UNHEARD))),
    (PowerLost(), kept(DURABLE), Level.DISK, ENDED),
    (
        PowerLost(),
        kept(DURABLE, loose=True),
        Level.PAGE_CACHE,
        (kept(DURABLE, by=UNHEARD), kept(DURABLE, by=UNHEARD, current=None, deadline=NEVER)),
    ),
    (ProcessCrashed(), LOOSE, Level.PAGE_CACHE, SAME),
    (ProcessCrashed(), LOOSE, Level.MEMORY, (LOOSE, World(loose=True))),
    (answer(Reply.OK), kept(MEMORY), Level.MEMORY, ENDED),
    # renewals
    (RenewAsked(8, "r1", 29.9, 90.0), HELD, Level.DISK, (RENEWING,)),
    (RenewAsked(8, "r1", 30.0, 90.0), HELD, Level.DISK, SAME),
    (RenewAsked(8, "r0", 1.0, 90.0), HELD, Level.DISK, SAME),
    (RenewAsked(8, "r1", 1.0, 90.0), kept(CACHED), Level.DISK, SAME),
    (told(Reply.OK), RENEWING, Level.DISK, ()),
    (told(Reply.OK), RENEWED, Level.DISK, (confirmed(RENEWED, older=frozenset()),)),
    (told(Reply.OK), RENEWED, Level.PAGE_CACHE, (confirmed(RENEWED),)),
    (told(Reply.UNKNOWN), RENEWING, Level.DISK, ENDED),
    (told(Reply.FAILED), RENEWING, Level.DISK, (HELD,)),
    (told(Reply.BUSY), RENEWED, Level.DISK, ()),
    (told(Reply.EXPIRED), RENEWING, Level.DISK, ()),
    (told(Reply.EXPIRED, at=30.0), RENEWING, Level.DISK, (HELD,)),
    (told(Reply.INVALID), RENEWED, Level.DISK, ()),
    (told(Reply.SETTLED), RENEWING, Level.DISK, ()),
    (told(Reply.SETTLED), RENEWED, Level.DISK, ()),
    (told(Reply.SETTLED), kept(DURABLE), Level.DISK, SAME),
    (Popped("r2", 89.9, 120.0), confirmed(RENEWED), Level.DISK, ()),
    (Popped("r2", 90.0, 120.0), confirmed(RENEWED), Level.DISK, (World("r2", 120.0, **FIRST),)),
    (ProcessCrashed(), RENEWED, Level.DISK, (confirmed(RENEWED, older=EARLIER), evolve(HELD, older=EARLIER))),
    (ProcessCrashed(), confirmed(RENEWED), Level.PAGE_CACHE, SAME),
    (PowerLost(), confirmed(RENEWED), Level.PAGE_CACHE, (World("r1", 90.0), HELD)),
    (PowerLost(), confirmed(RENEWED, older=frozenset()), Level.DISK, (World("r1", 90.0),)),
    (Secured("r1", frozenset({8})), confirmed(RENEWED), Level.PAGE_CACHE, (World("r1", 90.0),)),
    (Secured("r1"), LOOSE, Level.PAGE_CACHE, (HELD,)),
    (Secured("r0"), LOOSE, Level.PAGE_CACHE, SAME),
    # releases
    (ReleaseAsked(8, "r1", 29.9), HELD, Level.DISK, (RELEASING,)),
    (ReleaseAsked(8, "r1", 30.0), HELD, Level.DISK, SAME),
    (Absent(2.0), confirmed(RELEASED), Level.DISK, ()),
    (AckAsked(7, "r1", 2.0), confirmed(RELEASED), Level.DISK, SAME),
    (
        Popped("r2", 2.0, 120.0),
        confirmed(RELEASED),
        Level.DISK,
        (World("r2", 120.0, older=frozenset({BEFORE}), **FIRST),),
    ),
    (Popped("r2", 30.0, 120.0), confirmed(RELEASED), Level.DISK, (World("r2", 120.0, **FIRST),)),
    (PowerLost(), confirmed(RELEASED), Level.PAGE_CACHE, (NOBODY, HELD)),
    (ProcessCrashed(), confirmed(RELEASED), Level.MEMORY, (confirmed(RELEASED), evolve(HELD, older=RELEASED.older))),
    # resets
    (ResetAsked(8, True), HELD, Level.DISK, (RESETTING,)),
    (ResetAnswered(8, Reply.OK), RESETTING, Level.DISK, ()),
    (ResetAnswered(8, Reply.OK), ANEW, Level.PAGE_CACHE, (NOBODY,)),
    (ResetAnswered(8, Reply.OK), PASSED, Level.PAGE_CACHE, (World(settled=DURABLE),)),
    (ResetAnswered(8, Reply.FAILED), RESETTING, Level.DISK, (HELD,)),
    (ResetAnswered(8, Reply.FAILED), ANEW, Level.DISK, ()),
    (ResetAnswered(8, Reply.UNKNOWN), ANEW, Level.DISK, ENDED),
    (ProcessCrashed(), RESETTING, Level.DISK, ENDED),
    (PowerLost(), RESETTING, Level.DISK, ENDED),
    (Restarted(), RESETTING, Level.DISK, (HELD,)),
    (Restarted(), ANEW, Level.DISK, (evolve(ANEW.unheard(8), shaky=frozenset()),)),
    (Popped("r2", 40.0, 60.0), RESETTING, Level.DISK, (evolve(RESETTING, current="r2", deadline=60.0, **FIRST),)),
    (Restarted(), kept(MEMORY), Level.DISK, ENDED),
    (WriteFailed(), ASKED, Level.DISK, SAME),
    (SyncEnded("failed"), kept(CACHED), Level.DISK, SAME),
]


@pytest.mark.parametrize(("event", "world", "level", "after"), AFTER)
def test_what_a_world_may_have_become(event: Event, world: World, level: Level, after: Any) -> None:
    if after in (SAME, ENDED):
        after = (world if after is SAME else world.unheard(*world.open_ops),)
    assert set(possible_after(event, world, Claim(level))) == set(after)


def test_unobserved_an_ack_takes_effect_or_comes_closer_to_the_disk() -> None:
    assert drift(HELD) == (HELD,)
    assert {world.settled for world in drift(ASKED)} == set(Settled)
    assert {world.by for world in drift(ASKED) if world.settled} == {7}
    assert {world.settled for world in drift(kept(CACHED))} == {CACHED, DURABLE}


def test_unobserved_a_change_takes_effect() -> None:
    assert set(drift(RENEWING)) == {RENEWING, RENEWED}
    assert set(drift(RELEASING)) == {RELEASING, RELEASED}
    assert set(drift(RESETTING)) == {RESETTING, ANEW}


def test_what_is_settled_is_not_renewed_but_is_reset() -> None:
    assert {world.deadline for world in drift(evolve(RENEWING, settled=DURABLE))} == {30.0}
    assert ANEW.settled is NO
    assert {world.settled for world in drift(evolve(RESETTING, settled=DURABLE))} == {DURABLE, NO}


def test_after_a_release_an_ack_that_was_asked_for_cannot_take_effect() -> None:
    both = evolve(RELEASING, asked=frozenset({7}))
    assert {world.settled for world in drift(both) if world.current is None} == {NO}


@pytest.mark.parametrize("fault", [ProcessCrashed(), PowerLost()], ids=str)
def test_a_fault_may_undo_a_reset_that_was_not_answered(fault: Event) -> None:
    after = set(possible_after(fault, ANEW, Claim(Level.DISK)))
    assert {world.settled for world in after} == {NO, DURABLE}
    assert {world.current for world in after} == {None, "r1"}
    assert {bool(world.shaky) for world in after} == {isinstance(fault, ProcessCrashed)}


@pytest.mark.parametrize("fault", [ProcessCrashed(), PowerLost()], ids=str)
def test_a_reset_that_a_fault_has_undone_may_take_effect_again(fault: Event) -> None:
    """Recovery reads it again. What it has not undone is not done twice."""
    after = possible_after(fault, ANEW, Claim(Level.DISK))
    undone = {world for world in undominated(after) if world.settled is not NO or world.current is not None}
    assert undone
    assert {world.resets for world in undone} == {frozenset({Reset(UNHEARD, anew=True)})}
    settled = next(world for world in undone if world.settled is DURABLE)
    assert {world.settled for world in drift(settled)} == {DURABLE, NO}
    once = evolve(ANEW, unconfirmed=frozenset(), older=frozenset(), shaky=frozenset())
    assert once in {evolve(world, older=frozenset(), shaky=frozenset()) for world in after}


def test_of_two_resets_that_nobody_was_answered_a_fault_may_undo_both() -> None:
    other = Reset(9, anew=False)
    both = [world for world in drift(evolve(ANEW, changes=frozenset({other}))) if other not in world.changes]
    assert {world.shaky for world in both} == {ANEW.shaky | {other}}
    after = undominated(possible_after(PowerLost(), both[0], Claim(Level.DISK)))
    pending = frozenset(evolve(reset, op=UNHEARD) for reset in both[0].shaky)
    assert {world.resets for world in after if world.current and not world.gone} == {pending}


def test_a_reset_that_nobody_will_be_answered_stays_possible() -> None:
    """Nobody sees how often recovery has read it; a clean restart ends that."""
    asked = ANEW.unheard(8)
    [again] = possible_after(Popped("r2", 40.0, 60.0), evolve(asked, changes=asked.shaky), Claim(Level.DISK))
    assert {world.current for world in drift(again)} == {"r2", None}
    [ended] = possible_after(Restarted(), again, Claim(Level.DISK))
    assert {world.current for world in drift(ended)} == {"r2"}


# --- attempts ---------------------------------------------------------------------------------------------------------

TWICE = Claim(Level.PAGE_CACHE, max_attempts=2)
TWICE_OR_MORE = Claim(Level.PAGE_CACHE)
LAST = World("r2", 60.0, loose=True, least=2, most=2)
DEAD = evolve(LAST, dead=True)
BETWEEN = World(UNSEEN, 90.0, loose=True, most=1, earliest=60.0)
SPENT = evolve(BETWEEN, most=2)
BURIED = evolve(SPENT, dead=True, least=2)

COUNTED: list[tuple[Event, World, tuple[World, ...]]] = [
    (Popped("r1", 1.0, 30.0), World(), (World("r1", 30.0, loose=True, least=1, most=1),)),
    (Popped("r2", 30.0, 60.0), World("r1", 30.0, loose=True, least=1, most=1), (LAST,)),
    (Popped("r3", 60.0, 90.0), LAST, ()),
    (Popped("r3", 60.0, 90.0), evolve(LAST, least=1), (evolve(LAST, current="r3", deadline=90.0),)),
    (PopUnanswered(90.0), LAST, (LAST,)),
    (PopUnanswered(90.0), World(), (World(), World(UNSEEN, 90.0, loose=True, most=1, earliest=90.0))),
    (PopUnanswered(90.0, earliest=60.0), World(), (World(), BETWEEN)),
    (Absent(59.0), BETWEEN, (BETWEEN,)),
    (Absent(60.0), SPENT, (BURIED, SPENT)),
    (Absent(90.0), SPENT, (BURIED,)),
    (Absent(60.0, dead=False), SPENT, (SPENT,)),
    (Absent(60.0), LAST, (DEAD,)),
    (Absent(60.0, dead=True), LAST, (DEAD,)),
    (Absent(60.0, dead=False), LAST, ()),
    (Absent(59.9, dead=False), LAST, (LAST,)),
    (Absent(59.9, dead=True), LAST, ()),
    (Absent(60.0, dead=True), kept(DURABLE), ()),
    (Absent(60.0, dead=False), DEAD, ()),
    (DeadLettered(60.0), LAST, (DEAD,)),
    (DeadLettered(59.9), LAST, ()),
    (DeadLettered(60.0), evolve(LAST, least=1, most=1), ()),
    (DeadLettered(60.0), evolve(LAST, settled=CACHED, by=7), ()),
    (DeadLettered(99.0), DEAD, (DEAD,)),
    (DeadLettered(99.0), World(settled=DURABLE), (World(settled=DURABLE),)),
    (Absent(99.0, dead=True), World(settled=DURABLE), (World(settled=DURABLE),)),
    (Popped("r3", 60.0, 90.0), DEAD, ()),
    (answer(Reply.SETTLED, at=60.0), LAST, (DEAD,)),
    (answer(Reply.SETTLED, at=59.9), LAST, ()),
    (answer(Reply.EXPIRED, at=60.0), DEAD, (DEAD,)),
    (answer(Reply.OK, at=60.0), DEAD, ()),
    (told(Reply.SETTLED, at=60.0), LAST, (DEAD,)),
    (MadeDurable(), DEAD, (evolve(DEAD, loose=False, sure=2),)),
    (MadeDurable(), LAST, ()),
    (MadeDurable("callback", at=60.0), LAST, (evolve(DEAD, loose=False, sure=2),)),
    (MadeDurable("callback", at=59.9), LAST, ()),
    (MadeDurable("callback", at=99.0), evolve(LAST, least=1, most=1), ()),
    (MadeDurable("callback", at=99.0), evolve(LAST, settled=DURABLE, by=7), (evolve(LAST, settled=DURABLE, by=7),)),
    (PowerLost(), evolve(DEAD, loose=False, sure=2), (evolve(DEAD, loose=False, sure=2),)),
    (PowerLost(), LAST, (evolve(LAST, loose=False, sure=2), World(least=0, most=2))),
    (Secured("r2"), LAST, (evolve(LAST, loose=False, sure=2),)),
    (PowerLost(), evolve(LAST, loose=False, sure=2), (evolve(LAST, loose=False, sure=2),)),
    (ProcessCrashed(), LAST, (LAST,)),
]


@pytest.mark.parametrize(("attempt", "most"), [(1, None), (2, 2), (3, 3), (4, None)])
def test_a_delivery_has_a_number_that_it_can_have(attempt: int, most: int | None) -> None:
    """One delivery was told, and one more pop was not answered: this is the second, or the third."""
    world = World("r1", 30.0, least=1, most=2)
    after = possible_after(Popped("r2", 30.0, 60.0, attempt), world, Claim(Level.PAGE_CACHE))
    assert [(left.least, left.most) for left in after] == ([] if most is None else [(attempt, attempt)])


def test_an_undone_reset_brings_the_number_back() -> None:
    """Three deliveries, a reset of which nobody heard, a first one after it, and a power loss that undoes the reset."""
    asked = World("r3", 30.0, least=3, most=3, sure=3, changes=frozenset({Reset(8, anew=True)}))
    worlds: set[World] = {asked}
    for event in (ResetAnswered(8, Reply.UNKNOWN), Popped("r4", 40.0, 60.0, 1), PowerLost()):
        worlds = {
            after for world in worlds for now in drift(world) for after in possible_after(event, now, TWICE_OR_MORE)
        }
    for number, possible in {1: True, 2: True, 4: True, 5: False}.items():
        again = Popped("r5", 99.0, 120.0, number)
        assert any(possible_after(again, now, TWICE_OR_MORE) for world in worlds for now in drift(world)) is possible


@pytest.mark.parametrize(("event", "world", "after"), COUNTED)
def test_a_message_is_handed_out_so_often_and_then_it_is_dead(
    event: Event, world: World, after: tuple[World, ...]
) -> None:
    assert set(possible_after(event, world, TWICE)) == set(after)


def test_of_two_acks_either_may_take_effect() -> None:
    both = World("r1", 30.0, frozenset({7, 8}))
    assert {world.by for world in drift(both)} == {None, 7, 8}


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="is not an event"):
        possible_after("crash", HELD, Claim(Level.DISK))  # type: ignore[arg-type]
