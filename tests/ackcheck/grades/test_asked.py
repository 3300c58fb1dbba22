"""How much is asked of a target at once, and with which limits, is what specs/protocol.md says."""

import inspect
from pathlib import Path
from typing import Any

import click
import pytest
from tests.ackcheck.grades.standing import Standing, opened

from ackcheck.cli.run import run
from ackcheck.cli.vectors import vectors
from ackcheck.grade import REPLY_TIMEOUT, Job
from ackcheck.grades.answers import done_or_not
from ackcheck.grades.campaign import ATTEMPTS, LOGS_IN_TURN, THREADS, child_of
from ackcheck.grades.draining import BATCH, at_once
from ackcheck.grades.orders import HUNDREDS, MANY, crowd
from ackcheck.grades.rounds import Kind, work
from ackcheck.grades.workload import QUEUES, WINDOW
from ackcheck.rig.errors import ProtocolError
from ackcheck.rig.killpoint import AfterReplies
from ackcheck.rig.wire import LINE_LIMIT
from ackcheck.target import LOGS, MAX_ATTEMPTS, PROTOCOL, SEGMENT_BYTES
from ackmodel.observe.events import Reply

TEXT = " ".join((Path(__file__).parents[3] / "specs" / "protocol.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "said",
    [
        f"one a line (at most {LINE_LIMIT >> 20} MiB)",
        f"at most {WINDOW} requests are under way at a time",
        f"is called from {THREADS} threads",
        f"asks for at most {BATCH} messages",
        f"within {REPLY_TIMEOUT:g} seconds (`--reply-timeout`)",
        f"`protocol` (the version of this text: {PROTOCOL})",
        f"asking for no limit, {ATTEMPTS[1]} and {ATTEMPTS[2]} attempts",
        *(f"`{name}`" for name in (MAX_ATTEMPTS, LOGS, SEGMENT_BYTES)),
    ],
)
def test_the_text_has_the_limits_that_hold(said: str) -> None:
    assert said in TEXT


def test_what_the_text_says_of_turns_is_so() -> None:
    assert ATTEMPTS[0] is None
    assert LOGS_IN_TURN.count(1) > len(LOGS_IN_TURN) / 2
    assert set(LOGS_IN_TURN) > {1}


def test_a_call_hangs_after_the_same_time_everywhere() -> None:
    for command in (run, vectors):
        [option] = [one for one in command.params if one.name == "reply_timeout"]
        assert isinstance(option, click.Option)
        assert option.default == REPLY_TIMEOUT
    assert inspect.signature(Job).parameters["reply_timeout"].default == REPLY_TIMEOUT


def most_under_way(store: Standing, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Note of each request what it is, and how many are under way then with it."""
    noted: list[tuple[str, int]] = []
    send = store.send

    def note(op: str, **arguments: Any) -> int:
        number = send(op, **arguments)
        noted.append((op, store.in_flight))
        if op == "pop":
            assert arguments["count"] <= BATCH
        return number

    monkeypatch.setattr(store, "send", note)
    return noted


@pytest.mark.parametrize("kind", ["burst", "single", "last", "long", "close", "unflushed"])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_more_is_under_way_than_the_text_says(kind: Kind, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch, seed=seed)
    monkeypatch.setattr("ackcheck.grades.rounds.choose_kill", lambda *_, **__: AfterReplies(40))
    noted = most_under_way(store, monkeypatch)
    work(store.session, kind)
    assert max(count for op, count in noted if op != "close") == (WINDOW if kind in ("burst", "close") else 1)
    assert [count for op, count in noted if op == "close"] == ([WINDOW + 1] if kind == "close" else [])


def test_nor_where_many_are_acked_at_the_end_of_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch)
    store.session.publish(BATCH * WINDOW)
    for _ in range(WINDOW + 4):
        store.session.pop(QUEUES[0], BATCH, 30.0)
    noted = most_under_way(store, monkeypatch)
    store.session.ack_all(list(store.session.traffic.where))
    assert len(store.settled) > BATCH * WINDOW
    assert max(count for _, count in noted) == WINDOW


def test_now_and_then_it_is_a_few_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(monkeypatch)
    monkeypatch.setattr("ackcheck.grades.orders._let_run", lambda _: None)
    assert crowd(store.session)
    assert HUNDREDS <= store.in_flight == (sum(MANY) + 1) * len(QUEUES) < 2 * HUNDREDS


def test_who_cannot_hide_for_long_is_asked_for_all() -> None:
    assert at_once(3.0, 3.0, messages=1000) == BATCH
    assert at_once(3.0, 2.0, messages=1000) == 1000


def test_a_python_target_has_as_many_threads(tmp_path: Path) -> None:
    served = child_of("collections:OrderedDict", tmp_path, reply_timeout=1.0).served
    assert served[served.index("--threads") + 1] == str(THREADS)


def test_a_barrier_is_answered_by_four_replies_only() -> None:
    assert done_or_not("UNKNOWN", "flush") is Reply.UNKNOWN
    for other in ("SETTLED", "EXPIRED", "INVALID", None):
        with pytest.raises(ProtocolError, match="'flush' was answered"):
            done_or_not(other, "flush")
