"""The workload: what it asks is chosen by seed, and never more than can be judged."""

from random import Random

from ackcheck.grades.workload import LONG, MIXED, QUEUES, SHORT, Call, Workload
from ackcheck.oracle import Seen


def drive(seed: int, steps: int) -> list[Call]:
    """Run a workload against a store that answers out of order; check the two rules at every step."""
    random = Random(seed)
    work = Workload(Random(seed))
    under_way: list[Call] = []
    asked: list[Call] = []
    ends = dict.fromkeys(QUEUES, 0)
    for number in range(steps):
        call = work.choose()
        asked.append(call)
        under_way.append(call)
        assert sum(one.op == "stats" for one in under_way) <= 1
        for queue in QUEUES:
            pops = [one.invisible for one in under_way if one.op == "pop" and one.queue == queue]
            assert len(pops) <= 1 or min(pops) == LONG
        while len(under_way) > random.randint(0, 16):
            ended = under_way.pop(random.randrange(len(under_way)))
            work.ended(ended)
            if ended.op == "pop":
                given = [
                    Seen(f"{ended.queue}#{number}#{index}", ends[ended.queue] + index, 0.0)
                    for index in range(random.randint(0, ended.count))
                ]
                ends[ended.queue] += len(given)
                work.popped(ended.queue, given)
    return asked


def test_short_pops_are_alone_in_their_queue_and_looks_are_alone() -> None:
    for seed in range(20):
        asked = drive(seed, 300)
        assert {call.kind for call in asked} >= {"pop", "ack", "ack_many", "ack again", "flush", "stats"}


def test_only_one_queue_has_long_pops() -> None:
    asked = [call for seed in range(5) for call in drive(seed, 200) if call.op == "pop"]
    assert {(call.queue == MIXED, call.invisible) for call in asked} == {(False, SHORT), (True, SHORT), (True, LONG)}


def test_the_seed_decides() -> None:
    assert drive(7, 200) == drive(7, 200)
    assert drive(7, 200) != drive(8, 200)


def test_a_receipt_is_superseded_by_the_next_delivery() -> None:
    work = Workload(Random(1))
    for number in range(50):
        work.popped("q", [Seen(f"r{number}", 0, 0.0)])
    fresh = [call.receipts for call in (work.choose() for _ in range(300)) if call.kind == "ack"]
    assert fresh in ([("r49",)], [])  # acked once, or left until it comes again


def test_calls_know_their_arguments() -> None:
    assert Call("pop", "pop", queue="q", count=2, invisible=0.5).arguments == {
        "queue": "q",
        "count": 2,
        "invisible": 0.5,
    }
    assert Call("ack", "ack", receipts=("r",)).arguments == {"receipt": "r"}
    assert Call("ack_many", "ack_many", receipts=("r", "s")).arguments == {"receipts": ["r", "s"]}
    assert Call("flush", "flush").arguments == {}
    assert Call("ack_many", "ack_many", receipts=("r", "s")).describe() == "ack_many r, s"
    assert Call("flush", "flush").describe() == "flush"
