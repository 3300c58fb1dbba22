"""One queue by itself: who has which message, what is settled, and what recovery makes of its records."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from ackstore.core.queues import SPARE_TIMERS, Queue
from ackstore.core.record import Record
from ackstore.format.records import STATE
from ackstore.words.identity import QueueId
from ackstore.words.replies import DeadLetter, Reply
from ackstore.words.stats import QueueStats


def new(end: int = 100, **settings: Any) -> Queue:
    queue = Queue(QueueId("q"), **{"commits_checkpoints": False, **settings})
    queue.publish(end)
    return queue


def holding(*offsets: int, **settings: Any) -> Queue:
    """Messages in somebody's hands until 30, with deadlines in order, and free ones between them."""
    queue = new(**settings)
    found = queue.replay_checkpoint([(offset, 1) for offset in offsets], deadline=30.0, epoch=1, proved=False)
    assert [entry.offset for entry in found] == [*offsets]
    queue.replayed()
    return queue


def pop(queue: Queue, count: int, now: float = 0.0, limit: int = 100) -> list[Any]:
    return queue.claim(count, now=now, deadline=now + 30.0, epoch=1, limit=limit)


class TestHandingOut:
    def test_what_is_handed_out_again_cannot_be_acked_before_that_is_stored(self) -> None:
        queue = new()
        queue.stored(pop(queue, 1))
        [claim] = pop(queue, 1, 30.0)
        assert queue.judge(0, 2, 1, 31.0, 1) is Reply.INVALID
        queue.stored([claim])
        assert queue.judge(0, 2, 1, 31.0, 1) is claim.entry
        assert queue.judge(0, 1, 1, 31.0, 1) is Reply.EXPIRED

    def test_what_could_not_be_stored_is_as_before_and_returns_in_its_time(self) -> None:
        queue = new()
        queue.stored(pop(queue, 1))
        queue.unclaim(pop(queue, 1, 30.0))
        assert queue.judge(0, 1, 1, 31.0, 1) is Reply.EXPIRED
        [again] = pop(queue, 1, 31.0)
        assert (again.entry.offset, again.entry.attempt) == (0, 2)

    def test_a_message_whose_checkpoint_failed_is_as_good_as_new(self) -> None:
        queue = new(1)
        claims = pop(queue, 1)
        assert not queue.has_new()
        queue.unclaim(claims)
        assert queue.has_new()
        [again] = pop(queue, 1)
        assert (again.entry.offset, again.entry.attempt, again.before) == (0, 1, None)

    def test_a_deadline_is_kept_once(self) -> None:
        queue = new()
        claims = pop(queue, 2)
        queue.stored(claims)
        queue.stored(claims)
        queue.unrenew(claim.entry for claim in claims)
        queue.unsettle(claim.entry for claim in claims)
        assert queue.expiring == [(30.0, 0, 1)]

    def test_what_was_handed_out_together_has_one_item_and_comes_back_one_by_one(self) -> None:
        queue = new()
        queue.stored(pop(queue, 5))
        later = pop(queue, 3, 10.0)
        queue.stored(later[:1] + later[2:])
        assert queue.expiring == [(30.0, 0, 4), (40.0, 5, 5), (40.0, 7, 7)]
        for gone in (0, 2):
            queue.settle([queue.entries[gone]])
        assert [claim.entry.offset for claim in pop(queue, 1, 30.0)] == [1]
        assert queue.expiring[0] == (30.0, 2, 4)
        assert [claim.entry.offset for claim in pop(queue, 3, 35.0, limit=0)] == [3, 4]
        assert [claim.entry.offset for claim in pop(queue, 3, 40.0, limit=0)] == [5, 7]
        assert queue.expiring == []

    @pytest.mark.parametrize("deadlines", [(7.0, 7.0, 7.0, 9.0), (9.0, 7.0, 7.0, 7.0), (7.0, 9.0, 7.0, 7.0)])
    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1)])
    def test_after_recovery_they_come_back_by_deadline_and_offset(
        self, deadlines: tuple[float, ...], order: tuple[int, ...]
    ) -> None:
        queue = new()
        for offset in order:
            queue.replay_checkpoint([(offset, 1)], deadline=deadlines[offset], epoch=1, proved=True)
        queue.replayed()
        found = [claim.entry.offset for _ in order for claim in pop(queue, 1, 9.0, limit=0)]
        assert found == sorted(order, key=lambda offset: (deadlines[offset], offset))

    @pytest.mark.parametrize(("more", "swept"), [(0, False), (1, True)])
    def test_deadlines_that_do_not_count_are_swept_out_when_they_are_too_many(self, more: int, swept: bool) -> None:
        queue = holding(*range(10), max_attempts=2)
        most = 2 * 10 + SPARE_TIMERS
        queue.expiring = [(1.0, 999, 999)] * (most - 400)
        queue.ending = [(1.0, 999, 999)] * (400 + more)
        queue.renewed([], 0.0)
        assert len(queue.expiring) + len(queue.ending) == (1 if swept else most)


class TestLifting:
    """A STATE says that everything below an offset is settled, holes included."""

    @pytest.mark.parametrize("offsets", [(0, 2, 5, 6, 7, 8), (0, 2, 3, 9), (5, 90)])
    def test_what_is_below_goes_and_nothing_else(self, offsets: tuple[int, ...]) -> None:
        for floor in range(10):
            queue = holding(*offsets)
            queue.lift(floor)
            assert [*queue.entries] == [offset for offset in offsets if offset >= floor]
            assert (queue.floor, queue.end) == (floor, 100)
            assert queue.next_new == max(offsets) + 1

    def test_what_was_never_handed_out_is_passed_too(self) -> None:
        queue = new(5)
        queue.lift(9)
        assert (queue.floor, queue.next_new, queue.end) == (9, 9, 9)
        queue.lift(3)
        assert (queue.floor, queue.next_new, queue.end) == (9, 9, 9)


class TestReplay:
    def test_what_is_settled_already_keeps_nobody_from_the_rest(self) -> None:
        queue = holding(0, 1, 2)
        queue.lift(1)
        queue.entries[1].settled = True
        queue.entries[2].ack = object()  # type: ignore[assignment]
        messages = [(0, 3), (1, 3), (2, 3), (7, 3)]
        found = queue.replay_checkpoint(messages, deadline=50.0, epoch=2, proved=True)
        assert [entry.offset for entry in found] == [7]
        assert [(entry.attempt, entry.deadline, entry.saved) for entry in queue.entries.values()] == [
            (1, 30.0, False),
            (1, 30.0, False),
            (3, 50.0, True),
        ]

    def test_an_ack_settles_what_is_above_the_floor_checkpoint_or_not(self) -> None:
        queue = holding(5, commits_checkpoints=True)
        queue.lift(5)
        found = queue.replay_ack([(1, 1, 1), (5, 1, 1), (6, 2, 3)])
        assert [(entry.offset, entry.attempt, entry.epoch) for entry in found] == [(5, 1, 1), (6, 2, 3)]
        queue = new(commits_checkpoints=True)
        queue.replay_ack([(0, 1, 1)])
        assert queue.safe() == 0  # it brings no message back

    @pytest.mark.parametrize("proved", [False, True])
    def test_a_dead_letter_counts_once_its_record_is_proved(self, proved: bool) -> None:
        queue = holding(0)
        [entry] = queue.replay_dead([(0, 3)], when=5.0, epoch=1, proved=proved)
        assert entry.settled is proved
        assert queue.dead == ({0: DeadLetter(0, 3, 5.0)} if proved else {})

    def test_the_offset_waits_where_it_is_for_a_state_that_is_not_proved(self) -> None:
        queue = new()
        queue.committed = 2
        queue.replay_state(10, 1, 3, 40, proved=False)
        assert queue.ceiling == (2, 10)
        queue.replay_state(20, 1, 1, 41, proved=False)
        queue.replay_state(20, 0, 1, 42, proved=False)
        assert queue.ceiling == (2, 20)
        assert (queue.floor, queue.generation, queue.forgotten, queue.reset_at) == (20, 1, 3, 40)
        queue.advance()
        assert queue.committed == 2
        queue.lift(20)
        queue.advance()
        assert queue.committed == 20

    def test_it_does_not_wait_for_one_that_settles_nothing_more(self) -> None:
        queue = new()
        queue.replay_state(0, 0, 0, 7, proved=False)
        assert queue.ceiling is None

    def test_it_is_known_which_record_settles_what_is_below_the_floor(self) -> None:
        queue = new()
        queue.committed = 2
        first, second = Record(STATE, queue), Record(STATE, queue)
        first.value, second.value = 5, 9
        queue.replay_state(5, 0, 0, 7, proved=False)
        queue.replay_state(9, 0, 0, 7, proved=False)
        queue.unproved = [first, second]
        found = [queue.settled_by(offset) for offset in range(10)]
        assert found == [None, None, *[first] * 3, *[second] * 4, None]
        queue.lift(5)
        assert [queue.settled_by(offset) for offset in (4, 5)] == [None, second]
        queue.lift(9)
        assert queue.settled_by(8) is None

    def test_the_offset_does_not_wait_for_one_that_is(self) -> None:
        queue = new()
        queue.replay_state(10, 0, 0, 7, proved=True)
        assert (queue.ceiling, queue.advance(), queue.committed) == (None, True, 10)


def test_what_there_is_to_see() -> None:
    queue = holding(1, 2, 3, 4, 6)
    queue.entries[1].settled = True
    queue.entries[2].ack = queue.entries[3].ack = object()  # type: ignore[assignment]
    queue.add_dead(DeadLetter(50, 1, 2.0))
    queue.forgotten = 4
    seen = QueueStats(
        end=100,
        next_new=7,
        floor=0,
        committed=0,
        persisted=9,
        kept=5,
        delivered=2,
        acking=2,
        settled=1,
        free=2,
        dead=5,
    )
    assert queue.stats(9) == seen
    assert queue.stats(9, count=False) == evolve(seen, delivered=None, acking=None, settled=None)
