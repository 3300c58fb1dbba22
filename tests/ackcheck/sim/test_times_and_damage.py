"""Exact times, a clock that is set, queues that begin high, consumers that go, and damage: each is judged."""

from typing import Any

import pytest
from attrs import evolve

from ackcheck.rig.spoilt import KINDS
from ackcheck.sim.campaign import undamaged
from ackcheck.sim.devices import QUEUES
from ackcheck.sim.disk import Disk
from ackcheck.sim.machine import WORN
from ackcheck.sim.setup import FactorySetup
from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import Simulation, begin, breaks, replay
from ackcheck.sim.target import Directory, Ended, Told
from acklab.reference.simulated import ReferenceSetup
from acklab.reference.stepped import Reference
from acklab.zoo import bug_named
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

SHORT: list[Step] = [("pop", {"count": 1, "invisible": 5.0}), ("finish_all", {})]
ALL: Step = ("finish_all", {})
ACKED: list[Step] = [("pop", {"count": 2}), ALL, ("ack", {"which": 0}), ALL, ("flush", {})]


def begun(make: Any = Reference) -> Simulation:
    return Simulation(make, (Level.PAGE_CACHE,))


def replies(run: Simulation, operation: int) -> list[str]:
    found = [line.text for line in run.history.lines if f"operation {operation} is answered" in line.text]
    return [text.split("answered ")[1].split(":")[0] for text in found]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("ticks", "reply"), [(-1, "OK"), (0, "EXPIRED"), (1, "EXPIRED")])
def test_a_deadline_is_met_to_the_tick(ticks: int, reply: str, late: bool) -> None:
    wait: Step = ("wait_until", {"which": 0, "ticks": ticks, "late": late})
    run = replay(begun(), [*SHORT, wait, ("ack", {"which": 0}), ("finish_writes", {})])
    assert replies(run, 2) == [reply]


def test_a_store_that_takes_an_ack_on_the_deadline_is_caught() -> None:
    wrong = ReferenceSetup(core=UNFORESEEN["ack-on-the-deadline-counts"].core)
    script: list[Step] = [
        *SHORT,
        ("wait_until", {"which": 0, "ticks": 0}),
        ("ack", {"which": 0}),
        ("finish_writes", {}),
    ]
    with pytest.raises(Broken, match="receipt-is-exact"):
        replay(begin(wrong), script)


@pytest.mark.parametrize("clock", [-300.0, 300.0])
@pytest.mark.parametrize("stop", ["crash", "lose_power", "restart"])
def test_a_clock_that_is_set_between_two_opens_loses_nothing(stop: str, clock: float) -> None:
    arguments = {"clock": clock} | ({} if stop == "restart" else {"fate": 0})
    run = replay(begun(), [*ACKED, ("finish_all", {}), (stop, arguments), ("survey", {}), ("settle_everything", {})])
    assert run.broken is None


@pytest.mark.parametrize("stops", [("crash", "lose_power"), ("lose_power", "crash")])
def test_an_earlier_receipt_counts_again_where_the_clock_is_set_back_and_the_power_took_the_newest(
    stops: tuple[str, str],
) -> None:
    back = {"lose_power": 0.0, "crash": -600.0}
    run = replay(
        begun(),
        [
            *SHORT,
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 1}),
            ("finish_writes", {}),
            *((stop, {"fate": 0, "clock": back[stop]}) for stop in stops),
            ("ack_many", {"which": -1, "count": 2}),
            ("finish_all", {}),
        ],
    )
    assert run.broken is None
    assert "OK" in replies(run, 3)[0]


@pytest.mark.parametrize("bits", [8, 16, 31, 32, 53])
def test_a_queue_may_begin_just_below_where_a_number_grows(bits: int) -> None:
    first: Step = ("begin_at", {"queue": 0, "offset": 2**bits - 3})
    script: list[Step] = [first, ("pop", {"count": 6}), ("finish_all", {}), ("ack_many", {"which": 0, "count": 6})]
    run = replay(
        begun(), [*script, ("finish_all", {}), ("crash", {"fate": 0}), ("survey", {}), ("settle_everything", {})]
    )
    assert run.target.look([]).offsets is not None
    assert max(seen.committed for seen in (run.target.look([]).offsets or {}).values()) == 2**bits + 3


def test_a_receipt_that_comes_twice_in_a_batch_is_ok_once() -> None:
    run = replay(begun(), [*ACKED[:2], ("ack_many", {"which": 0, "count": 2, "twice": True}), ("finish_all", {})])
    answer = next(line.text for line in run.history.lines if "operation 2 is answered" in line.text)
    assert answer.endswith("OK, OK, SETTLED")


def test_what_a_consumer_had_returns_when_it_goes_and_nothing_else_does() -> None:
    script: list[Step] = [("pop", {"count": 1, "consumer": consumer}) for consumer in (0, 1)]
    script += [("finish_all", {}), ("leave", {"consumer": 0}), ("finish_all", {}), ("pop", {"count": 1, "consumer": 2})]
    run = replay(begun(), [*script, ("finish_all", {})])
    assert [seen.offset for seen in run.given] == [0, 1, 0]


def test_messages_that_nobody_was_handed_may_go_with_the_power() -> None:
    run = replay(begun(), [*SHORT, ("lose_power", {"fate": 0, "fewer": 4}), ("survey", {})])
    assert run.ends["orders/billing/0"] == 2
    replay(run, [("publish", {"queue": 0, "count": 4}), ("settle_everything", {})])
    assert run.broken is None


def test_a_queue_may_be_popped_before_anything_was_published() -> None:
    target = Reference()
    target.open(Disk(), now=0.0)
    target.pop(1, "orders/billing/0", 1, 30.0, now=0.0)
    assert [each.deliveries for each in target.take() if isinstance(each, Ended)] == [()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", range(3))
def test_damage_is_refused_by_name_or_does_no_harm(kind: str, which: int) -> None:
    damage: list[Step] = [("damage", {"kind": kind, "which": which, "at": at}) for at in (700, 9)]
    run = replay(begun(), [*ACKED, ("finish_all", {}), *damage, ("survey", {}), ("settle_everything", {})])
    assert run.broken is None
    if kind in ("bit", "sector"):
        assert any("refuses: " in line.text for line in run.history.lines)


NO_ROOM: Step = ("fail_write", {"written": 0})
FORGOTTEN: Step = ("lose_power", {"fate": 0})


AGAIN: list[Step] = [*ACKED, ALL, ("restart", {})]


@pytest.mark.parametrize(("before", "which"), [([], 0), (AGAIN, 1)], ids=["empty", "as it was"])
def test_a_file_is_not_lost_where_nobody_could_see_it(before: list[Step], which: int) -> None:  # seeds 520080, 480181
    lost: Step = ("damage", {"kind": "lost", "which": which, "at": 0})
    run = replay(begun(), [*before, ALL, ("pop", {"count": 1}), FORGOTTEN, NO_ROOM])
    assert len([name for name in run.disk.names() if name.startswith("log")]) == which + 1
    replay(run, [lost, ALL, ("pop", {"count": 1}), ALL])
    assert run.broken is None
    assert not any(f"log-0000000{which + 1}.seg is damaged: " in line.text for line in run.history.lines)


class SkipsWhatIsDamaged(Reference):
    """Opens an empty directory where its own cannot be read."""

    def open(self, directory: Directory, now: float) -> None:
        try:
            super().open(directory, now)
        except Exception:
            super().open(Disk(), now)


class RefusesWithoutAName(Reference):
    def open(self, directory: Directory, now: float) -> None:
        try:
            super().open(directory, now)
        except Exception:
            raise ValueError("something is wrong") from None


@pytest.mark.parametrize("wrong", [SkipsWhatIsDamaged, RefusesWithoutAName])
def test_damage_that_is_skipped_or_not_named_is_caught(wrong: type[Reference]) -> None:
    script: list[Step] = [
        *ACKED,
        ("finish_all", {}),
        ("damage", {"kind": "bit", "which": 0, "at": 800}),
        ("survey", {}),
    ]
    with pytest.raises(Broken) as broken:
        replay(begun(wrong), script)
    lost = Clause.SURVIVES_POWER_LOSS if wrong is RefusesWithoutAName else Clause.RECEIPT_IS_EXACT
    assert broken.value.clause is lost


LOSES_DEAD_LETTERS = bug_named("revive-progress-committed-before-async-revive-done")
NO_DEAD_LETTER: list[Step] = [
    ("pop", {"count": 1, "invisible": 5.0}),
    ALL,
    ("wait", {"seconds": 5.0}),
    ("pop", {"count": 1, "invisible": 5.0}),
    ALL,
    ("survey", {}),
]


def test_what_a_store_loses_that_refused_what_was_damaged_is_not_put_down_to_the_damage() -> None:
    setup = ReferenceSetup(core=LOSES_DEAD_LETTERS.core, max_attempts=2)
    damage: Step = ("damage", {"kind": "sector", "which": 0, "at": 0})
    run = breaks(setup, [*ACKED, damage, *NO_DEAD_LETTER])
    assert run is not None
    assert any("refuses: " in line.text for line in run.history.lines)
    assert run.broken is not None
    assert run.broken.clause is Clause.NO_LIMBO


def test_what_is_lost_without_damage_too_is_shown_without_it() -> None:
    setup = ReferenceSetup(core=LOSES_DEAD_LETTERS.core, max_attempts=2)
    accepted: Step = ("damage", {"kind": "bit", "which": 0, "at": 0})  # nothing says yet that it was on the disk
    run = breaks(setup, [accepted, *NO_DEAD_LETTER])
    assert run is not None
    assert run.broken is not None
    assert run.broken.clause is Clause.SURVIVES_POWER_LOSS
    shown = undamaged(setup, run)
    assert shown.broken is not None
    assert (shown.broken.clause, shown.script[0]) == (Clause.NO_LIMBO, ("restart", {}))
    assert undamaged(setup, shown) is shown


def test_what_only_damage_takes_is_shown_with_it() -> None:
    wrong = FactorySetup(make=SkipsWhatIsDamaged)
    damage: Step = ("damage", {"kind": "bit", "which": 0, "at": 800})
    run = breaks(wrong, [*ACKED, ALL, damage, ("survey", {})])
    assert run is not None
    assert undamaged(wrong, run) is run


@pytest.mark.parametrize("wear", WORN, ids=lambda wear: f"{wear['attempts']}")
@pytest.mark.parametrize("logs", [1, 2])
def test_a_store_may_be_about_to_run_out_of_numbers(wear: dict[str, int], logs: int) -> None:
    again: list[Step] = [("pop", {"count": 1, "invisible": 5.0}), ALL, ("wait", {"seconds": 5.0})]
    script: list[Step] = [("grow_old", wear), *again, ("crash", {"fate": 0}), *again, ("lose_power", {"fate": 0})]
    script += [("reset", {"queue": 1, "offset": 0}), ALL, ("restart", {}), ("reset", {"queue": 1, "offset": 0}), ALL]
    run = replay(begin(ReferenceSetup(logs=logs)), [*script, ("survey", {}), ("settle_everything", {}), ("survey", {})])
    assert run.broken is None
    first = [seen.attempt or 0 for seen in run.given if (seen.offset, run._where[seen.receipt][0]) == (0, QUEUES[0])]
    assert first[0] == wear["attempts"] + 1
    assert first == sorted(first)


def test_the_numbers_of_a_worn_store_last_as_long_as_a_run() -> None:
    """A full segment takes one, as an open does: after 90 the reference store could not be opened any more."""
    taken: list[Step] = [("pop", {"count": 1}), ALL, *[("renew_often", {"which": 0, "times": 33}), ALL] * 12]
    run = replay(begin(ReferenceSetup()), [("grow_old", WORN[3]), *taken, ("crash", {"fate": 0}), ("survey", {})])
    assert run.broken is None
    last = max(int(name[4:-4]) for name in run.disk.entries if name.startswith("log-"))
    assert last - WORN[3]["opens"] > 90


class HandsOutFew(Reference):
    """Lets go of all but the first hundred that expire at once."""

    def take(self) -> list[Told]:
        told = [
            evolve(each, deliveries=each.deliveries[:100]) if isinstance(each, Ended) and self.flooded else each
            for each in super().take()
        ]
        self.flooded = self.flooded or any(isinstance(each, Ended) and len(each.deliveries) > 100 for each in told)
        return told

    flooded = False


MANY = 600


@pytest.mark.parametrize("make", [Reference, HandsOutFew])
def test_hundreds_that_expire_at_once_come_back(make: type[Reference]) -> None:
    flood: list[Step] = [("flood", {"queue": 0, "count": MANY}), ALL, ("wait", {"seconds": 5.0})]
    again: list[Step] = [("pop", {"count": MANY, "invisible": 5.0}), ALL]
    stopped: list[Step] = [("ack_many", {"which": MANY, "count": MANY // 2}), ALL, ("crash", {"fate": 0})]
    run = begun(make)
    if make is HandsOutFew:
        with pytest.raises(Broken, match="no-limbo"):
            replay(run, [*flood, *again, ("survey", {})])
        return
    replay(run, [*flood, *again, *stopped, ("wait", {"seconds": 5.0}), *again, ("settle_everything", {})])
    assert [seen.offset for seen in run.given[2 * MANY : 2 * MANY + MANY // 2]] == list(range(MANY // 2, MANY))


class CountsInSixteenBits(Reference):
    """Numbers deliveries as if they fitted in 16 bits."""

    def take(self) -> list[Told]:
        return [
            evolve(
                told, deliveries=tuple(evolve(each, attempt=(each.attempt or 0) & 0xFFFF) for each in told.deliveries)
            )
            if isinstance(told, Ended)
            else told
            for told in super().take()
        ]


def test_a_number_that_is_cut_short_is_caught() -> None:
    with pytest.raises(Broken, match="as delivery number 65535, and it is not that"):
        replay(begun(CountsInSixteenBits), [("grow_old", WORN[2]), ("pop", {"count": 1}), ALL])
