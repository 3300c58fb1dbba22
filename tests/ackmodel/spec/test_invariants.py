"""Each invariant, broken by a state or step made by hand, and held by its nearest neighbour."""

from typing import Any

import pytest
from attrs import evolve

from ackmodel import (
    Clause,
    Config,
    Message,
    Offset,
    Phase,
    Power,
    Promise,
    Record,
    Seen,
    Shared,
    Stage,
    Truth,
    broken_by_step,
    broken_in_state,
)
from ackmodel.spec.invariants import STATE, STEP

ON_DISK = Record(Stage.FLUSHED, Truth.DISK)
CACHED = Record(Stage.CACHED, Truth.DIRTY)
PENDING = Record(Stage.PENDING)
ABSENT = Record()
POWER, CRASH = Promise.SURVIVES_POWER_LOSS, Promise.SURVIVES_PROCESS_CRASH
RESTART = Promise.SURVIVES_RESTART
ACK_POLICY = Config(commit="ack")
REVERTED = Config(failed_page="reverted")


def state(config: Config | None = None, *, offset: Offset | None = None, up: bool = True, **message: Any) -> Any:
    """A configuration, a shared part and a settled message that was asked for, with some fields changed."""
    power = Power.UP if up else Power.CRASHED
    settled: dict[str, Any] = {"phase": Phase.SETTLED, "delivery": 1, "asked": True, **message}
    return config or Config(), Shared(offset=offset or Offset(), power=power), Message(index=0, **settled)


STATES = [
    (Clause.REPLY_AFTER_STAGE, state(ack=PENDING, promise=CRASH), state(ack=CACHED, promise=CRASH)),
    (Clause.REPLY_AFTER_STAGE, state(ack=CACHED, promise=POWER), state(ack=ON_DISK, promise=POWER)),
    (Clause.REPLY_AFTER_STAGE, state(ack=CACHED, promise=POWER), state(ack=CACHED, promise=POWER, up=False)),
    (Clause.REPLY_AFTER_STAGE, state(ack=PENDING, promise=CRASH), state(ack=PENDING)),
    (Clause.REPLY_AFTER_STAGE, state(renewal=PENDING, renewed=CRASH), state(renewal=PENDING)),
    (Clause.REPLY_AFTER_STAGE, state(ack=PENDING, promise=CRASH), state(ack=PENDING, promise=RESTART)),
    (Clause.FLUSH_REWRITES, state(REVERTED, ack=Record(Stage.FLUSHED)), state(ack=Record(Stage.FLUSHED))),
    (Clause.COMMIT_IS_SAFE, state(offset=Offset(1)), state(offset=Offset(1), unrecorded=True)),
    (Clause.NO_LIMBO, state(asked=False, dead=True), state(asked=False, dead=True, ack=CACHED)),
    (Clause.NO_LIMBO, state(asked=False, dead=True), state(asked=False, dead=True, unrecorded=True)),
    (Clause.NO_LIMBO, state(asked=False, dead=True), state(asked=False, dead=True, up=False)),
    (Clause.RECEIPT_IS_EXACT, state(ack=PENDING, asked=False), state(ack=PENDING, asked=False, dead=True)),
    (
        Clause.RECEIPT_IS_EXACT,
        state(ack=PENDING, phase=Phase.ACKING, promise=CRASH),
        state(ack=PENDING, phase=Phase.ACKING),
    ),
    (Clause.SUBMITTED_IS_WRITTEN, state(garbled=True, ack=CACHED), state(garbled=True, ack=PENDING)),
    (Clause.SUBMITTED_IS_WRITTEN, state(garbled=True, ack=CACHED), state(ack=CACHED)),
    (Clause.FLUSH_IS_REAL, state(earlier=evolve(CACHED, stage=Stage.FLUSHED)), state(earlier=CACHED)),
    (Clause.FLUSH_REWRITES, state(ack=Record(Stage.FLUSHED, Truth.PHANTOM)), state(ack=ON_DISK)),
    (Clause.COMMIT_IS_SAFE, state(offset=Offset(1), ack=CACHED), state(offset=Offset(1), checkpoint=ON_DISK)),
    (Clause.COMMIT_IS_SAFE, state(offset=Offset(1), ack=CACHED), state(offset=Offset(0), ack=CACHED)),
    (
        Clause.COMMIT_IS_SAFE,
        state(ACK_POLICY, offset=Offset(1), checkpoint=ON_DISK),
        state(ACK_POLICY, offset=Offset(1), ack=ON_DISK),
    ),
    (Clause.DERIVED_NEVER_AHEAD, state(offset=Offset(0, 1, 0)), state(offset=Offset(0, 1, 0), earlier=ON_DISK)),
    (Clause.DERIVED_NEVER_AHEAD, state(offset=Offset(0, 0, 1)), state(offset=Offset(0, 0, 0))),
    (Clause.NO_LIMBO, state(asked=False), state(asked=True)),
    (Clause.NO_LIMBO, state(asked=False), state(asked=False, phase=Phase.DUE)),
    (Clause.RECEIPT_IS_EXACT, state(ack=PENDING, asked=False), state(ack=PENDING)),
]


@pytest.mark.parametrize(("clause", "broken", "held"), STATES)
def test_state_invariants_speak_and_are_silent(clause: Clause, broken: Any, held: Any) -> None:
    assert clause in broken_in_state(*broken)
    assert clause not in broken_in_state(*held)


def step(action: str, before: dict[str, Any], after: dict[str, Any], **shared: Any) -> Seen:
    """A step between two messages; `was` and `is_now` change the shared part before and after it."""
    start = Message(index=0, delivery=1, asked=True)
    return Seen(
        action,
        evolve(Shared(), **shared.get("was", {})),
        evolve(start, **before),
        evolve(Shared(), **shared.get("is_now", {})),
        evolve(start, **after),
    )


ACKED, ACKED_CRASH = {"ack": CACHED}, {"ack": CACHED, "promise": CRASH}
SETTLED, DELIVERED = {"phase": Phase.SETTLED}, {"phase": Phase.DELIVERED}
CRASHED, LOST, CLOSED = {"power": Power.CRASHED}, {"power": Power.LOST}, {"power": Power.CLOSED}
REFUSING = Config(refuse_after=2, limit=2)

STEPS = [
    (
        Clause.REPLY_NEVER_FALSE,
        step("fail_ack_write", {"ack": PENDING}, {"ack": CACHED}),
        step("write_ack", {"ack": PENDING}, {"ack": CACHED}),
    ),
    (
        Clause.REPLY_NEVER_FALSE,
        step("sync_times_out", ACKED, {"ack": ON_DISK}),
        step("sync_ok", ACKED, {"ack": ON_DISK}),
    ),
    (
        Clause.REPLY_NEVER_FALSE,
        step("fail_ack_write", {"ack": PENDING}, {"promise": CRASH}),
        step("fail_ack_write", {"ack": PENDING}, {}),
    ),
    (
        Clause.REPLY_EXACTLY_ONCE,
        step("late_sync_ok", {"ack": evolve(CACHED, stage=Stage.SUSPECT)}, {"ack": ON_DISK}),
        step(
            "late_sync_ok",
            {"ack": Record(Stage.SUSPECT, Truth.DIRTY)},
            {"ack": Record(Stage.SUSPECT, Truth.DISK)},
        ),
    ),
    (
        Clause.FLUSH_DEGRADES,
        step("answer_ack", {"ack": CACHED}, SETTLED | ACKED, was={"failures": 1}),
        step("answer_ack", {"ack": CACHED}, SETTLED | ACKED, was={"failures": 0}),
    ),
    (
        Clause.FLUSH_DEGRADES,
        step("deliver", {"checkpoint": CACHED}, DELIVERED, was={"failures": 1}),
        step("deliver", {"checkpoint": ON_DISK}, DELIVERED, was={"failures": 1}),
    ),
    (
        Clause.SURVIVES_PROCESS_CRASH,
        step("process_crash", ACKED_CRASH, {"promise": CRASH}),
        step("process_crash", ACKED_CRASH, ACKED_CRASH),
    ),
    (
        Clause.SURVIVES_PROCESS_CRASH,
        step("recover", ACKED_CRASH, DELIVERED, was=CRASHED),
        step("recover", ACKED_CRASH, SETTLED, was=CRASHED),
    ),
    (
        Clause.SURVIVES_PROCESS_CRASH,
        step("recover", DELIVERED, {"phase": Phase.WAITING}, was=CRASHED),
        step("recover", DELIVERED, {"phase": Phase.WAITING}, was=LOST),
    ),
    (
        Clause.SURVIVES_POWER_LOSS,
        step("power_loss", {"ack": ON_DISK, "promise": POWER}, {"promise": POWER}),
        step("power_loss", {"ack": CACHED, "promise": CRASH}, {}),
    ),
    (
        Clause.SURVIVES_POWER_LOSS,
        step("recover", {"promise": POWER}, DELIVERED, was=LOST),
        step("recover", {"promise": POWER}, SETTLED, was=LOST),
    ),
    (
        Clause.RECOVERED_IS_CACHED,
        step("recover", ACKED, {"ack": ON_DISK}, was=CRASHED),
        step("recover", ACKED, {"ack": Record(Stage.SUSPECT, Truth.DISK)}, was=CRASHED),
    ),
    (
        Clause.COMMIT_IS_MONOTONE,
        step("recover", {}, {}, was=CRASHED | {"offset": Offset(0, 1, 1)}, is_now={"offset": Offset(0, 1, 1)}),
        step("recover", {}, {}, was=CRASHED | {"offset": Offset(0, 1, 1)}, is_now={"offset": Offset(1, 1, 1)}),
    ),
    (
        Clause.COMMIT_IS_MONOTONE,
        step("write_offset", {}, {}, was={"offset": Offset(2, 2, 0)}, is_now={"offset": Offset(2, 1, 0)}),
        step("power_loss", {}, {}, was={"offset": Offset(2, 2, 0)}, is_now=LOST | {"offset": Offset(0, 0, 0)}),
    ),
    (
        Clause.COMMIT_IS_MONOTONE,
        step("power_loss", {}, {}, was={"offset": Offset(2, 2, 1)}, is_now=LOST | {"offset": Offset(0, 0, 0)}),
        step("power_loss", {}, {}, was={"offset": Offset(2, 2, 1)}, is_now=LOST | {"offset": Offset(0, 1, 1)}),
    ),
    (
        Clause.COMMIT_IS_MONOTONE,
        step("commit", {}, {}, was={"offset": Offset(2, 1, 0)}, is_now={"offset": Offset(1, 1, 0)}),
        step("close", {}, {}, was={"offset": Offset(2, 1, 0)}, is_now=CLOSED | {"offset": Offset(0, 1, 0)}),
    ),
    (
        Clause.REPLY_NEVER_FALSE,
        step("fail_renewal_write", {"renewal": PENDING}, {"renewed": CRASH}),
        step("fail_renewal_write", {"renewal": PENDING}, {}),
    ),
    (
        Clause.NO_RETURN,
        step("pop", {"promise": CRASH}, {"phase": Phase.POPPING, "promise": CRASH}),
        step("pop", {}, {"phase": Phase.POPPING}),
    ),
    (
        Clause.REPLY_NEVER_FALSE,
        step("sync_fails_again[1]", ACKED, {"ack": ON_DISK}),
        step("sync_ok[1]", ACKED, {"ack": ON_DISK}),
    ),
    (
        Clause.SURVIVES_PROCESS_CRASH,
        step("process_crash", ACKED_CRASH, {}),
        step("process_crash", ACKED_CRASH | {"unrecorded": True}, {}),
    ),
    (
        Clause.SURVIVES_POWER_LOSS,
        step("power_loss", {"ack": ON_DISK, "promise": POWER}, {}),
        step("power_loss", {"unrecorded": True, "promise": POWER}, {}),
    ),
    (
        Clause.COMMIT_IS_MONOTONE,
        step("reset_offset", {}, {}, is_now={"offset": Offset(0, 1, 1)}),
        step("reset_offset", {}, {}, was={"offset": Offset(2, 1, 1)}),
    ),
    (Clause.DEADLINE_IS_EXACT, step("pop", DELIVERED, {}), step("pop", {"phase": Phase.DUE}, {})),
    (Clause.DEADLINE_IS_EXACT, step("pop", {"renewed": CRASH}, {}), step("expire", {"renewed": CRASH}, {})),
    (
        Clause.MEMORY_IS_BOUNDED,
        step("ask_ack", {}, {}, is_now={"inflight": 3}),
        step("ask_ack", {}, {}, is_now={"inflight": 2}),
    ),
    (
        Clause.MEMORY_IS_BOUNDED,
        step("pop", {}, {}, was={"failures": 2}),
        step("pop", {}, {}, was={"failures": 1}),
    ),
    (
        Clause.MEMORY_IS_BOUNDED,
        step("pop", {}, {}, was={"failures": 2}),
        step("deliver", {}, {}, was={"failures": 2}),
    ),
    (
        Clause.QUIESCENCE_IS_ZERO,
        step("close", SETTLED, SETTLED, was={"inflight": 1}),
        step("process_crash", SETTLED, SETTLED, was={"inflight": 1}),
    ),
    (Clause.CLOSE_DRAINS, step("close", {"phase": Phase.POPPING}, {}), step("close", {}, {})),
    (Clause.CLOSE_DRAINS, step("close", {"renewal": CACHED}, {}), step("close", {"renewal": ON_DISK}, {})),
    (Clause.CLOSE_DRAINS, step("close", {"ack": PENDING}, {}), step("process_crash", {"ack": PENDING}, {})),
    (
        Clause.CLOSE_DRAINS,
        step("close", {}, {}, was={"offset": Offset(1, 1, 0)}),
        step("close", {}, {}, was={"offset": Offset(1, 1, 1)}),
    ),
    (
        Clause.CLOSE_DRAINS,
        step("recover", {"promise": RESTART}, DELIVERED, was=CLOSED),
        step("recover", {"promise": RESTART}, DELIVERED, was=CRASHED),
    ),
    (
        Clause.RETIRE_IS_SAFE,
        step("retire", {"ack": ON_DISK}, {}),
        step("retire", {"ack": ON_DISK}, {}, was={"offset": Offset(1, 1, 1)}),
    ),
    (
        Clause.RETIRE_IS_SAFE,
        step("retire", {"ack": CACHED}, {}, was={"offset": Offset(1, 1, 1)}),
        step("expire", {"ack": CACHED}, {}, was={"offset": Offset(1, 1, 1)}),
    ),
]


@pytest.mark.parametrize(("clause", "broken", "held"), STEPS)
def test_step_invariants_speak_and_are_silent(clause: Clause, broken: Seen, held: Seen) -> None:
    assert clause in broken_by_step(REFUSING, broken)
    assert clause not in broken_by_step(REFUSING, held)


def test_every_invariant_is_shown_both_ways() -> None:
    assert {clause for clause, _, _ in STATES} == set(STATE)
    assert {clause for clause, _, _ in STEPS} == set(STEP)
