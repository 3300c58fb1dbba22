"""Worlds that need not be kept: the contract says the same without them, and never keeps many."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from attrs import Factory, define, evolve
from hypothesis import given
from hypothesis import strategies as st

from ackmodel import Contract, Level
from ackmodel.observe import domination
from ackmodel.observe.domination import dominates, joined, undominated
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    ClockSetBack,
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
)
from ackmodel.observe.possible import possible_after
from ackmodel.observe.worlds import UNHEARD, Lease, Reset, Settled, World, drift

STOPS = (ProcessCrashed(), PowerLost(), Restarted(), Restarted(proved=False))
INVISIBLE = (5.0, 60.0)


class Unbounded(Contract):
    """A contract that keeps every world."""

    def worlds_after(self, event: Event) -> frozenset[World]:
        return frozenset(
            after for world in self.worlds for now in drift(world) for after in possible_after(event, now, self.claim)
        )


@define
class History:
    """Draws what may be observed next of one message: whatever clients may ask, answers, faults, and what comes."""

    random: Random
    now: float = 0.0
    op: int = 0
    receipts: list[str] = Factory(lambda: ["r0"])
    waiting: dict[int, type[AckAnswered | ChangeAnswered | ResetAnswered]] = Factory(dict)

    def draw(self, most_changes: int = 2) -> Event:
        """Draw an event. Few changes wait for an answer at once, as the harness has it, and one reset."""
        self.now += self.random.choice((0.0, 0.0, 0.1, 1.0, 5.0, 20.0))
        waiting = list(self.waiting.values())
        asks = [self._pop, self._hide, self._miss, self._ack, self._ack, self._secure, self._stop, self._set_the_clock]
        if self.waiting:
            asks += [self._answer] * 4
        if waiting.count(ChangeAnswered) < most_changes:
            asks += [self._renew, self._release]
        if ResetAnswered not in waiting:
            asks.append(self._reset)
        return self.random.choice(asks)()

    def took_place(self, event: Event) -> None:
        """Note that a drawn event was possible."""
        match event:
            case Popped(receipt=receipt):
                self.receipts = [*self.receipts[-2:], receipt]
            case AckAsked(op=op):
                self.waiting[op] = AckAnswered
            case RenewAsked(op=op) | ReleaseAsked(op=op):
                self.waiting[op] = ChangeAnswered
            case ResetAsked(op=op):
                self.waiting[op] = ResetAnswered
            case AckAnswered(op=op) | ChangeAnswered(op=op) | ResetAnswered(op=op):
                del self.waiting[op]
            case ProcessCrashed() | PowerLost() | Restarted():
                self.waiting.clear()

    def _until(self) -> float:
        return self.now + self.random.choice(INVISIBLE)

    def _next(self) -> int:
        self.op += 1
        return self.op

    def _pop(self) -> Event:
        number = self.random.choice((None, None, 1, 2, 3, 4))
        return Popped(f"r{self._next()}", self.now, self._until(), number)

    def _hide(self) -> Event:
        until = self._until()
        return PopUnanswered(until, self.random.choice((None, self.now, (self.now + until) / 2)))

    def _miss(self) -> Event:
        dead = self.random.choice((None, None, False, True))
        return self.random.choice((Absent(self.now, dead), DeadLettered(self.now)))

    def _ack(self) -> Event:
        return AckAsked(self._next(), self.random.choice(self.receipts), self.now)

    def _renew(self) -> Event:
        return RenewAsked(self._next(), self.random.choice(self.receipts), self.now, self._until())

    def _release(self) -> Event:
        return ReleaseAsked(self._next(), self.random.choice(self.receipts), self.now)

    def _reset(self) -> Event:
        return ResetAsked(self._next(), self.random.random() < 0.5)

    def _answer(self) -> Event:
        op, kind = self.random.choice(list(self.waiting.items()))
        reply = self.random.choice((Reply.OK, Reply.OK, Reply.UNKNOWN, *Reply))
        if kind is ResetAnswered:
            return ResetAnswered(op, reply)
        return (AckAnswered if kind is AckAnswered else ChangeAnswered)(op, reply, self.now)

    def _secure(self) -> Event:
        secured = Secured(self.random.choice(self.receipts))
        return self.random.choice((secured, MadeDurable(), MadeDurable("callback", self.now)))

    def _set_the_clock(self) -> Event:
        self.now = max(0.0, self.now - self.random.choice((1.0, 5.0, 60.0)))
        again = self.random.sample(self.receipts, self.random.randint(1, len(self.receipts)))
        return ClockSetBack(tuple((receipt, self._until()) for receipt in again), self.random.random() < 0.5)

    def _stop(self) -> Event:
        return self.random.choice(STOPS)


LEVELS = st.sampled_from(Level)
LIMITS = st.sampled_from([None, 2])


@pytest.mark.no_cover
@given(seed=st.integers(0, 2**32), level=LEVELS, limit=LIMITS)
def test_what_is_allowed_is_the_same_without_them(seed: int, level: Level, limit: int | None) -> None:
    """After every history, each next event is allowed by the worlds kept if and only if one of all the worlds does."""
    few, every = Contract(level, max_attempts=limit), Unbounded(level, max_attempts=limit)
    history = History(Random(seed))
    for _ in range(40):
        event = history.draw()
        left = every.worlds_after(event)
        assert bool(few.worlds_after(event)) == bool(left), (event, every.history)
        if not left:
            continue
        if len(left) > domination.MANY:
            return
        few.observe(event)
        every.observe(event)
        history.took_place(event)
        assert few.certainly_settled == every.certainly_settled, every.history
        assert few.certainly_unsettled == every.certainly_unsettled, every.history


def changed(world: World, random: Random, now: float) -> World:
    """The same world with one or two fields changed, one way or the other."""
    least, most = random.randint(0, 2), random.randint(0, 3)
    ended_by = random.choice((UNHEARD, None, 0))
    lease = Lease(random.choice((world.current, "r0")), now + 5.0, least, ended_by, most)
    heard = random.choice((frozenset(), frozenset({UNHEARD})))
    resets = frozenset(Reset(UNHEARD, anew) for anew in (True, False) if random.random() < 0.5)
    settled = random.choice(list(Settled))
    unconfirmed = world.unconfirmed | heard | (frozenset({UNHEARD}) if lease.ended_by == UNHEARD else frozenset())
    ways: list[dict[str, Any]] = [
        {"least": random.randint(0, 2)},
        {"most": random.randint(0, 2)},
        {"sure": random.randint(0, 2)},
        {"loose": not world.loose},
        {"deadline": random.choice((now, now + 5.0))},
        {"asked": world.asked - {UNHEARD} | heard},
        {"changes": world.changes - resets, "shaky": world.shaky - resets},
        {"changes": world.changes | resets},
        {"changes": world.changes | resets, "shaky": world.shaky | resets},
        {"settled": settled, "by": None if settled is Settled.NO else random.choice((None, UNHEARD, *world.asked))},
        {"older": world.older | {lease}, "unconfirmed": unconfirmed},
    ]
    for way in random.sample(ways, random.randint(1, 2)):
        world = evolve(world, **way)
    return world


@pytest.mark.no_cover
@given(seed=st.integers(0, 2**32), level=LEVELS, limit=LIMITS)
def test_whatever_happens_a_world_that_dominates_goes_on_to_dominate(
    seed: int, level: Level, limit: int | None
) -> None:
    """The step of the proof in `specs/worlds.md`, of worlds as they come up and of others near them."""
    random = Random(seed)
    every, history = Contract(level, max_attempts=limit), History(random)
    claim = every.claim
    for _ in range(25):
        event = history.draw()
        for world in random.sample(sorted(every.worlds, key=repr), min(3, len(every.worlds))):
            weaker = changed(world, random, history.now)
            stronger = changed(weaker, random, history.now)
            if not dominates(stronger, weaker):
                continue
            allowed = [left for now in drift(stronger) for left in possible_after(event, now, claim)]
            for now in drift(weaker):
                for left in possible_after(event, now, claim):
                    assert any(dominates(better, left) for better in allowed), (event, stronger, weaker, left)
        if every.worlds_after(event):
            every.observe(event)
            history.took_place(event)


@pytest.mark.no_cover
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_events_leave_few_worlds(level: Level, limit: int | None, seed: int) -> None:
    contract, history = Contract(level, max_attempts=limit), History(Random(seed))
    most = 0
    while len(contract.history) < 1_000:
        event = history.draw()
        left = contract.worlds_after(event)
        if left:
            contract.observe(event)
            history.took_place(event)
            most = max(most, len(left))
    assert 10 < most < 200


@pytest.mark.no_cover
def test_many_worlds_are_joined_and_none_that_could_save_a_store_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domination, "MANY", 2)
    for seed in range(60):
        few, every = Contract(Level.PAGE_CACHE, max_attempts=3), Unbounded(Level.PAGE_CACHE, max_attempts=3)
        history = History(Random(seed))
        for _ in range(40):
            event = history.draw()
            left = every.worlds_after(event)
            if len(left) > 2_000:
                break
            if left:
                few.observe(event)
                every.observe(event)
                history.took_place(event)


HELD = World("r1", 30.0)
BACK = Lease("r0", 20.0, 1, ended_by=4, most=1)
PAIRS: list[tuple[World, World]] = [
    (evolve(HELD, asked=frozenset({UNHEARD})), HELD),
    (evolve(HELD, asked=frozenset({UNHEARD})), evolve(HELD, settled=Settled.CACHED, by=UNHEARD)),
    (evolve(HELD, settled=Settled.MEMORY, by=UNHEARD), evolve(HELD, settled=Settled.DURABLE, by=5)),
    (evolve(HELD, changes=frozenset({Reset(UNHEARD, anew=True)})), HELD),
    (evolve(HELD, shaky=frozenset({Reset(UNHEARD, anew=True)})), HELD),
    (evolve(HELD, loose=True), HELD),
    (evolve(HELD, least=1, most=2), evolve(HELD, least=2, most=2)),
    (evolve(HELD, least=1, most=3), evolve(HELD, least=1, most=2)),
    (evolve(HELD, least=2, sure=0), evolve(HELD, least=2, sure=1)),
    (evolve(HELD, older=frozenset({BACK})), HELD),
    (evolve(HELD, older=frozenset({evolve(BACK, least=0)})), evolve(HELD, older=frozenset({BACK}))),
    (evolve(HELD, older=frozenset({evolve(BACK, most=4)})), evolve(HELD, older=frozenset({BACK}))),
    (evolve(HELD, older=frozenset({evolve(BACK, ended_by=None)})), evolve(HELD, older=frozenset({BACK}))),
]


@pytest.mark.parametrize(("stronger", "weaker"), PAIRS)
def test_one_world_dominates_another(stronger: World, weaker: World) -> None:
    assert dominates(stronger, weaker)
    assert not dominates(weaker, stronger)
    assert undominated([weaker, stronger]) == {stronger}


@pytest.mark.parametrize(
    "other",
    [
        World("r2", 30.0),
        World("r1", 31.0),
        evolve(HELD, dead=True),
        evolve(HELD, asked=frozenset({5})),
        evolve(HELD, settled=Settled.DURABLE),
        evolve(HELD, changes=frozenset({Reset(5, anew=True)})),
        evolve(HELD, unconfirmed=frozenset({5})),
    ],
    ids=str,
)
def test_of_what_differs_otherwise_neither_dominates(other: World) -> None:
    assert undominated([HELD, other]) == {HELD, other}


def test_a_bound_dominates_what_it_stands_for() -> None:
    worlds = [evolve(HELD, least=1, most=1, loose=True), evolve(HELD, least=2, most=2, older=frozenset({BACK}))]
    [bound] = joined(worlds)
    assert all(dominates(bound, world) for world in worlds)
