"""Batches of acks: a reply for each item, in order, whatever the others are."""

from __future__ import annotations

from typing import Any

from ackstore import Reply
from ackstore.core.effects import Failed, Write
from ackstore.words.identity import QueueId
from ackstore.words.requests import AckMany, Renew


class TestBatches:
    def test_item_by_item(self, popped: Any) -> None:
        store, (a, b, c) = popped()
        store.ack(b)
        store.settle()
        op = store.ack_many(c, "nonsense", b, a, c)
        store.settle()
        assert store.answers[op].value == (
            Reply.OK,
            Reply.INVALID,
            Reply.SETTLED,
            Reply.OK,
            Reply.SETTLED,
        )
        assert store.rest().committed() == 3

    def test_of_several_queues(self, popped: Any) -> None:
        store, (a, b, _) = popped()
        store.publish(5, "other")
        (x,) = store.pop(1, queue="other")
        op = store.ack_many(a, x.receipt, b)
        store.settle()
        assert store.answers[op].value == (Reply.OK,) * 3
        store.rest()
        assert (store.committed(), store.committed("other")) == (2, 1)

    def test_partial_then_drain(self, popped: Any) -> None:
        """A27: what was not acked comes back, and nothing else."""
        store, receipts = popped(10)
        store.ack_many(*receipts[::2])
        store = store.rest().process_crash()
        store.settle().wait(30.0)
        store.publish(10)
        assert sorted(delivery.offset for delivery in store.pop(100)) == [1, 3, 5, 7, 9]

    def test_the_list_is_frozen_when_submitted(self, popped: Any) -> None:
        store, receipts = popped()
        mine = list(receipts)
        op = store.submit(AckMany(mine))
        mine.clear()
        store.settle()
        assert store.answers[op].value == (Reply.OK,) * 3

    def test_of_nothing(self, popped: Any) -> None:
        store, _ = popped()
        op = store.ack_many()
        assert (store.reply(op), store.answers[op].value) == (Reply.OK, ())

    def test_a_torn_write_fails_only_the_records_that_are_not_whole(self, popped: Any) -> None:
        store, (a, b, _) = popped()
        store.publish(5, "other")
        (x,) = store.pop(1, queue="other")
        first = store.ack(b)
        op = store.ack_many(a, x.receipt)
        store.finish(Write)
        (write,) = store.waiting(Write)
        store.finish(Write, Failed(28, len(write.data) - 1))
        assert store.reply(first) is Reply.OK
        assert store.answers[op].value == (Reply.OK, Reply.FAILED)
        again = store.ack_many(a, x.receipt)
        store.settle()
        assert store.answers[again].value == (Reply.SETTLED, Reply.OK)


class TestMixedBatches:
    def test_every_kind_of_reply_item_by_item(self, popped: Any) -> None:
        store, receipts = popped(5)
        store.ack(receipts[0])
        store.rest(1.0)  # settled
        store.wait(20.0)
        store.submit(Renew(receipts[4], 100.0))
        store.submit(Renew(receipts[3], 100.0))
        store.settle().wait(10.0)
        (again,) = store.pop(1)
        assert (again.offset, again.attempt) == (1, 2)
        store.submit(Renew(again.receipt, 50.0))  # on its way
        batch = [
            receipts[4],
            receipts[0],
            receipts[1],
            "no receipt",
            receipts[4],
            receipts[2],
            again.receipt,
            receipts[3],
        ]
        op = store.ack_many(*batch)
        store.settle()
        assert list(store.answers[op].value) == [
            Reply.OK,
            Reply.SETTLED,
            Reply.EXPIRED,  # superseded
            Reply.INVALID,
            Reply.SETTLED,  # a duplicate within the batch
            Reply.EXPIRED,  # late
            Reply.BUSY,  # in transition
            Reply.OK,
        ]
        store.flush()
        store.settle()
        queue = store.stats.queues[QueueId("q")]
        assert (queue.settled, queue.floor, queue.delivered) == (2, 1, 2)

    def test_a_write_that_fails_concerns_only_what_was_to_be_written(self, popped: Any) -> None:
        store, receipts = popped(3)
        store.ack(receipts[0])
        store.rest(1.0)
        op = store.ack_many(receipts[1], receipts[0], "no receipt", receipts[1])
        store.finish(Write, Failed(28))
        assert list(store.answers[op].value) == [Reply.FAILED, Reply.SETTLED, Reply.INVALID, Reply.FAILED]

    def test_several_queues_in_one_batch(self, drive: Any) -> None:
        store = drive().settle()
        for queue in ("a", "b"):
            store.publish(2, queue)
        receipts = [each.receipt for queue in ("a", "b") for each in store.pop(2, queue=queue)]
        written = store.stats.written
        op = store.ack_many(receipts[2], receipts[0], receipts[3])
        store.settle()
        assert list(store.answers[op].value) == [Reply.OK] * 3
        assert store.stats.written == written + 2  # one record a queue
        store.flush()
        store.settle()
        assert (store.committed("a"), store.committed("b")) == (1, 2)
