"""The adapter of RocketMQ, against a broker that only answers."""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator

import pytest

from ackcheck.brokers.place import SETTINGS
from ackcheck.brokers.profile import HERE
from ackcheck.rig import Child, TargetError
from rocketmq_stub import ACK, ACK_BATCH, CHANGE, MAX_OFFSET, POP, RUNTIME_INFO, SEND, Stub

ROOT = HERE.parents[2]
BUILT = ROOT / "build" / "brokers" / "rocketmq"
NUMBERS = itertools.count()


def is_built() -> bool:
    """Whether the adapter was built from what it is now."""
    if not (BUILT / "sources").exists():
        return False
    sources = sorted((HERE / "rocketmq" / "src").glob("*.java"))
    now = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return (BUILT / "sources").read_text().startswith(now)


pytestmark = pytest.mark.skipif(
    shutil.which("java") is None or not is_built(),
    reason="needs java (Debian: default-jre-headless), and `make brokers`",
)


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Stub, Child]]:
    with Stub() as stub:
        command = [str(HERE / "rocketmq" / "adapter.sh"), str(BUILT), stub.address]
        with Child(command, reply_timeout=60.0) as adapter:
            yield stub, adapter
        stub.shutdown()


@pytest.fixture
def queue() -> str:
    """A queue of its own for each test."""
    return f"orders/billing/{next(NUMBERS)}"


@pytest.fixture
def both(started: tuple[Stub, Child], queue: str) -> tuple[Stub, Child]:
    """The two, after a new start of the broker, which has three messages."""
    stub, adapter = started
    stub.says, stub.drops, stub.bodies = 0, False, []
    offered = adapter.call("open", directory="")
    assert offered == {"offers": ["release", "renew"], "max_attempts": None}
    adapter.call("publish", queue=queue, end=3)
    return stub, adapter


def receipts(adapter: Child, queue: str, invisible: float = 30.0) -> list[str]:
    given = adapter.call("pop", queue=queue, count=64, invisible=invisible)
    assert [one["offset"] for one in given] == [0, 1, 2]
    return [one["receipt"] for one in given]


def test_what_is_missing_is_published(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    stub.bodies = stub.bodies[:1]  # a fault took two of them
    adapter.call("publish", queue=queue, end=4)
    assert stub.bodies == [b"0", b"1", b"2", b"3"]
    assert {MAX_OFFSET, SEND} <= {code for code, _, _ in stub.asked}


def test_no_more_is_popped_at_once_than_a_broker_allows(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    receipts(adapter, queue, invisible=1.5)
    assert (stub.last(POP)["maxMsgNums"], stub.last(POP)["invisibleTime"]) == ("32", "1500")


def test_an_ack_is_ok_once(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    first, *_ = receipts(adapter, queue)
    assert [adapter.call("ack", receipt=first) for _ in range(2)] == ["OK", "SETTLED"]
    assert stub.last(ACK)["offset"] == "0"
    assert adapter.call("ack", receipt="no receipt") == "INVALID"


def test_what_an_ack_did_that_was_late_or_of_an_older_delivery_nobody_knows(
    both: tuple[Stub, Child], queue: str
) -> None:
    _, adapter = both
    older, *_ = receipts(adapter, queue)
    late, *_ = receipts(adapter, queue, invisible=0.0)
    assert [adapter.call("ack", receipt=receipt) for receipt in (older, late)] == ["UNKNOWN", "UNKNOWN"]


def test_nor_what_one_did_that_the_broker_refused(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    first, *_ = receipts(adapter, queue)
    stub.says = 1
    assert adapter.call("ack", receipt=first) == "UNKNOWN"


def test_nor_what_one_did_of_a_message_that_may_be_there_twice_since_a_restart(
    both: tuple[Stub, Child], queue: str
) -> None:
    _, adapter = both
    adapter.call("open", directory="")
    adapter.call("publish", queue=queue, end=4)
    *_, old, new = [one["receipt"] for one in adapter.call("pop", queue=queue, count=9, invisible=30.0)]
    assert [adapter.call("ack", receipt=receipt) for receipt in (old, new)] == ["UNKNOWN", "OK"]


def test_several_are_acked_as_a_batch(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    first, second, third = receipts(adapter, queue)
    adapter.call("ack", receipt=first)
    told = adapter.call("ack_many", receipts=[third, first, "no receipt", second])
    assert told == ["OK", "SETTLED", "INVALID", "OK"]
    assert [code for code, _, _ in stub.asked].count(ACK_BATCH) >= 1


def test_a_receipt_stays_current_when_its_time_is_changed(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    first, second, *_ = receipts(adapter, queue)
    assert adapter.call("renew", receipt=first, invisible=60.0) == "OK"
    assert stub.last(CHANGE)["invisibleTime"] == "60000"
    assert adapter.call("ack", receipt=first) == "OK"
    assert " 60000 " in stub.last(ACK)["extraInfo"]
    assert adapter.call("renew", receipt=first, invisible=60.0) == "SETTLED"
    assert adapter.call("release", receipt=second) == "OK"
    assert adapter.call("ack", receipt=second) == "EXPIRED"
    receipts(adapter, queue)  # all of them come again
    assert adapter.call("renew", receipt=first, invisible=60.0) == "EXPIRED"


def test_a_change_that_was_refused_leaves_it_open_which_handle_is_the_newest(
    both: tuple[Stub, Child], queue: str
) -> None:
    stub, adapter = both
    first, *_ = receipts(adapter, queue)
    stub.says = 1
    assert adapter.call("renew", receipt=first, invisible=60.0) == "UNKNOWN"
    stub.says = 0
    assert adapter.call("ack", receipt=first) == "UNKNOWN"


def test_a_broker_that_is_lost_answers_with_an_error(both: tuple[Stub, Child], queue: str) -> None:
    stub, adapter = both
    first, *_ = receipts(adapter, queue)
    stub.drops = True
    with pytest.raises(TargetError):
        adapter.call("ack", receipt=first)


@pytest.mark.parametrize(("flush", "asks"), [("SYNC_FLUSH", False), ("ASYNC_FLUSH", True)])
def test_what_is_flushed_is_asked_only_where_no_answer_says_it(flush: str, asks: bool) -> None:
    """Each time it costs the broker a way through all slots of its timer."""
    command = [str(HERE / "rocketmq" / "adapter.sh"), str(BUILT)]
    environment = {**os.environ, SETTINGS: json.dumps({"flushDiskType": flush})}
    with Stub() as stub:
        with Child([*command, stub.address], environment=environment, reply_timeout=60.0) as adapter:
            adapter.call("open", directory="")
            before = len(stub.asked)
            adapter.call("publish", queue="q", end=3)
        assert any(code == RUNTIME_INFO for code, _, _ in stub.asked[before:]) is asks
        stub.shutdown()


def test_there_is_no_barrier(both: tuple[Stub, Child]) -> None:
    _, adapter = both
    assert [adapter.call(op) for op in ("flush", "close")] == ["UNKNOWN", "UNKNOWN"]
