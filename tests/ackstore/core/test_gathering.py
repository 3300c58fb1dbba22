"""Group commit: a sync waits for the clients that the one before has answered, and only as long as that pays."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import Reply
from ackstore.core.effects import Sync, Write
from ackstore.core.gathering import ALONE, LONGEST_ALONE, MOST, Gathering

TOOK = 0.0005
"""Seconds that each sync takes."""


def ask(store: Any, *receipts: str) -> list[int]:
    """Ack, and have it written."""
    ops = []
    for receipt in receipts:
        ops.append(store.ack(receipt))
        store.finish(Write)
    return ops


def sync(store: Any) -> None:
    """Let the sync that runs take its time, and succeed."""
    store.wait(TOOK)
    store.finish(Sync)


def after_two(popped: Any, **settings: Any) -> tuple[Any, list[str]]:
    """A store that has just answered two clients with one sync."""
    store, receipts = popped(20, mode="sync", offset_interval=100.0, **settings)
    ask(store, receipts.pop())
    asked = ask(store, receipts.pop(), receipts.pop())
    sync(store)
    sync(store)
    assert [store.reply(op) for op in asked] == [Reply.OK] * 2
    return store, receipts


def test_it_waits_until_all_are_there(popped: Any) -> None:
    store, receipts = after_two(popped)
    ask(store, receipts.pop())
    assert not store.waiting(Sync)
    ask(store, receipts.pop())
    assert len(store.waiting(Sync)) == 1
    sync(store)
    assert store.stats.unflushed_records == 0


def test_it_waits_for_twice_a_sync_at_most(popped: Any) -> None:
    store, receipts = after_two(popped)
    began = store.now
    (op,) = ask(store, receipts.pop())
    assert store.core.next_tick() == pytest.approx(began + 2 * TOOK)
    store.wait(1.9 * TOOK)
    assert not store.waiting(Sync)
    store.wait(0.2 * TOOK)
    sync(store)
    assert store.reply(op) is Reply.OK


def test_who_comes_later_is_not_held_up(popped: Any) -> None:
    store, receipts = after_two(popped)
    store.wait(3 * TOOK)
    ask(store, receipts.pop())
    assert len(store.waiting(Sync)) == 1


def test_nobody_is_waited_for_after_a_single_answer(popped: Any) -> None:
    store, receipts = popped(9, mode="sync")
    for _ in range(3):
        ask(store, receipts.pop())
        assert len(store.waiting(Sync)) == 1
        sync(store)


def test_nor_where_answers_do_not_wait_for_the_disk(popped: Any) -> None:
    store, receipts = popped(9)
    ask(store, receipts.pop(), receipts.pop())
    store.flush()
    sync(store)
    ask(store, receipts.pop())
    store.flush()
    assert len(store.waiting(Sync)) == 1


def waits(gathering: Gathering, come: int) -> bool:
    """One cycle that has answered six, and the next one, that begins when so many have come again."""
    gathering.begins(answered=6, last=10, now=1.0, took=0.5)
    waited = gathering.due(since=1.0, last=10) > 1.0
    gathering.ends(last=10 + come)
    return waited


def test_who_comes_seldom_is_waited_for_seldom() -> None:
    gathering = Gathering()
    alone = ALONE
    for _ in range(9):
        assert waits(gathering, 1)
        assert [waits(gathering, 6) for _ in range(alone)] == [False] * alone
        alone = min(2 * alone, LONGEST_ALONE)
    assert waits(gathering, 2)  # a third is enough
    assert waits(gathering, 1)
    assert [waits(gathering, 6) for _ in range(ALONE + 1)] == [False] * ALONE + [True]


def test_one_wait_step_by_step() -> None:
    gathering = Gathering()
    assert gathering.due(since=5.0, last=0) == 5.0
    gathering.ends(last=9)
    gathering.begins(answered=1, last=10, now=1.0, took=0.5)
    assert gathering.due(since=1.0, last=10) == 1.0
    gathering.begins(answered=6, last=10, now=1.0, took=0.5)
    assert gathering.due(since=1.0, last=10) == 1.0 + MOST
    assert gathering.due(since=1.0, last=15) == 1.0 + MOST
    assert gathering.due(since=1.0, last=16) == 1.0  # all have come
    assert gathering.due(since=1.5, last=10) == 1.5
    gathering.ends(last=12)  # a third has
    assert (gathering.due(since=1.0, last=12), gathering.alone, gathering.next_alone) == (1.0, 0, ALONE)
    gathering.begins(answered=2, last=12, now=2.0, took=MOST / 4)
    assert gathering.due(since=2.0, last=12) == 2.0 + MOST / 2
    gathering.begins(answered=8, last=12, now=2.0, took=0.5)
    gathering.ends(last=14)  # a quarter is too few
    assert gathering.alone == ALONE


def test_a_wait_in_vain_is_followed_by_twice_as_many_cycles_without() -> None:
    gathering = Gathering()
    for alone in (16, 32, 64, 128, 256, 512, 1024, 1024):
        gathering.begins(answered=6, last=10, now=1.0, took=0.5)
        gathering.ends(last=11)
        assert gathering.alone == alone
        gathering.alone = 1
        gathering.begins(answered=6, last=11, now=1.0, took=0.5)
        assert (gathering.until, gathering.alone) == (None, 0)
