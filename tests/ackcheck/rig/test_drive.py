"""Kill points: where they fall, and that a kill finds what was only in memory."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

import pytest

from ackcheck.rig.child import Child
from ackcheck.rig.drive import (
    AfterDelay,
    AfterReplies,
    KillPoint,
    choose_kill,
    drive,
    run_until_killed,
)
from ackcheck.rig.errors import TargetDied, TargetHung

StartToy = Callable[..., Child]
Requests = Iterator[tuple[str, dict[str, Any]]]


def acks(first: int = 0) -> Requests:
    return (("ack", {"receipt": f"r{number:05}"}) for number in count(first))


def test_kill_points_come_by_seed() -> None:
    points = [choose_kill(random.Random(seed), requests=50) for seed in range(400)]
    assert points == [choose_kill(random.Random(seed), requests=50) for seed in range(400)]
    counts = {point.count for point in points if isinstance(point, AfterReplies)}
    delays = [point.seconds for point in points if isinstance(point, AfterDelay)]
    assert min(counts) == 0
    assert max(counts) == 50
    assert 150 < len(delays) < 250
    assert 1e-5 <= min(delays) < 1e-4
    assert 1e-3 < max(delays) <= 5e-3


def test_after_replies_leaves_the_rest_in_flight(toy: StartToy) -> None:
    child = toy("Appender")
    child.call("open")
    answered = drive(child, acks(), until=AfterReplies(10), window=4)
    assert 10 <= len(answered) < 14
    killed = child.kill()
    # Ten to thirteen were sent; how many of them the last read brought is a matter of time.
    assert 10 <= len(answered) + len(killed.answered) + len(killed.unanswered) < 14


def test_after_a_delay(toy: StartToy) -> None:
    child = toy("Hanging")
    child.call("open")
    began = time.perf_counter()
    killed = run_until_killed(child, acks(), at=AfterDelay(0.05), window=8)
    assert 0.05 <= time.perf_counter() - began < 1.0
    assert killed.answered == ()
    assert len(killed.unanswered) == 8


def test_requests_that_run_out_end_the_run(toy: StartToy) -> None:
    child = toy("Appender")
    child.call("open")
    points: list[KillPoint] = [AfterReplies(99), AfterDelay(30.0)]
    for point in points:
        answered = drive(child, islice(acks(), 5), until=point)
        assert [exchange.value() for exchange in answered] == ["OK"] * 5


def test_a_failing_target_is_named_while_driven(toy: StartToy) -> None:
    child = toy("Hanging", reply_timeout=5.0)
    child.call("open")
    child.reply_timeout = 0.1
    with pytest.raises(TargetHung):
        drive(child, acks(), until=AfterReplies(1))
    child = toy("Dying")
    child.call("open")
    with pytest.raises(TargetDied):
        drive(child, acks(), until=AfterDelay(30.0))


def lost_acks(child: Child, seeds: range) -> int:
    """How many acks that were answered OK are gone after a kill, over several kills."""
    lost = 0
    first = 0
    for seed in seeds:
        child.call("open")
        point = choose_kill(random.Random(seed), requests=40)
        killed = run_until_killed(child, acks(first), at=point)
        answered = {one.arguments["receipt"] for one in killed.answered if one.value() == "OK"}
        first += len(killed.answered) + len(killed.unanswered)
        child.start()
        child.call("open")
        lost += len(answered - set(child.call("stats")["acked"]))
    return lost


def test_a_kill_leaves_files(toy: StartToy) -> None:
    assert lost_acks(toy("Forgetful", threads=3), range(6)) == 0


def test_a_kill_takes_memory(toy: StartToy) -> None:
    assert lost_acks(toy("InMemory"), range(6)) > 0
