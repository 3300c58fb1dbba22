"""What a store is doing when the fault comes, as specs/verdict.md says it, on a clock that only the test moves."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.ackcheck.grades.standing import Standing, opened

from ackcheck.grades import POWER as POWER_GRADE
from ackcheck.grades import PROCESS as PROCESS_GRADE
from ackcheck.grades import campaign, power, process, rounds
from ackcheck.grades.campaign import Campaign, begin_case, close_and_reopen, restart_and_judge
from ackcheck.grades.orders import BURSTS, publish_less
from ackcheck.grades.rounds import BEFORE_THE_END, BEYOND, IDLE, POWER, PROCESS, RESTARTS, Kind, work
from ackcheck.grades.session import FEW, PATIENCE, Session
from ackcheck.grades.workload import LONG, QUEUES, WINDOW
from ackcheck.hits import Fault
from ackcheck.promises import STRICT
from ackcheck.rig.fullback import FullBackingRig
from ackcheck.rig.killpoint import AfterReplies
from ackcheck.rig.machine import PowerRig
from ackmodel import Level
from ackmodel.observe.events import Reply


@pytest.mark.parametrize(
    ("grade", "kinds", "most"),
    [(PROCESS_GRADE, PROCESS, process.KILLS_A_CASE), (POWER_GRADE, POWER, power.LOSSES_A_CASE)],
)
@pytest.mark.parametrize("profile", ["quick", "standard", "deep"])
def test_every_profile_has_each_kind_in_turn(profile: str, grade: Any, kinds: tuple[Kind, ...], most: int) -> None:
    seen: list[Kind] = []
    of_it = Campaign(["true"], Level.DISK, grade.name, 1, counts="it")
    session = cast(Session, SimpleNamespace(go_to_round=lambda _: None))
    for share in of_it.shares(grade.effort[profile], most):
        for kind, _ in of_it.rounds_of(session, share, kinds):
            seen.append(kind)
            of_it.report.ran["it"] += 1
    assert len(seen) == grade.effort[profile]
    assert set(seen) == set(kinds)
    assert seen[: len(kinds)] == list(kinds)[: len(seen)]
    assert set(PROCESS) == {"burst", "single", "long"}  # a process that dies has nothing that a *last* call could save
    assert set(POWER) == {"burst", "single", "last", "long", "close"}


def test_a_burst_is_cut_off_with_a_window_of_calls_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch)
    assert work(store.session, "burst") is None
    assert store.in_flight == WINDOW == 16


@pytest.mark.parametrize(("kind", "under_way"), [("single", ["ack"]), ("last", [])])
def test_a_single_round_ends_right_after_an_ok_with_one_call_under_way_or_none(
    kind: Kind, under_way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(monkeypatch)
    work(store.session, kind)
    assert [asked.op for asked in store.under_way] == under_way
    answers = [what for what in store.done if what.endswith(" answered")]
    assert answers[-4:] == ["pop answered", "ack answered", "flush answered", "ack answered"]
    last = store.done.index("ack") + 1
    assert store.done[last:].count("ack") == 1 + len(under_way)  # one at a time, and the last of them OK
    assert len(store.settled) == 2


@pytest.mark.parametrize("seed", range(5))
def test_in_a_long_round_the_fault_comes_shortly_before_the_deliveries_end(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = opened(monkeypatch, seed=seed), list[tuple[float, float]]()
    send = store.send

    def note(op: str, **of: Any) -> int:
        asked.append((store.now, of.get("invisible", 0.0)))
        return send(op, **of)

    monkeypatch.setattr(store, "send", note)
    work(store.session, "long")
    ends = [at + hidden for at, hidden in asked if hidden]
    held = max(hidden for _, hidden in asked)
    assert PATIENCE + BEYOND[0] <= held <= PATIENCE + BEYOND[1]
    assert all(BEFORE_THE_END[0] - 0.1 <= end - store.now <= BEFORE_THE_END[1] + 0.1 for end in ends)
    assert store.now - asked[-1][0] > 1.0  # idle meanwhile
    assert store.done[-1] == "flush answered"


def test_a_store_is_closed_with_work_under_way_and_then_the_power_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch)
    assert work(store.session, "close") is Reply.OK
    before = store.done[: store.done.index("close")]
    assert sum(not what.endswith(" answered") for what in before) - before.count("flush answered") > 0
    under_way = Counter(what for what in before if not what.endswith(" answered"))
    under_way.subtract(what.removesuffix(" answered") for what in before if what.endswith(" answered"))
    assert under_way.total() == WINDOW
    assert cut("close")[:2] == ["work: close", "power loss"]


@pytest.mark.parametrize("kind", ["single", "last"])
def test_how_long_the_store_is_idle_differs_by_seed(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    def idle(seed: int) -> float:
        store = opened(monkeypatch, seed=seed)
        work(store.session, kind)
        return store.slept[-1]

    times = [idle(seed) for seed in range(40)]
    assert set(times) == (set(IDLE) if kind == "last" else {0.0})
    assert times[:5] == [idle(seed) for seed in range(5)]


def test_two_bursts_of_three_are_another_order_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    store, came = opened(monkeypatch), list[str]()
    monkeypatch.setattr(rounds, "choose_kill", lambda *_, **__: came.append("plain"))
    monkeypatch.setattr(Session, "run", lambda *_: None)

    def one(_: Session) -> bool:
        came.append("one")
        return True

    def other(_: Session) -> bool:
        came.append("other")
        return True

    for turn in (0, 1):
        store.session.turn = turn
        for store.session.round in range(2, 13, 2):
            work(store.session, "burst", (one, other))
    assert came == ["other", "one", "plain", "one", "other", "plain", "one", "other", "plain", "other", "one", "plain"]
    assert [way.__name__ for way in BURSTS] == ["crowd", "calls_beside_a_reset"]


@pytest.mark.parametrize("loses_power", [False, True])
def test_queues_are_popped_before_the_first_publish_in_every_second_case(
    loses_power: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = []
    for turn in range(4):
        store = Standing(monkeypatch, seed=turn)
        begin_case(store.session, loses_power=loses_power)
        first.append(store.done.index("pop") < store.done.index("publish") if "pop" in store.done else False)
    assert first == [loses_power, not loses_power] * 2


def cut(kind: Kind, *, turn: int = 0, number: int = 0) -> list[str]:
    """What comes of a round of the power grade, in order."""
    came: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_, **__: came.append(what)

    def reopen(_event: object, *, first: object = None) -> None:
        came.append("less" if first is publish_less else "all" if first is None else "?")

    session = cast(
        Session,
        SimpleNamespace(
            random=SimpleNamespace(random=lambda: 0.9),
            turn=turn,
            round=number,
            promises=STRICT,
            publish=note("publish"),
            open=reopen,
            survey=note("survey"),
        ),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(power, "begin_round", note("begin"))
        patched.setattr(power, "work", lambda _, what, __: came.append(f"work: {what}"))
        patched.setattr(power, "kill_open_and_flush", note("kill, open, barrier"))
        patched.setattr(power, "lose_power", note("power loss"))
        patched.setattr(power, "choose_writeback", note("writeback"))
        power.cut_and_judge(session, cast(PowerRig, SimpleNamespace(path=Path())), kind)
    return [what for what in came if what not in ("begin", "writeback", "publish", "survey")]


def test_the_power_goes_after_a_kill_and_a_barrier_and_less_is_published_then_in_turn() -> None:
    assert cut("single", turn=1) == ["work: single", "kill, open, barrier", "power loss", "all"]
    assert cut("single", turn=0) == ["work: single", "power loss", "less"]
    assert cut("single", turn=0, number=2) == cut("single", turn=1)


def test_each_case_of_the_process_grade_ends_with_restarts_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(process, "RESTARTS", RESTARTS)
    monkeypatch.setattr(process, "begin_case", lambda _: None)
    monkeypatch.setattr(process, "kill_and_judge", lambda session, *_, **__: session.ran.update({"SIGKILL": 1}))
    monkeypatch.setattr(process, "leave_and_restart", lambda _, kind: ended.append(kind))
    monkeypatch.setattr(process, "close_and_reopen", lambda _: ended.append("settled"))
    monkeypatch.setattr(campaign, "_forked", lambda _: pytest.MonkeyPatch.context())
    process.run_process_grade(["true"], Level.DISK, rounds=11)
    assert ended == ["unflushed", "close", "unflushed", "settled"] * 2


@pytest.mark.parametrize("seed", range(4))
def test_some_acks_are_left_unflushed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch, seed=seed)
    work(store.session, "unflushed")
    after = store.done[store.done.index("ack") :]
    assert set(after) == {"ack", "ack answered"}
    assert 1 <= len(store.settled) <= rounds.UNFLUSHED


def test_the_last_restart_is_one_when_all_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch)
    monkeypatch.setattr(campaign, "restart_and_judge", lambda _, reply: store.done.append(f"closed: {reply.value}"))
    for queue in QUEUES:
        store.session.pop(queue, FEW, LONG)
    close_and_reopen(store.session)
    assert len(store.settled) == sum(store.given.values()) == FEW * len(QUEUES)
    assert store.done[-1] == "closed: OK"
    assert "flush answered" in store.done[: store.done.index("close")]


class Enough(Exception):
    """The rest is judged elsewhere."""


def test_calls_are_answered_while_a_sync_fails_and_after_the_disk_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Standing(monkeypatch)
    disk = SimpleNamespace(
        fill=lambda: store.done.append("FULL"),
        relieve=lambda: store.done.append("ROOM"),
        refused=lambda: 1,
        has_given_up=lambda: False,
    )

    def remount() -> None:
        raise Enough

    disk.remount = remount
    monkeypatch.setattr(power, "FAILING", 0.0)
    monkeypatch.setattr(Session, "_last_burst", lambda session: session.traffic.settle())
    answered = store.session.run

    def run(until: object) -> None:
        answered(AfterReplies(5))

    monkeypatch.setattr(Session, "run", lambda _, until: run(until))
    with pytest.raises(Enough):
        power.fail_sync_and_judge(store.session, cast(FullBackingRig, disk), "spared")
    full, room = store.done.index("FULL"), store.done.index("ROOM")
    assert any(what.endswith(" answered") for what in store.done[full:room])
    after = store.done[room:]
    assert after.index("ack answered") < after.index("flush answered")


@pytest.mark.parametrize(("answer", "cause"), [(Reply.OK, Fault.CLEAN_RESTART), (Reply.UNKNOWN, Fault.PROCESS_CRASH)])
def test_what_is_lost_at_a_close_that_was_not_answered_is_put_down_to_a_crash(answer: Reply, cause: Fault) -> None:
    """RabbitMQ lost messages at such an end, and the table said: clean restart, lost once, in none that was seen."""
    session: Any = SimpleNamespace(fault=None, ran=Counter(), **dict.fromkeys(["open", "survey", "stopped"], told))

    def hit(_killed: object, fault: Fault, **_: object) -> None:
        session.fault = fault

    def end() -> tuple[None, tuple[str, ...]]:
        session.fault = Fault.CLEAN_RESTART
        return None, ()

    session.hit, session.end = hit, end
    restart_and_judge(session, answer)
    assert session.fault is cause


def told(*_: object, **__: object) -> None:
    """Do nothing."""
