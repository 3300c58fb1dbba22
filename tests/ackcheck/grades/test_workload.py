"""The workload: what it asks is chosen by seed, and never more than can be judged."""

from random import Random

import pytest

from ackcheck.grades.workload import LONG, MIXED, QUEUES, SHORT, Call, Workload
from ackcheck.target import OPTIONAL
from ackmodel.observe.oracle import Delivered


def drive(seed: int, steps: int, offers: frozenset[str] = frozenset()) -> list[Call]:
    """Run a workload against a store that answers out of order; check the three rules at every step."""
    random = Random(seed)
    work = Workload(Random(seed), offers, end=9)
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
        for reset in [one for one in under_way if one.op == "reset"]:
            assert all(reset.queue not in one.queues for one in under_way if one is not reset)
            assert all(one.op != "stats" for one in under_way)
        while len(under_way) > random.randint(0, 16):
            ended = under_way.pop(random.randrange(len(under_way)))
            work.ended(ended)
            if ended.op == "pop":
                given = [
                    Delivered(f"{ended.queue}#{number}#{index}", ends[ended.queue] + index, 0.0)
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
        work.popped("q", [Delivered(f"r{number}", 0, 0.0)])
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
    assert Call("ack_many", "ack_many", receipts=("r", "s")).describe({"r": "q[0]#1"}) == "ack_many q[0]#1, 's'"
    assert Call("flush", "flush").describe({}) == "flush"
    renew = Call("renew", "renew", receipts=("r",), invisible=0.5)
    assert renew.arguments == {"receipt": "r", "invisible": 0.5}
    assert renew.describe({"r": "q[0]#2"}) == "renew q[0]#2, invisible 0.5 s from now"
    assert Call("release", "release", receipts=("r",)).arguments == {"receipt": "r"}
    reset = Call("reset", "reset", queue="q", offset=7)
    assert reset.arguments == {"queue": "q", "offset": 7}
    assert reset.describe({}) == "reset q to 7"
    assert Call("dead", "dead", queue="q").arguments == {"queue": "q"}


def test_what_a_target_offers_is_asked_for_and_a_reset_is_alone_in_its_queue() -> None:
    kinds = {call.kind for seed in range(20) for call in drive(seed, 300, OPTIONAL)}
    assert kinds >= {"renew", "release", "reset"}


@pytest.mark.parametrize("method", ["renew", "release", "reset"])
def test_what_is_not_offered_is_not_asked_for(method: str) -> None:
    assert method not in {call.op for seed in range(5) for call in drive(seed, 300, OPTIONAL - {method})}


def test_a_reset_goes_to_an_offset_that_is_there_and_makes_what_is_held_void() -> None:
    work = Workload(Random(1), end=9)
    work.popped("q", [Delivered(f"r{offset}", offset, 0.0) for offset in range(9)])
    assert {work.reset("q").offset for _ in range(200)} == set(range(10))
    assert {call.kind for call in (work.choose() for _ in range(100))} & {"ack", "ack_many"} == set()


def test_what_cannot_be_judged_is_not_asked_for() -> None:
    def never(_: str) -> bool:
        return False

    work = Workload(Random(1), OPTIONAL, end=9, may_change=never, may_reset=never)
    work.popped("q", [Delivered(f"r{offset}", offset, 0.0) for offset in range(9)])
    assert {work.choose().op for _ in range(300)} & OPTIONAL == set()


def test_what_was_given_back_is_acked_soon_all_the_same() -> None:
    work = Workload(Random(1), OPTIONAL, end=9)
    for number in range(64):  # as many receipts as are remembered, of which none was given back
        work.popped("q", [Delivered(f"old{number}", 0, 0.0)])
    given_back: list[str] = []
    again: set[str] = set()
    for number in range(600):
        work.popped("q", [Delivered(f"r{number}", number + 1, 0.0)])
        call = work.choose()
        given_back += call.receipts if call.op == "release" else ()
        again.update(call.receipts if call.kind == "ack again" else ())
    soon = [receipt for receipt in given_back if receipt in again]
    assert len(given_back) > 20
    assert len(soon) > len(given_back) / 2
