"""The reserve step by step, each figure by hand: `test_full_disk.py` has the whole of it on disks that are full."""

from __future__ import annotations

from collections.abc import Callable
from errno import EDQUOT, EIO, ENOSPC
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import Config
from ackstore.core.compaction import BLOCK
from ackstore.core.effects import DONE, Effect, Failed, Reserve, Result, Unlink
from ackstore.core.space import BEGIN, MOST_AGAIN, SPARE, Space

COST, SEGMENT, UNFLUSHED, INTERVAL = 10_000, 1_000, 50_000, 0.5
ACKS = 30 * (32 + 20 + 3)
"""Bytes to settle the thirty messages in hand one by one: header, delivery, and the queue's name of three bytes."""
NEED = SPARE + COST + ACKS + BLOCK * (ACKS // SEGMENT + 1)
WANTED = NEED + NEED // 4 + UNFLUSHED


class Parts:
    """What a `Space` works with: thirty messages in hand, and a log just large enough for a reserve to be kept."""

    def __init__(self, unflushed: int = UNFLUSHED) -> None:
        self.asked: list[tuple[Effect, Callable[[Result, float], None]]] = []
        self.current: Any = SimpleNamespace(number=7, size=BLOCK)
        self.log: Any = SimpleNamespace(
            names=SimpleNamespace(reserve="reserve"),
            most_bytes=unflushed,
            closed=[SimpleNamespace(number=6, size=BEGIN - BLOCK - 1)],
            current=self.current,
            unflushed_bytes=3_000,
            stuck=False,
        )
        self.flusher: Any = SimpleNamespace(short=False, hurry=False, retry_at=None)
        self.compaction: Any = SimpleNamespace(cost=lambda: COST, ended=False, next_at=0.0)
        queues: Any = {"q": SimpleNamespace(entries=range(30), prefix=b"abc")}
        config = Config(segment_bytes=SEGMENT, max_unflushed_bytes=unflushed, offset_interval=INTERVAL)
        self.space = Space(self, config, queues, self.log, self.flusher, self.compaction)  # type: ignore[arg-type]

    def request(self, effect: Effect, then: Callable[[Result, float], None]) -> None:
        """Have something done."""
        self.asked.append((effect, then))

    def end(self, result: Result, now: float = 9.0) -> None:
        """End what was asked for last."""
        self.asked[-1][1](result, now)

    @property
    def effects(self) -> list[Effect]:
        """What was asked for."""
        return [effect for effect, _then in self.asked]


@pytest.fixture
def parts() -> Parts:
    return Parts()


def with_reserve(parts: Parts, size: int) -> Space:
    """Have it look, with a reserve of so many bytes there."""
    space = parts.space
    space.reserved, space.there = size, True
    space.tick(1.0)
    return space


# When


def test_it_looks_once_the_log_has_some_size(parts: Parts) -> None:
    space = parts.space
    space.next_at = 5.0
    assert space.due() == 5.0
    parts.log.closed[0].size -= BLOCK
    assert space.due() is None


def test_it_looks_again_when_the_segment_has_grown(parts: Parts) -> None:
    space = parts.space
    space.look(5.0)
    assert space.due() is None
    parts.current.size += BEGIN - 1
    assert space.due() is None
    parts.current.size += 1
    assert space.due() == 5.0 + INTERVAL + 1e-4
    space.look(6.0)
    parts.log.current = SimpleNamespace(number=8, size=1)
    assert space.due() == 6.0 + INTERVAL + 1e-4


def test_it_looks_after_a_round_and_while_room_is_short(parts: Parts) -> None:
    space = parts.space
    space.look(5.0)
    parts.compaction.ended = True
    assert space.due() == space.next_at
    parts.log.closed[0].size -= BLOCK
    assert space.due() is None
    parts.flusher.short = True
    assert space.due() == space.next_at
    space.asking = True
    assert space.due() is None


def test_nobody_looks_where_no_segment_is_written_or_none_is_kept(parts: Parts) -> None:
    space = parts.space
    space.without = True
    assert space.due() is None
    space.without = False
    parts.log.current = None
    parts.log.closed[0].size = BEGIN
    assert space.due() is None
    space.look(5.0)
    assert (space.seen, space.need) == ((0, 0), NEED)


# How much


def test_the_first_is_for_all_that_is_in_hand_and_for_what_is_unflushed(parts: Parts) -> None:
    space = parts.space
    space.next_at = 5.0
    space.tick(4.9)
    assert parts.effects == []
    parts.compaction.ended = True
    space.tick(5.0)
    assert (space.need, parts.effects) == (NEED, [Reserve("reserve", WANTED)])
    assert (space.asking, space.there, space.reserved) == (True, True, 0)
    assert parts.compaction.ended is False
    parts.end(DONE)
    assert (space.asking, space.reserved, parts.flusher.short, parts.log.most_bytes) == (
        False,
        WANTED,
        False,
        UNFLUSHED,
    )


def test_what_is_unflushed_counts_up_to_a_bound() -> None:
    parts = Parts(unflushed=MOST_AGAIN + 1)
    parts.space.tick(1.0)
    assert parts.effects == [Reserve("reserve", NEED + NEED // 4 + MOST_AGAIN)]


@pytest.mark.parametrize(
    ("reserved", "asks"),
    [(NEED + UNFLUSHED - 1, True), (NEED + UNFLUSHED, False), (2 * WANTED, False), (2 * WANTED + 1, True)],
)
def test_it_is_made_anew_when_it_is_too_small_or_much_too_large(parts: Parts, reserved: int, *, asks: bool) -> None:
    with_reserve(parts, reserved)
    assert parts.effects == ([Reserve("reserve", WANTED)] if asks else [])


@pytest.mark.parametrize(("reserved", "asks"), [(NEED - 1, True), (NEED, False)])
def test_where_not_all_could_be_had_what_is_needed_is_enough(parts: Parts, reserved: int, *, asks: bool) -> None:
    parts.space.cramped = True
    space = with_reserve(parts, reserved)
    assert parts.effects == ([Reserve("reserve", WANTED)] if asks else [])
    assert space.cramped is not asks


@pytest.mark.parametrize(("reserved", "asks"), [(WANTED - 1, True), (WANTED, False)])
def test_after_a_round_all_of_it_is_asked_for(parts: Parts, reserved: int, *, asks: bool) -> None:
    parts.compaction.ended = True
    with_reserve(parts, reserved)
    assert parts.effects == ([Reserve("reserve", WANTED)] if asks else [])
    assert parts.compaction.ended is False


def test_a_small_log_is_never_short(parts: Parts) -> None:
    parts.flusher.short = True
    parts.log.closed.clear()
    parts.space.tick(1.0)
    assert (parts.flusher.short, parts.effects, parts.log.most_bytes) == (False, [], UNFLUSHED)


# What comes of it


@pytest.mark.parametrize("errno", [ENOSPC, EDQUOT])
def test_what_could_be_had_is_taken_where_it_is_enough_for_what_is_in_hand(parts: Parts, errno: int) -> None:
    space = with_reserve(parts, 1_000)
    parts.end(Failed(errno, NEED))
    assert (space.cramped, space.free, space.size_then, space.asking) == (True, 2 * NEED - 1_000, BEGIN, True)
    assert parts.effects[1:] == [Reserve("reserve", NEED)]
    parts.end(DONE)
    assert (space.reserved, parts.flusher.short, parts.log.most_bytes) == (NEED, False, SPARE)
    space.reserved = NEED + SPARE + 500
    space.settle()
    assert parts.log.most_bytes == SPARE + 500


def test_room_is_short_where_less_could_be_had(parts: Parts) -> None:
    space = with_reserve(parts, 0)
    parts.end(Failed(ENOSPC, NEED - 1))
    assert (space.asking, space.cramped, parts.flusher.short, len(parts.asked)) == (False, True, True, 1)
    free = 2 * (NEED - 1)
    left = free - SPARE // 2 - COST
    assert space.left == left
    assert parts.log.most_bytes == min(UNFLUSHED, 3_000 + left * SEGMENT // (SEGMENT + BLOCK))
    parts.current.size += 3 * BLOCK
    assert space.left == left - 3 * BLOCK


def test_no_more_is_asked_for_than_there_is(parts: Parts) -> None:
    space = with_reserve(parts, NEED + 10)
    parts.end(Failed(ENOSPC, NEED + 10))
    assert (len(parts.asked), space.reserved, space.asking) == (1, NEED + 10, False)
    assert parts.flusher.short is False


def test_a_disk_that_keeps_no_room_is_gone_without(parts: Parts) -> None:
    space = with_reserve(parts, 0)
    parts.log.most_bytes = 1
    parts.end(Failed(EIO))
    assert (space.without, parts.flusher.short, parts.log.most_bytes) == (True, False, UNFLUSHED)
    space.ask(5)
    parts.end(DONE)
    assert space.without is False


def test_when_nothing_is_left_nothing_more_may_be_unflushed(parts: Parts) -> None:
    space = parts.space
    space.need = NEED
    space.settle()
    assert (parts.flusher.short, parts.log.most_bytes) == (True, 0)


def test_what_is_flushed_ends_a_shortage_that_there_is_no_more(parts: Parts) -> None:
    space = parts.space
    space.need, space.reserved = NEED, NEED
    parts.log.most_bytes = 1
    space.flushed()
    assert parts.log.most_bytes == 1  # nothing was short: nothing is looked at
    parts.flusher.short = True
    space.asking = True
    space.flushed()
    assert parts.flusher.short is True
    space.asking = False
    space.flushed()
    assert (parts.flusher.short, parts.log.most_bytes) == (False, UNFLUSHED)


# When a write fails


def test_other_errors_and_a_small_log_are_no_shortage(parts: Parts) -> None:
    space = parts.space
    space.there = True
    space.ran_out(EIO, 3.0)
    space.there = False
    parts.log.closed.clear()
    space.ran_out(ENOSPC, 3.0)
    assert (parts.flusher.short, parts.flusher.hurry, parts.effects, space.next_at) == (False, False, [], 0.0)


@pytest.mark.parametrize("small", [False, True])
def test_the_reserve_is_given_up_for_what_could_not_be_written(parts: Parts, *, small: bool) -> None:
    space = parts.space
    space.reserved, space.there = NEED, True
    if small:
        parts.log.closed.clear()
    space.ran_out(ENOSPC, 3.0)
    assert (parts.flusher.short, parts.flusher.hurry) == (True, True)
    assert (parts.compaction.next_at, space.next_at) == (3.0, 3.0)
    assert (space.asking, space.there, parts.effects) == (True, False, [Unlink("reserve")])
    space.there = True
    space.ran_out(ENOSPC, 4.0)
    assert len(parts.asked) == 1  # it is on its way
    parts.log.stuck = True
    parts.end(DONE, 5.0)
    assert (space.asking, space.reserved, space.free, space.need) == (False, 0, NEED, NEED)
    assert space.size_then == (BLOCK if small else BEGIN)
    assert parts.flusher.short is not small
    assert parts.flusher.retry_at == 5.0


def test_where_there_is_none_nothing_is_given_up(parts: Parts) -> None:
    parts.space.ran_out(EDQUOT, 3.0)
    assert (parts.flusher.short, parts.effects) == (True, [])


def test_a_reserve_that_cannot_be_removed_frees_nothing(parts: Parts) -> None:
    space = parts.space
    space.reserved, space.there, space.free = NEED, True, 11
    space.ran_out(ENOSPC, 3.0)
    parts.end(Failed(EIO), 5.0)
    assert (space.reserved, space.free, parts.flusher.short, parts.flusher.retry_at) == (0, 11, True, None)


def test_what_ran_out_before_the_first_look_is_looked_at_again_until_clients_are_not_held_back(parts: Parts) -> None:
    """A write failed before anybody had looked, what was flushed meanwhile found nothing missing, and the log was then
    compacted: for ever after nothing at all might be unflushed, and every call was BUSY."""
    space = parts.space
    space.ran_out(ENOSPC, 4.0)
    assert space.need == NEED
    space.flushed()
    assert parts.flusher.short
    assert parts.log.most_bytes == 0
    parts.flusher.short = False
    parts.log.closed[0].size = BLOCK  # a round of compaction
    assert space.due() == 4.0
    space.tick(4.0)
    assert not space.holds_back
    assert space.due() is None
    assert parts.log.most_bytes == UNFLUSHED
