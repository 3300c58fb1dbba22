"""Renewals, releases, dead letters and resets through the threaded store, on real files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, CountOutOfRange, DurationOutOfRange, QueueUnknown, Reply
from ackstore.words.requests import Pop

QUICK = Config(flush_interval=0.01, offset_interval=0.02)


def test_renewed_released_and_reset(tmp_path: Path) -> None:
    now = [1000.0]
    with ackstore.open(tmp_path, QUICK, clock=lambda: now[0]) as store:
        store.publish("q", 4)
        first, second = store.pop("q", 2)
        assert store.renew(first.receipt, 100.0) is Reply.OK
        assert store.release(second.receipt) is Reply.OK
        (again,) = store.pop("q", 1)
        assert (again.offset, again.attempt) == (1, 2)
        now[0] += 50.0
        assert store.ack(first.receipt) is Reply.OK
    with ackstore.open(tmp_path, QUICK) as store:
        store.publish("q", 4)
        assert store.reset("q", 2) is Reply.OK
        assert store.ack(again.receipt) is Reply.EXPIRED
    with ackstore.open(tmp_path, QUICK) as store:
        store.publish("q", 4)
        assert [each.offset for each in store.pop("q", 9)] == [2, 3]
        with pytest.raises(CountOutOfRange):
            store.reset("q", 5)
        with pytest.raises(QueueUnknown):
            store.reset("other", 0)
        with pytest.raises(DurationOutOfRange):
            store.renew(again.receipt, 0.0)


def test_dead_letters_without_traffic(tmp_path: Path) -> None:
    with ackstore.open(tmp_path, Config(flush_interval=0.01, max_attempts=1)) as store:
        store.publish("q", 1)
        (delivery,) = store.pop("q", 1, invisible=0.02)
        for _ in range(500):
            if store.dead("q"):
                break
            time.sleep(0.01)
        (letter,) = store.dead(delivery.queue)
        assert (letter.offset, letter.attempts) == (0, 1)
        assert letter.when >= delivery.deadline
        assert store.dead("nobody knows") == []


@pytest.mark.parametrize("logs", [1, 3])
def test_a_close_that_is_given_up_is_the_end(drive: Any, logs: int) -> None:
    """Nothing is asked of the disk after it, and what had no outcome ends with it, once."""
    store = drive(logs=logs, mode="sync").settle()
    store.publish(9)
    waiting = store.submit(Pop("q", 1))
    closing = store.close()
    assert store.reply(closing) is None
    store.core.give_up(closing)
    store.core.give_up(closing)
    store.take()
    assert (store.reply(closing), store.reply(waiting)) == (Reply.UNKNOWN, Reply.UNKNOWN)
    assert store.core.closed
    store.pending.clear()
    store.wait(100.0)
    assert store.pending == {}
