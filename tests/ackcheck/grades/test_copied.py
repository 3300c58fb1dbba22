"""A copy is as deep as it must be, and no deeper."""

from collections import Counter, deque
from random import Random
from typing import Any

from attrs import Factory, define, frozen

from ackcheck.grades.copied import copied
from ackcheck.panel import Panel
from ackmodel import Level
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Delivered


@frozen
class Fact:
    of: dict[str, int]


@define(eq=False)
class Known:
    facts: list[Fact] = Factory(list)
    by_name: dict[str, list[int]] = Factory(dict)
    counts: Counter[str] = Factory(Counter)
    last: "deque[list[int]]" = Factory(deque)
    random: Random = Factory(Random)
    itself: Any = None


def test_what_changes_is_copied_and_what_does_not_is_shared() -> None:
    known = Known([Fact({"a": 1})], {"q": [1]}, Counter(a=1), deque([[1]], maxlen=5), Random(7))
    known.itself = [known]
    other = copied(known)
    assert other.facts == known.facts
    assert other.facts[0] is known.facts[0]
    assert other.itself[0] is other
    other.by_name["q"].append(2)
    other.counts["a"] += 1
    other.last[0].append(2)
    other.facts.append(Fact({}))
    assert (known.by_name, known.counts, list(known.last), len(known.facts)) == ({"q": [1]}, {"a": 1}, [[1]], 1)
    assert other.last.maxlen == 5
    assert other.random.random() == known.random.random()


def test_what_is_known_already_takes_the_place_of_what_it_stands_for() -> None:
    child, other = object(), object()
    assert copied([child, child], {id(child): other}) == [other, other]


def test_bound_methods_are_of_the_copy() -> None:
    panel = Panel((Level.DISK,))
    both: list[Any] = [panel, panel.lags]
    twin, method = copied(both)
    assert method.__self__ is twin


def test_oracles_of_a_copy_hear_nothing_of_each_other() -> None:
    panel = Panel((Level.MEMORY, Level.DISK))
    panel.each(lambda oracle: oracle.pop_asked(1, "q", deadline=30.0))
    panel.each(lambda oracle: oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0))
    twin = copied(panel)
    twin.each(lambda oracle: oracle.ack_asked(2, ["r1"], at=1.0))
    twin.each(lambda oracle: oracle.ack_answered(2, [Reply.OK], at=1.0))
    assert twin.is_settled("q")
    assert not panel.is_settled("q")
    assert panel.unsettled("q") == ["r1"]
