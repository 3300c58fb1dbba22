"""The compiled fast path: it is taken, says what the plain one says, and leaves to the long way what is not plain."""

import gc
import os
import subprocess
import sys
import time
from heapq import heappop
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import ackstore
from ackstore.core.core import Core
from ackstore.core.entries import Entry
from ackstore.core.operations import Operation
from ackstore.core.queues import Queue
from ackstore.core.record import Record
from ackstore.core.replay import Replay
from ackstore.core.states import State, encode_state
from ackstore.fastpath import COMPILED, calls
from ackstore.fields import reading, settling
from ackstore.fields.plain import reading as plain_reading
from ackstore.fields.plain import settling as plain_settling
from ackstore.format.payloads import encode_ack, encode_checkpoint, queue_prefix
from ackstore.format.records import ACK, CHECKPOINT, HEADER_BYTES, RENEW, STATE, Header, encode_record, scan
from ackstore.format.recovery import Span
from ackstore.runtime.files import RealDisk
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply
from disks import HangingDisk

compiled = pytest.mark.skipif(not COMPILED, reason="the fast path is not compiled: it needs a C compiler")
QUIET = ackstore.Config(flush_interval=1000.0, offset_interval=1000.0, max_batch=64)


def popped(store: ackstore.Store, count: int) -> list[str]:
    """Receipts of this many messages, in a store that has been synced."""
    store.publish("q", count)
    receipts = [delivery.receipt for delivery in store.pop("q", count)]
    store.flush()
    return receipts


@compiled
@pytest.mark.parametrize("logs", [1, 3])
def test_it_is_taken(tmp_path: Path, logs: int) -> None:
    assert calls.ack.__module__ == "ackstore.fastpath.compiled.calls"
    with ackstore.Store(tmp_path, evolve(QUIET, logs=logs)) as store:
        receipts = popped(store, 4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Core, "submit", None)
            assert store.ack(receipts[0]) is Reply.OK
            assert store.ack_many(receipts[1:]) == [Reply.OK] * 3
        assert store.stats().replies[Reply.OK] == 3 + 4  # publish, pop, flush; four acks


NONSENSE = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"[0-9a-fA-F]{38,41}@orders/default/0", fullmatch=True),
    st.none(),
    st.integers(),
    st.binary(max_size=60),
    st.just("0" * 40 + "@"),
    st.just("f" * 40 + "@orders/default/0"),
)


@compiled
@settings(deadline=None)
@given(receipts=st.lists(NONSENSE, min_size=1, max_size=5))
def test_nonsense_is_left_to_the_others(tmp_path_factory: pytest.TempPathFactory, receipts: list[Any]) -> None:
    with ackstore.Store(tmp_path_factory.mktemp("store"), QUIET) as store:
        good = popped(store, 2)
        assert calls.ack(store._driver, receipts[0]) is None
        assert calls.ack_many(store._driver, [good[0], *receipts]) is None
        assert store.ack_many(good) == [Reply.OK] * 2, "something was done"


@compiled
def test_what_it_leaves_to_the_others(tmp_path: Path) -> None:
    now = [1000.0]
    with ackstore.Store(tmp_path, QUIET, clock=lambda: now[0]) as store:
        receipts = popped(store, 6)
        assert calls.ack_many(store._driver, cast("Any", tuple(receipts))) is None  # only a list
        assert calls.ack_many(store._driver, []) is None
        assert calls.ack(store._driver, type("Text", (str,), {})(receipts[0])) is None  # text of a kind of its own
        assert calls.ack_many(store._driver, receipts * 11) is None  # more than max_batch
        assert calls.ack_many(store._driver, [receipts[0], receipts[1], receipts[0]]) is None  # one twice
        assert calls.ack(store._driver, receipts[0]) is Reply.OK
        assert calls.ack(store._driver, receipts[0]) is None  # its ack is on its way
        store.flush()
        assert calls.ack(store._driver, receipts[0]) is None  # settled
        now[0] += 30.0
        assert calls.ack(store._driver, receipts[1]) is None  # expired
        assert calls.ack_many(store._driver, receipts[1:3]) is None
    assert calls.ack(store._driver, receipts[1]) is None  # closed


@compiled
def test_a_receipt_of_another_delivery_or_queue(tmp_path: Path) -> None:
    with ackstore.Store(tmp_path, QUIET) as store:
        store.publish("other", 1)
        (other,) = [delivery.receipt for delivery in store.pop("other")]
        first, second = two(store)
        assert calls.ack(store._driver, first.replace("orders", "nobody")) is None
        assert calls.ack(store._driver, first[:31] + "f" + first[32:]) is None
        assert calls.ack_many(store._driver, [first, other]) is None
        assert calls.ack_many(store._driver, [first, second]) == [Reply.OK] * 2


@compiled
def test_acks_of_several_queues_by_turns(tmp_path: Path) -> None:
    """The queue of the ack before is kept at hand, and is another's often enough."""
    names = ["a", "b", "aa", "b"]
    with ackstore.Store(tmp_path, QUIET) as store:
        for name in {*names}:
            store.publish(name, 2)
        receipts = [store.pop(name)[0].receipt for name in names]
        store.flush()
        for receipt in receipts:
            assert calls.ack(store._driver, receipt.replace("@", "@x")) is None
            assert calls.ack(store._driver, receipt) is Reply.OK
        found = store.stats().queues
        assert {str(queue): each.acking for queue, each in found.items()} == {
            "a/default/0": 1,
            "aa/default/0": 1,
            "b/default/0": 2,
        }


def two(store: ackstore.Store) -> tuple[str, str]:
    store.publish("orders", 2)
    first, second = store.pop("orders", 2)
    store.flush()
    return first.receipt, second.receipt


@compiled
def test_a_write_that_fails_is_left_to_the_log(tmp_path: Path) -> None:
    with ackstore.Store(tmp_path, QUIET) as store:
        receipts = popped(store, 3)
        disk = store._driver.disk
        assert isinstance(disk, RealDisk)
        (file,) = disk.files.values()
        with open(os.devnull, "rb") as unwritable:  # noqa: PTH123
            fd, file.fd = file.fd, unwritable.fileno()
            assert calls.ack(store._driver, receipts[0]) is Reply.FAILED
            assert calls.ack_many(store._driver, receipts[1:]) == [Reply.FAILED] * 2
            file.fd = fd
        assert store.ack_many(receipts) == [Reply.OK] * 3
    with ackstore.Store(tmp_path, QUIET) as store:
        assert store.stats().recovery.cut_bytes == 0


@compiled
def test_a_disk_of_ones_own_is_asked(tmp_path: Path) -> None:
    with ackstore.Store(tmp_path / "store", QUIET, disk=HangingDisk(tmp_path / "store")) as store:
        (receipt,) = popped(store, 1)
        assert calls.ack(store._driver, receipt) is Reply.OK


@compiled
def test_an_error_that_nobody_foresaw_breaks_the_store(tmp_path: Path) -> None:
    def stopped() -> float:
        raise ArithmeticError("the clock stands still")

    with ackstore.Store(tmp_path, QUIET) as store:
        first, second = two(store)
        store._driver.clock = stopped
        with pytest.raises(ackstore.StoreBroken):
            store.ack(first)
        store._driver.clock = lambda: 1000.0
        with pytest.raises(ackstore.StoreBroken):
            store.ack_many([first, second])
        assert not store.stats().healthy


@compiled
def test_a_closed_store_leaves_nothing_behind(tmp_path: Path) -> None:
    """The garbage collector does not follow a compiled ack: the store has to end its cycles."""
    gc.collect()
    before = sum(isinstance(each, Entry | Queue) for each in gc.get_objects())
    disk = HangingDisk(tmp_path / "store")
    store = ackstore.Store(tmp_path / "store", QUIET, disk=disk)
    receipts = popped(store, 3)
    disk.go_on.clear()
    assert calls.ack(store._driver, receipts[0]) is Reply.OK
    assert calls.ack_many(store._driver, receipts[1:]) == [Reply.OK] * 2
    assert store.close(0.2) is Reply.UNKNOWN
    disk.go_on.set()
    del store, disk
    for _ in range(50):  # until its threads are gone
        gc.collect()
        if sum(isinstance(each, Entry | Queue) for each in gc.get_objects()) <= before:
            break
        time.sleep(0.1)
    else:
        pytest.fail("messages and queues are left")


@compiled
@settings(deadline=None)
@given(settled=st.lists(st.booleans(), max_size=9), floor=st.integers(0, 2**63 - 10))
def test_plain_and_compiled_let_go_of_the_same(settled: list[bool], floor: int) -> None:
    def entries() -> dict[int, Entry]:
        made = {floor + at: Entry(floor + at, 1, 1, 0.0) for at in range(len(settled))}
        for entry, value in zip(made.values(), settled, strict=True):
            entry.settled = value
        return made

    one, other = entries(), entries()
    assert settling.first_unsettled(one, floor) == plain_settling.first_unsettled(other, floor)
    assert one.keys() == other.keys()


ENTRY = st.tuples(st.integers(1, 3), st.floats(0.0, 5.0), *[st.booleans()] * 4)


@settings(deadline=None)
@given(each=st.lists(ENTRY, max_size=9), most=st.none() | st.integers(1, 4))
def test_plain_and_compiled_time_the_same(each: list[tuple[Any, ...]], most: int | None) -> None:
    def entries() -> dict[int, Entry]:
        made = {}
        for offset, (attempt, deadline, moving, renewing, settled, acked) in enumerate(each):
            entry = made[offset] = Entry(offset, attempt, 1, deadline)
            entry.moving, entry.renewing, entry.settled = moving, renewing, settled
            entry.ack = Record(ACK, Queue(QueueId("a", "b", 0), commits_checkpoints=False)) if acked else None
        return made

    one, other = entries(), entries()
    found, expected = settling.timers_of(one, most), plain_settling.timers_of(other, most)
    assert [sorted(heap) for heap in found] == [sorted(heap) for heap in expected]
    assert [entry.timed for entry in one.values()] == [entry.timed for entry in other.values()]
    for heap in found:
        in_order = [heappop(heap) for _ in heap.copy()]
        assert in_order == sorted(in_order)


def held(store: ackstore.Store, count: int, queue: str = "orders") -> list[str]:
    """Receipts of this many messages in the merge buffer."""
    store.publish("first", 1)
    store.pop("first")  # waits until something has been synced: before, nothing is held
    store.flush()
    store.publish(queue, count)
    return [delivery.receipt for delivery in store.pop(queue, count)]


MERGING = evolve(QUIET, merge=True)


@compiled
def test_it_is_taken_into_the_merge_buffer(tmp_path: Path) -> None:
    with ackstore.Store(tmp_path, MERGING) as store:
        receipts = held(store, 5)
        written = store.stats().written
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Core, "submit", None)
            assert store.ack(receipts[0]) is Reply.OK
            assert store.ack_many(receipts[1:4]) == [Reply.OK] * 3
        stats = store.stats()
        assert (stats.merged, stats.merging, stats.written, stats.replies[Reply.OK]) == (4, 5, written, 5 + 4)
        assert store.flush() is Reply.OK
        assert store.ack(receipts[4]) is Reply.OK  # to the log, which has its checkpoint now
        assert (store.stats().merged, store.stats().unflushed_records) == (4, 1)


@compiled
def test_what_it_does_not_merge(tmp_path: Path) -> None:
    """It does nothing then, and what is held can still be merged."""
    now = [1000.0]
    with ackstore.Store(tmp_path, MERGING, clock=lambda: now[0]) as store:
        first, second = held(store, 2)
        [other] = held(store, 1, "other")
        assert calls.ack_many(store._driver, [first, second, first]) is None  # one twice
        assert calls.ack_many(store._driver, [first, other]) is None
        store.flush()
        third, fourth = held(store, 4)
        assert calls.ack_many(store._driver, [third, second]) is None  # one that is not held any more
        assert calls.ack_many(store._driver, [second, third]) is None
        core = store._driver.core
        assert isinstance(core, Core)
        for part, name, value in (
            (core.flusher, "mode", "sync"),
            (core.log, "stuck", True),
            (core.log, "most_records", 0),
            (core.log, "most_bytes", 0),
        ):
            before = getattr(part, name)
            setattr(part, name, value)
            assert calls.ack(store._driver, third) is None
            assert calls.ack_many(store._driver, [third, fourth]) is None
            setattr(part, name, before)
        assert calls.ack_many(store._driver, [third, fourth]) == [Reply.OK] * 2
        assert calls.ack(store._driver, third) is None  # merged before
        assert store.stats().merged == 2


HOW = st.sampled_from(["settled", "merged", "waited", "durable", "acking", "delivered", "none"])


@compiled
@settings(deadline=None)
@given(how=st.lists(HOW, max_size=9), floor=st.integers(0, 2**63 - 10), most=st.integers(0, 9))
def test_plain_and_compiled_settle_the_same_run(how: list[str], floor: int, most: int) -> None:
    queue = Queue(ackstore.QueueId("q"), commits_checkpoints=False)
    operation = Operation(1, 9.0)

    def entries() -> dict[int, Entry]:
        made = {floor + at: Entry(floor + at, 1, 1, 0.0) for at, each in enumerate(how) if each != "none"}
        for offset, entry in made.items():
            state = how[offset - floor]
            entry.settled = state == "settled"
            if state in ("merged", "waited", "durable", "acking"):
                entry.ack = Record(ACK if state == "acking" else plain_settling.MERGED, queue)
                entry.ack.waiters = [(operation, 0, Reply.SETTLED)] if state == "waited" else None
                entry.ack.durables = [operation] if state == "durable" else None
        return made

    def run(module: Any) -> object:
        there = entries()
        found = module.settled_run(there, floor, most)
        acks = [entry.ack for entry in found]
        waited = [acks.index(ack) for ack in module.settle_run(found)]
        return [entry.offset for entry in found], waited, [(entry.settled, entry.ack) for entry in found]

    assert run(settling) == run(plain_settling)


SCRIPT = """
import sys
from ackstore import Config, Store
from ackstore.fastpath import COMPILED
print(COMPILED)
with Store(sys.argv[1], Config(flush_interval=1000.0, logs=int(sys.argv[2])), clock=lambda: 1000.0) as store:
    for queue in ("orders/billing/0", "orders/billing/1", "orders/billing/2", "a"):
        store.publish(queue, 9)
        receipts = [delivery.receipt for delivery in store.pop(queue, 9)]
        store.flush()
        print(store.ack(receipts[0]).name, *[reply.name for reply in store.ack_many(receipts[1:8])])
        store.flush()
        print(store.ack(receipts[0]).name)
    print(store.stats().queues)
"""


@compiled
@pytest.mark.parametrize("logs", [1, 3])
def test_without_it_all_is_the_same(tmp_path: Path, logs: int) -> None:
    def run(folder: Path, **more: str) -> tuple[list[str], dict[str, bytes]]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
        command = [sys.executable, "-c", SCRIPT, str(folder), str(logs)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split(), {file.name: file.read_bytes() for file in folder.glob("log-*.seg")}

    (yes, *compiled_words), compiled_log = run(tmp_path / "compiled")
    (no, *plain_words), plain_log = run(tmp_path / "plain", ACKSTORE_PURE="1")
    assert (yes, no) == ("True", "False")
    assert compiled_words == plain_words
    assert compiled_log == plain_log


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([ACK, ACK, ACK, CHECKPOINT, RENEW, STATE]),
        st.sampled_from(["orders/default/0", "a/b/1"]),
        st.lists(st.tuples(st.integers(0, 5), st.integers(1, 2), st.just(1)), max_size=3),
        st.integers(-1, 1),
    ),
    max_size=8,
)


def log_of(records: list[tuple[int, str, list[tuple[int, int, int]], int]]) -> bytes:
    """A segment. Some of its records are followed by a gap in their numbers, or by one number twice."""
    data = Header(number=1, epoch=1, parent=0, keeps=0, base=0, first=1, synced=0).encode()
    lsn = 1
    for kind, token, messages, step in records:
        prefix = queue_prefix(token)
        if kind == ACK:
            payload = encode_ack(prefix, messages)
        elif kind == STATE:
            payload = encode_state(prefix, State(0, 0, 0, 0), [])
        else:
            payload = encode_checkpoint(prefix, 9.0, 1, [(offset, attempt) for offset, attempt, _ in messages])
        data += encode_record(kind, payload, lsn, lsn - 1)
        lsn += 1 + step * (step < 0 or lsn % 3 == 0)
    return data


@compiled
@settings(deadline=None)
@given(records=RECORDS, at=st.integers(0, 400), by=st.integers(0, 255))
def test_plain_and_compiled_find_the_same_records(records: Any, at: int, by: int) -> None:
    data = bytearray(log_of(records))
    data[max(at % len(data), 12)] ^= by  # not in the version
    with pytest.MonkeyPatch.context() as patch:
        found = scan("log", bytes(data))
        patch.setattr("ackstore.format.records.whole_records", plain_reading.whole_records)
        assert found == scan("log", bytes(data))


def looks(entry: Entry) -> tuple[Any, ...]:
    # A timer is none before recovery has ended.
    names = ("offset", "attempt", "epoch", "deadline", "moving", "renewing", "held", "timed", "saved", "settled")
    return (*(getattr(entry, name) for name in names), entry.ack is None)


@compiled
@settings(deadline=None)
@given(records=RECORDS, proved=st.integers(0, 8), junk=st.binary(max_size=2))
def test_plain_and_compiled_replay_the_same(records: Any, proved: int, junk: bytes) -> None:
    data = log_of([(kind, token, messages, 0) for kind, token, messages, _ in records])
    data += encode_record(ACK, encode_ack(queue_prefix("a/b/1"), [(1, 1, 1)]) + junk, len(records) + 1, 0)

    def replayed() -> object:
        history = Replay(proved, lambda queue: Queue(queue, commits_checkpoints=False))
        try:
            history.take_known(Span(1, len(records) + 1, data, HEADER_BYTES))
        except ackstore.LogDamaged as error:
            return str(error)
        return [
            (queue.floor, queue.next_new, [looks(entry) for entry in queue.entries.values()])
            for queue in history.queues.values()
        ], [record.data for record in history.rewrites]

    with pytest.MonkeyPatch.context() as patch:
        found = replayed()
        patch.setattr("ackstore.core.replay.replay_acks", plain_reading.replay_acks)
        patch.setattr("ackstore.core.replay.replay_new", plain_reading.replay_new)
        assert found == replayed()


@compiled
def test_plain_stretches_are_gone_over_at_once() -> None:
    data = log_of([(ACK, "a/b/1", [(0, 1, 1), (1, 1, 1)], 0), (ACK, "a/b/1", [(2, 1, 1)], 0)])
    assert reading.whole_records(data, HEADER_BYTES, 1, 0) == (len(data), 3, 1)
    queue = Queue(ackstore.QueueId.parse("a/b/1"), commits_checkpoints=False)
    queue.entries = {offset: Entry(offset, 1, 1, 0.0) for offset in range(3)}
    assert reading.replay_acks(data, HEADER_BYTES, 2, {queue.prefix: queue}) == (len(data), 2)
    assert (queue.floor, queue.entries) == (3, {})
