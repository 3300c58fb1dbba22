"""Several logs share one directory: its syncs are for all of them, and its errors concern all."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ackstore import Reply
from ackstore.core.directory import Directory, SharedDirectory
from ackstore.core.effects import Create, Failed, Result, Sync, SyncDir, Write
from three_logs import A, B, file_of, one_each

EIO, ENOSPC = 5, 28


class TestDirectory:
    """The logs share it, and its errors are reported once."""

    def test_one_sync_at_a_time_for_all_of_them(self, drive: Any) -> None:
        store = drive(logs=3)
        while store.waiting(Create) or store.waiting(Write):
            store.finish(Write if store.waiting(Write) else Create)
        syncs = 0
        while store.pending:
            assert len(store.waiting(SyncDir)) <= 1
            syncs += isinstance(store.finish(Sync if store.waiting(Sync) else object), SyncDir)
        assert syncs == 2  # the one that the first log began, and one for the two others
        assert all(core.flusher.opened for core in store.core.cores)

    def test_a_failure_concerns_every_entry_that_no_sync_has_covered(self, three: Any) -> None:
        store = three(segment_bytes=1, op_timeout=60.0)
        a, b, _ = one_each(store)
        store.rest()
        store.ack(a)
        store.ack(b)
        while store.waiting(Create) or store.waiting(Write):
            store.finish(Write if store.waiting(Write) else Create)
        new = [file_of(store, queue) for queue in (A, B)]
        flush = store.flush()
        assert len(store.waiting(SyncDir)) == 1
        store.finish(SyncDir, Failed(EIO))
        while store.waiting(Sync):
            store.finish(Sync)
        store.rest()
        assert store.reply(flush) is Reply.OK
        assert [core.flusher.sync_failures for core in store.core.cores].count(1) == 2
        assert not set(new) & {file_of(store, queue) for queue in (A, B)}  # written again, elsewhere
        again = store.power_loss().settle()
        assert [again.reply(again.ack(receipt)) for receipt in (a, b)] == [Reply.SETTLED] * 2

    def test_a_log_that_has_not_asked_for_a_sync_yet_is_told_too(self, three: Any) -> None:
        store = three(segment_bytes=1)
        a, b, _ = one_each(store)
        store.rest()
        store.ack(a)
        for kind in (Create, Write):
            store.finish(kind)
        store.wait(0.05)
        store.ack(b)
        for kind in (Create, Write):
            store.finish(kind)
        store.wait(0.05)
        assert [effect.file for effect in store.waiting(Sync)] == [file_of(store, A)]
        suspect = file_of(store, B)
        store.finish(SyncDir, Failed(EIO))
        assert [store.core.core_of(receipt).flusher.failures for receipt in (a, b)] == [1, 1]
        store.rest()
        assert file_of(store, B) != suspect
        assert store.power_loss().core.core_of(b).queues["q/g/0"].floor == 1

    def test_a_log_that_has_not_written_anything_yet_is_told_too(self, drive: Any) -> None:
        store = drive(logs=2)
        store.finish(Create)
        store.finish(Write)
        store.wait(0.0)
        store.finish(SyncDir, Failed(EIO))
        assert [core.flusher.failures for core in store.core.cores] == [1, 1]
        store.rest()
        assert [core.flusher.opened for core in store.core.cores] == [True, True]

    def test_one_that_hangs_is_given_up_for_all_and_comes_too_late(self, three: Any) -> None:
        store = three(segment_bytes=1, sync_timeout=1.0, op_timeout=60.0)
        a, b, _ = one_each(store)
        store.rest()
        store.ack(a)
        store.ack(b)
        while store.waiting(Create) or store.waiting(Write):
            store.finish(Write if store.waiting(Write) else Create)
        flush = store.flush()
        io = store.hold(SyncDir)
        while store.waiting(Sync):
            store.finish(Sync)
        store.wait(1.1)
        assert store.reply(flush) is None
        while not store.waiting(SyncDir):
            store.finish(object) if store.pending else store.wait(0.1)
        assert io not in store.pending  # each has a number of its own
        store.rest()
        assert store.reply(flush) is Reply.OK
        failures = store.stats.sync_failures
        store.release(io, Failed(EIO))
        assert store.rest().stats.sync_failures == failures  # all entries are covered by now
        store.release(io)  # a second result of the same sync is nobody's

    def test_nothing_is_told_to_whom_it_concerns_no_more(self) -> None:
        class Owner:
            closed = False
            asked: ClassVar[list[Any]] = []
            told: ClassVar[list[Any]] = []

            def request(self, _effect: Any, then: Any) -> int:
                self.asked.append(then)
                return 1

            def directory_failed(self, now: float) -> None:
                self.told.append(now)

        def hear(each: Owner, result: Result, _now: float) -> None:
            each.told.append((each, result))

        owner, other = Owner(), Owner()
        whole = Directory(owner, 4)
        for each in (owner, other):
            SharedDirectory(whole, each).sync(partial(hear, each))
        other.closed = True
        whole.give_up(5.0)
        assert Owner.told == [5.0, (owner, Failed(110))]
