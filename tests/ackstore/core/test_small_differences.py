"""What mutation testing found that no test noticed (`tests/mutants/run.py`): small differences, each with its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ackstore import Config, recover
from ackstore.core.effects import Create, Failed, Write
from ackstore.format.records import ACK, encode_record, scan
from ackstore.words.requests import Renew


def test_one_write_is_outstanding_at_a_time(popped: Any) -> None:
    store, receipts = popped(3)
    for receipt in receipts:
        store.ack(receipt)
    assert len(store.waiting(Write)) == 1
    store.finish(Write)
    assert len(store.waiting(Write)) == 1


def test_offsets_that_failed_are_tried_again_after_a_pause(popped: Any) -> None:
    store, (receipt, *_) = popped(1, retry_first=2.0, flush_interval=0.1)
    store.ack(receipt)
    store.settle()
    store.flush()
    store.settle()
    store.wait(1.0)
    store.finish(Create, Failed(28), file="offsets.tmp")
    assert store.core.next_tick() == store.now + 2.0
    store.wait(1.9)
    assert store.waiting(Create) == []
    store.wait(0.1)
    assert [effect.file for effect in store.waiting(Create)] == ["offsets.tmp"]


def test_offsets_that_move_again_soon_are_written_once(popped: Any) -> None:
    store, (first, second) = popped(2, flush_interval=0.1, offset_interval=5.0)
    store.rest(10.0)
    written = store.stats.offset_writes
    for receipt in (first, second):
        store.ack(receipt)
        store.flush()
        store.rest(1.0)
    assert store.stats.offset_writes == written
    store.rest(10.0)
    assert (store.stats.offset_writes, store.committed()) == (written + 1, 2)


def test_a_renewal_can_bring_a_message_back_whose_checkpoint_was_never_stored(drive: Any) -> None:
    """Under policy checkpoint the offset passes it then, though the merge buffer held its checkpoint."""
    store = drive(merge=True, merge_stay=100.0, commit="checkpoint").settle()
    store.publish(5)
    [held] = store.pop(1)
    store.rest(1.0)
    assert (store.committed(), store.stats.merging) == (0, 1)
    store.submit(Renew(held.receipt, 500.0))
    store.rest(1.0)
    assert store.committed() == 1


def test_a_ceiling_follows_the_floor_that_a_state_lifts(drive: Any) -> None:
    """Where recovery read a STATE that is not proved, the offset stays below what it settles until it is FLUSHED."""
    store = drive().settle()
    store.publish(20)
    store.pop(1)
    [queue] = store.core.queues.values()
    queue.ceiling = (2, 10)
    queue.lift(5)
    assert queue.ceiling == (5, 10)
    queue.lift(10)
    assert queue.ceiling is None


def test_a_record_at_the_first_byte_of_a_file_without_header_is_found() -> None:
    """It cannot be placed, but what it states of earlier records counts."""
    found = scan("log-00000001.seg", encode_record(ACK, b"", 7, 6))
    assert ([(run.first, run.at) for run in found.runs], found.synced, found.damaged_at) == ([(7, 0)], 6, 0)


def test_records_in_several_files_without_header_are_all_counted() -> None:
    record = encode_record(ACK, b"", 1, 0)
    files = {f"log-0000000{number}.seg": record for number in (1, 2, 3)}
    directory = SimpleNamespace(names=lambda: list(files), read=files.__getitem__)
    found = recover(Config(), directory)
    assert (found.last, found.cut_records, found.cut_bytes) == (0, 3, 3 * len(record))


def test_all_that_an_unproved_state_hands_out_is_saved_when_it_is_flushed_again(drive: Any) -> None:
    store = drive(merge=True, merge_stay=1.0, commit="checkpoint", flush_interval=60.0).settle()
    store.publish(5)
    assert len(store.pop(3)) == 3
    while not store.waiting(Write):
        store.wait(0.5)
    store.finish(Write)
    crashed = store.process_crash().settle()
    assert crashed.stats.recovery.rewritten > 0
    crashed.flush()
    crashed.rest(5.0)
    assert crashed.committed() == 3
