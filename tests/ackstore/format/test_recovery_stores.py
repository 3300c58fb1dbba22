"""Recovery of what whole stores have left: after crashes, and cut off, flipped or garbled anywhere."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ackstore import (
    Config,
    LogError,
    Reply,
    Stage,
    StoreError,
    recover,
)
from ackstore.core.effects import Create, Failed, Sync, Write
from ackstore.format.records import scan
from segments import Reader, segment


def busy_store(drive: Any, **settings: Any) -> Any:
    """A store with pops, acks, a failed sync and several segments behind it."""
    store = drive(segment_bytes=400, **settings).settle()
    store.publish(100)
    for round_ in range(6):
        receipts = [each.receipt for each in store.pop(3)]
        store.ack_many(*receipts[:2])
        store.settle()
        if round_ == 2:
            store.wait(0.1)
            store.finish(Sync, Failed(5))
        if round_ < 5:
            store.flush()
            store.rest(1.0)
    return store


def state(store: Any) -> Any:
    """All that a client could tell apart: what was handed out, and what of it is not acked."""
    return {
        token: (
            queue.next_new,
            {
                offset: (entry.attempt, entry.epoch, entry.deadline)
                for offset, entry in queue.entries.items()
                if not entry.settled and entry.ack is None
            },
        )
        for token, queue in store.core.queues.items()
    }


class TestWholeStores:
    def test_recovery_changes_nothing_and_is_idempotent(self, drive: Any) -> None:
        store = busy_store(drive)
        before = dict(store.files.cached)
        again = store.process_crash()
        assert state(again) == state(store)
        assert dict(store.files.cached) == before
        third = again.settle().process_crash()
        fourth = third.settle().process_crash()
        assert state(third) == state(fourth)
        assert [each for each in before if fourth.files.cached[each] != before[each]] == []

    def test_what_is_not_proved_is_written_again_before_it_counts(self, drive: Any) -> None:
        store = busy_store(drive)
        flushed, written = store.stats.flushed, store.stats.written
        assert written > flushed
        again = store.process_crash()
        assert again.stats.flushed < written
        assert again.stats.recovery.rewritten == written - again.stats.flushed
        again.finish(Create)
        (write,) = again.waiting(Write)
        for _lsn, _kind, _payload, data in list(recover(again.config, again.files).records())[again.stats.flushed :]:
            assert data in write.data
        again.settle()
        assert again.stats.flushed == written
        assert state(again.power_loss()) == state(store.process_crash().settle())

    def test_phantoms_are_written_again(self, popped: Any) -> None:
        """After a failed sync and a process crash the bytes are readable, and not on the disk."""
        store, (receipt, *_) = popped()
        ack = store.ack(receipt)
        store.finish(Write)
        assert store.reply(ack) is Reply.OK
        store.wait(0.1)
        store.finish(Sync, Failed(5))
        crashed = store.process_crash()
        assert crashed.core.stage(receipt) is Stage.SUSPECT
        crashed.settle()
        assert crashed.core.stage(receipt) is Stage.FLUSHED
        lost = crashed.files.after_power_loss()
        assert len(lost.cached["log-00000001.seg"]) < len(store.files.cached["log-00000001.seg"])
        assert crashed.reopen(lost).settle().core.stage(receipt) is Stage.FLUSHED

    def test_all_segments_of_an_epoch_say_the_same_of_earlier_ones(self, drive: Any) -> None:
        store = busy_store(drive).process_crash().settle()
        opened_at = store.stats.recovery.records
        store.publish(100)
        for delivery in store.pop(9):
            store.ack(delivery.receipt)
            store.settle()
        store.wait(0.1)
        store.finish(Sync, Failed(5))
        store.rest()
        headers = [scan(name, data).header for name, data in store.files.cached.items() if name.startswith("log-")]
        ours = [header for header in headers if header is not None and header.epoch == store.stats.epoch]
        assert len({header.first for header in ours}) > 1
        (said,) = {(header.parent, header.keeps, header.base) for header in ours}
        assert said == (1, opened_at, opened_at - store.stats.recovery.rewritten)

    def test_a_crash_while_writing_again_loses_nothing(self, drive: Any) -> None:
        store = busy_store(drive)
        expected = state(store)
        for written in range(0, 900, 13):
            again = store.process_crash()
            again.finish(Create)
            again.finish(Write, Failed(28, written))
            assert state(again.process_crash()) == expected

    def test_truncation_at_every_byte(self, drive: Any) -> None:
        store = busy_store(drive)
        files = dict(store.files.cached)
        outcomes = set()
        for name, data in files.items():
            for at in range(len(data)):
                outcomes.add(self.reopen_with(drive, files, name, data[:at]))
        assert outcomes == {"refused", "cut"}

    def test_bit_flips(self, drive: Any) -> None:
        store = busy_store(drive)
        files = dict(store.files.cached)
        pick = random.Random(1)
        outcomes = set()
        for name, data in files.items():
            for at in range(len(data)):
                changed = bytearray(data)
                changed[at] ^= 1 << pick.randrange(8)
                outcomes.add(self.reopen_with(drive, files, name, bytes(changed)))
        assert outcomes == {"refused", "cut"}

    @staticmethod
    def reopen_with(drive: Any, files: dict[str, bytes], name: str, data: bytes) -> str:
        """Open with one file changed: a named error, or a state that power loss may leave."""
        try:
            store = drive({**files, name: data})
        except LogError as error:
            text = str(error).lower()
            named = "log-" in text or "offsets" in text
            mend = "restore" in text or "open the store with" in text
            return "refused" if named and mend else f"unhelpful: {text}"
        proved = store.core.log.flushed
        whole = recover(Config(), Reader(files))
        assert proved <= store.core.log.last
        kept = [each[3] for each in recover(Config(), Reader({**files, name: data})).records()]
        assert kept == [each[3] for each in whole.records()][: len(kept)]
        return "as before" if len(kept) == whole.last else "cut"

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5000), st.binary(max_size=9))))
    def test_garbage_is_refused_by_name_or_cut(self, changes: list[tuple[int, int, bytes]]) -> None:
        good = {
            "log-00000001.seg": segment(1, range(1, 9), synced=0),
            "log-00000002.seg": segment(2, range(9, 15), synced=8),
            "log-00000003.seg": segment(3, range(15, 20), epoch=3, parent=1, keeps=14, base=14, synced=14),
        }
        files = dict(good)
        for which, at, garbage in changes:
            name = sorted(files)[which % len(files)]
            start = at % (len(files[name]) + 1)
            files[name] = files[name][:start] + garbage + files[name][start + len(garbage) :]
        try:
            recovered = recover(Config(), Reader(files))
        except StoreError:
            return
        whole = list(recover(Config(), Reader(good)).records())
        kept = list(recovered.records())
        assert kept == whole[: len(kept)]
        assert len(kept) >= recovered.proved
