"""Kill points: where they fall, and that a kill finds what was only in memory."""

import random
import time
from collections.abc import Callable
from itertools import count

from ackcheck.rig.child import Child
from ackcheck.rig.exchange import Exchange
from ackcheck.rig.killpoint import AfterDelay, AfterReplies, KillPoint, choose_kill

StartToy = Callable[..., Child]
WINDOW = 32


def killed_at(child: Child, point: KillPoint, first: int) -> tuple[list[Exchange], int]:
    """Ack one message after the other from `first` on, and kill at the point: what was answered, and how many asked."""
    numbers, answered, asked, began = count(first), list[Exchange](), 0, time.perf_counter()
    while (
        len(answered) < point.count if isinstance(point, AfterReplies) else time.perf_counter() - began < point.seconds
    ):
        while child.in_flight < WINDOW:
            child.send("ack", receipt=f"r{next(numbers):05}")
            asked += 1
        answered += child.poll()
    return [*answered, *child.kill().answered], asked


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


def lost_acks(child: Child, seeds: range) -> int:
    """How many acks that were answered OK are gone after a kill, over several kills."""
    lost = 0
    first = 0
    for seed in seeds:
        child.call("open")
        point = choose_kill(random.Random(seed), requests=40)
        exchanges, asked = killed_at(child, point, first)
        answered = {one.arguments["receipt"] for one in exchanges if one.value() == "OK"}
        first += asked
        child.start()
        child.call("open")
        lost += len(answered - set(child.call("stats")["acked"]))
    return lost


def test_a_kill_leaves_files(toy: StartToy) -> None:
    assert lost_acks(toy("Forgetful", threads=3), range(6)) == 0


def test_a_kill_takes_memory(toy: StartToy) -> None:
    assert lost_acks(toy("InMemory"), range(6)) > 0
