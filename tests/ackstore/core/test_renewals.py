"""Moving deadlines: renewals and releases, before and after crashes."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import DurationOutOfRange, Reply
from ackstore.core.effects import Failed, Sync, Write
from ackstore.words.identity import QueueId
from ackstore.words.requests import Pop, Release, Renew

EIO, ENOSPC = 5, 28


def asked(store: Any, request: Any) -> Reply:
    """The reply on a disk that works."""
    op = store.submit(request)
    store.settle()
    if store.reply(op) is None:
        store.wait(store.config.flush_interval).settle()
    reply = store.reply(op)
    assert isinstance(reply, Reply)
    return reply


def offsets(store: Any, count: int = 9) -> list[tuple[int, int]]:
    """What a pop hands out of the first three messages: offsets and attempts."""
    store.publish(100)
    return [(each.offset, each.attempt) for each in store.pop(count) if each.offset < 3]


class TestRenew:
    def test_counts_from_now_and_keeps_the_receipt(self, popped: Any) -> None:
        store, (receipt, *_) = popped(3)
        store.wait(20.0)
        assert asked(store, Renew(receipt, 60.0)) is Reply.OK
        store.wait(10.0)  # the first deadline
        assert offsets(store.settle()) == [(1, 2), (2, 2)]
        store.wait(49.9).settle()
        assert asked(store, Renew(receipt, 5.0)) is Reply.OK
        ack = store.ack(receipt)
        assert store.settle().reply(ack) is Reply.OK

    @pytest.mark.parametrize("seconds", [1.0, 60.0])
    def test_nothing_returns_before_the_new_deadline_and_everything_at_it(self, popped: Any, seconds: float) -> None:
        store, (receipt, *_) = popped(1)
        assert asked(store, Renew(receipt, seconds)) is Reply.OK
        until = store.now + seconds
        store.wait(seconds - 0.001)
        assert offsets(store.settle(), 2) == [(1, 1), (2, 1)]
        store.wait(until - store.now)
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        assert offsets(store.settle()) == [(0, 2)]

    def test_in_sync_mode_it_is_answered_when_flushed(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1, mode="sync")
        op = store.submit(Renew(receipt, 60.0))
        store.finish(Write)
        assert store.reply(op) is None
        store.finish(Sync)
        assert store.reply(op) is Reply.OK

    @pytest.mark.parametrize("crash", ["process_crash", "power_loss"])
    @pytest.mark.parametrize("flushed", [False, True])
    def test_survives(self, popped: Any, crash: str, flushed: bool) -> None:
        store, (receipt, *_) = popped(3)
        assert asked(store, Renew(receipt, 100.0)) is Reply.OK
        if flushed:
            store.flush()
            store.settle()
        store = getattr(store, crash)().settle()
        store.wait(30.0)
        kept = flushed or crash == "process_crash"
        assert offsets(store.settle()) == ([] if kept else [(0, 2)]) + [(1, 2), (2, 2)]
        assert store.settle().reply(store.ack(receipt)) is (None if kept else Reply.EXPIRED)

    def test_outranks_its_checkpoint_when_both_are_written_again(self, drive: Any) -> None:
        store = drive().settle()
        store.publish(3)
        (delivery,) = store.pop(1)
        store.submit(Renew(delivery.receipt, 100.0))
        store.finish(Write)
        store.flush()
        store.finish(Sync, Failed(EIO))
        store.rest(5.0)
        assert store.stats.rewritten == 2
        store = store.power_loss().settle()
        store.wait(60.0)
        assert offsets(store) == [(1, 1), (2, 1)]

    def test_the_latest_of_several_counts(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        for seconds in (100.0, 5.0, 50.0):
            assert asked(store, Renew(receipt, seconds)) is Reply.OK
        store = store.process_crash().settle()
        assert store.core.queues["q/default/0"].entries[0].deadline == store.now + 50.0

    def test_a_message_in_transition_is_not_handed_out(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.wait(29.0).settle()
        op = store.submit(Renew(receipt, 60.0))
        store.wait(2.0)
        pop = store.submit(Pop("q", 1))
        second, ack = store.submit(Renew(receipt, 9.0)), store.ack(receipt)
        assert (store.reply(second), store.reply(ack)) == (Reply.BUSY, Reply.BUSY)
        store.settle()
        assert store.reply(op) is Reply.OK
        assert [each.offset for each in store.answers[pop].value] == [1]
        ack = store.ack(receipt)
        assert store.settle().reply(ack) is Reply.OK

    def test_a_write_that_fails_leaves_the_old_deadline(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.wait(29.0).settle()
        op = store.submit(Renew(receipt, 60.0))
        store.wait(2.0)
        store.finish(Write, Failed(ENOSPC))
        assert store.reply(op) is Reply.FAILED
        assert offsets(store.settle()) == [(0, 2), (1, 1), (2, 1)]
        assert store.rest(1.0).stats.unflushed_bytes == 0

    def test_without_an_outcome_it_is_unknown(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        op = store.submit(Renew(receipt, 60.0), timeout=1.0)
        store.wait(1.0)
        assert store.reply(op) is Reply.UNKNOWN

    def test_of_a_message_whose_ack_is_on_its_way(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        ack, renew = store.ack(receipt), store.submit(Renew(receipt, 60.0))
        store.settle()
        assert (store.reply(ack), store.reply(renew)) == (Reply.OK, Reply.SETTLED)

    def test_many_renewals_do_not_pile_up(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        for _ in range(3000):
            asked(store, Renew(receipt, 60.0))
        assert len(store.core.queues["q/default/0"].expiring) < 1100

    @pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan"), None, "5"])
    def test_a_duration_that_is_none(self, popped: Any, seconds: Any) -> None:
        store, (receipt, *_) = popped(1)
        with pytest.raises(DurationOutOfRange):
            store.submit(Renew(receipt, seconds))


@pytest.mark.parametrize("request_", [lambda receipt: Renew(receipt, 9.0), Release])
class TestReplies:
    def test_settled(self, popped: Any, request_: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.ack(receipt)
        store.rest()
        assert asked(store, request_(receipt)) is Reply.SETTLED

    def test_expired(self, popped: Any, request_: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.wait(30.0)
        assert asked(store, request_(receipt)) is Reply.EXPIRED

    def test_superseded(self, popped: Any, request_: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.wait(30.0)
        store.pop(1)
        assert asked(store, request_(receipt)) is Reply.EXPIRED

    def test_invalid(self, popped: Any, request_: Any) -> None:
        store, _ = popped(1)
        assert asked(store, request_("no receipt")) is Reply.INVALID

    def test_busy(self, popped: Any, request_: Any) -> None:
        store, receipts = popped(3, max_unflushed_records=2)
        for receipt in receipts[:2]:
            store.ack(receipt)
        assert store.reply(store.submit(request_(receipts[2]))) is Reply.BUSY


class TestRelease:
    def test_is_visible_at_once_and_the_receipt_is_late(self, popped: Any) -> None:
        store, (receipt, *_) = popped(3)
        assert asked(store, Release(receipt)) is Reply.OK
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        assert store.stats.queues[QueueId("q")].delivered == 3
        assert offsets(store) == [(0, 2)]

    @pytest.mark.parametrize("crash", ["process_crash", "power_loss"])
    @pytest.mark.parametrize("clock", [0.0, -500.0])
    def test_holds_after_a_restart_whatever_the_clock_says(self, popped: Any, crash: str, clock: float) -> None:
        store, (receipt, *_) = popped(1)
        assert asked(store, Release(receipt)) is Reply.OK
        store.flush()
        store.settle().now += clock
        store = getattr(store, crash)().settle()
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        assert offsets(store, 1) == [(0, 2)]

    def test_a_write_that_fails_leaves_the_delivery_as_it_was(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        op = store.submit(Release(receipt))
        store.finish(Write, Failed(ENOSPC))
        assert store.reply(op) is Reply.FAILED
        ack = store.ack(receipt)
        assert store.settle().reply(ack) is Reply.OK
