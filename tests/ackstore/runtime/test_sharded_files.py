"""Which queue is in which log, what the files are called, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import Config, LogDamaged, LogsDiffer, Reply, Stage, recover
from ackstore.words.identity import QueueId
from ackstore.words.placement import log_of
from ackstore.words.requests import Ack, Release, Renew, Reset
from three_logs import ALL, B, file_of, one_each, pop


class TestWhere:
    @pytest.mark.parametrize("logs", range(1, 17))
    def test_queues_of_a_topic_are_spread_evenly(self, logs: int) -> None:
        found = [log_of(f"orders/billing/{number}", logs) for number in range(3 * logs)]
        assert all(found.count(log) == 3 for log in range(logs))

    @pytest.mark.parametrize("logs", range(2, 17))
    def test_topics_are_spread(self, logs: int) -> None:
        assert {log_of(f"topic{number}/default/0", logs) for number in range(40 * logs)} == set(range(logs))

    @pytest.mark.parametrize("token", ["", "/", "q/g/-1", "q/g/x", "q/g/²", "q/g/" + "9" * 5000, "\udc80/g/1", "ä/g/1"])
    def test_what_is_no_queue_is_anywhere(self, token: str) -> None:
        assert log_of(token, 3) == 0

    def test_each_log_has_its_files_and_all_is_found_again(self, three: Any) -> None:
        store = three()
        receipts = one_each(store)
        for receipt in receipts:
            store.ack(receipt)
        store.rest()
        names = {name.partition("-0")[0] for name in store.files.names()}
        assert names == {f"{kind}-{log}of3" for kind in ("log", "offsets") for log in (1, 2, 3)}
        store.close()
        store.settle()
        again = store.reopen(store.files).settle()
        assert {str(queue): seen.committed for queue, seen in again.stats.queues.items()} == dict.fromkeys(ALL, 1)
        assert [again.reply(again.ack(receipt)) for receipt in receipts] == [Reply.SETTLED] * 3

    @pytest.mark.parametrize(("was", "now"), [(1, 3), (3, 1), (2, 3)])
    @pytest.mark.parametrize("keep", ["all", "log", "offsets"])
    def test_another_number_of_logs_is_refused(self, drive: Any, was: int, now: int, keep: str) -> None:
        store = drive(logs=was)
        store.settle()
        store.publish(9)
        store.ack(store.pop()[0].receipt)
        store.rest()
        files = store.files
        for name in files.names():
            if keep != "all" and not name.startswith(keep):
                del files.files[name]
        before = files.cached
        mend = rf"holds a store with {was} logs?, not {now}: open it with Config\(logs={was}\)"
        with pytest.raises(LogsDiffer, match=mend):
            drive(files.cached, logs=now)
        with pytest.raises(LogsDiffer, match=mend):
            recover(Config(logs=now), files)
        assert files.cached == before
        if keep != "offsets":
            assert drive(files.cached, logs=was).settle().stats.queues

    def test_files_of_two_stores_are_refused(self, drive: Any) -> None:
        files = {**drive(logs=2).settle().files.cached, **drive().settle().files.cached}
        for logs in (1, 2, 3):
            with pytest.raises(LogsDiffer, match="of stores with 1 log and with 2 logs: leave those of one store"):
                drive(files, logs=logs)

    def test_damage_is_told_with_the_name_of_the_file(self, three: Any, drive: Any) -> None:
        store = three()
        store.ack(one_each(store)[1])
        files = store.rest().files.cached
        name = file_of(store, B)
        files[name] = files[name][:80] + b"?" + files[name][81:]
        with pytest.raises(LogDamaged, match=f"at {name}, byte"):
            drive(files, logs=3)

    def test_what_else_is_asked_goes_to_the_queue_s_log(self, three: Any) -> None:
        store = three(max_attempts=1)
        receipts = [pop(store, queue, 2) for queue in ALL]
        assert [store.core.stage(first) for first, _ in receipts] == [None] * 3
        ops = [store.submit(Renew(first, 900.0)) for first, _ in receipts]
        store.settle()
        ops += [store.submit(Ack(first, queue)) for (first, _), queue in zip(receipts, ALL, strict=True)]
        ops += [store.submit(Ack(receipts[0][1], B))]
        store.settle()
        assert [store.reply(op) for op in ops] == [Reply.OK] * 6 + [Reply.INVALID]
        assert [store.core.stage(first) for first, _ in receipts] == [Stage.CACHED] * 3
        assert store.core.stage("no receipt") is None
        for _, second in receipts:
            store.submit(Release(second))
        store.rest()
        assert [[letter.offset for letter in store.core.dead_letters(QueueId.parse(queue))] for queue in ALL] == [
            [1]
        ] * 3
        assert [store.core.stage(first) for first, _ in receipts] == [Stage.COMMITTED] * 3
        op = store.submit(Reset(B, 5))
        store.rest()
        assert store.reply(op) is Reply.OK
        assert [store.core.queues[queue].generation for queue in ALL] == [0, 1, 0]
