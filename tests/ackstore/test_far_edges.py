"""Values that nobody sends by intention: each is refused by name, before anything is written."""

import threading
from pathlib import Path
from typing import Any

import pytest

from ackstore import (
    Config,
    ConfigInvalid,
    CountOutOfRange,
    DirectoryError,
    DurationOutOfRange,
    NumbersExhausted,
    QueueNameInvalid,
    Reply,
    ResetsExhausted,
    Store,
)
from ackstore.core.entries import MAX_ATTEMPT, MAX_GENERATION

HUGE = 10**5000  # Python refuses to write it out


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_callback_may_raise_what_it_likes(tmp_path: Path, error: type[BaseException]) -> None:
    called = threading.Event()

    def callback() -> None:
        called.set()
        raise error

    with Store(tmp_path) as store:
        store.publish("q", 2)
        first, second = store.pop("q", 2)
        assert store.ack(first.receipt, callback) is Reply.OK
        assert store.flush() is Reply.OK
        assert called.wait(60.0)
        assert store.ack(second.receipt, lambda: None) is Reply.OK
        assert store.flush() is Reply.OK
        assert store.stats().healthy


@pytest.mark.parametrize("seconds", [HUGE, 1e300, float("inf")], ids=["huge", "1e300", "inf"])
def test_a_long_time_is_as_good_as_for_ever(tmp_path: Path, seconds: float) -> None:
    with Store(tmp_path) as store:
        assert store.flush(seconds) is Reply.OK
        assert store.close(seconds) is Reply.OK


@pytest.mark.parametrize("wrong", [-HUGE, float("nan"), "1", None, 0], ids=["huge", "nan", "text", "None", "0"])
def test_no_time(tmp_path: Path, wrong: Any) -> None:
    with Store(tmp_path) as store, pytest.raises(DurationOutOfRange):
        store.close(wrong)


def test_numbers_that_cannot_be_written_out(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for end in (HUGE, -HUGE):
            with pytest.raises(CountOutOfRange, match="an int of 16610 bits"):
                store.publish("q", end)
        store.publish("q", 1)
        with pytest.raises(CountOutOfRange, match="an int of"):
            store.pop("q", HUGE)
        with pytest.raises(DurationOutOfRange, match="an int of"):
            store.pop("q", 1, HUGE)
        with pytest.raises(CountOutOfRange, match="an int of"):
            store.reset("q", HUGE)
        with pytest.raises(QueueNameInvalid):
            store.publish("q/g/" + "9" * 5000, 1)
    for given in ({"op_timeout": -HUGE}, {"logs": HUGE}, {"retry_jitter": HUGE}):
        with pytest.raises(ConfigInvalid, match="an int of"):
            Config(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "y/" * 3000], ids=["null", "long", "deep"])
def test_a_path_that_no_file_system_takes(tmp_path: Path, path: str) -> None:
    with pytest.raises(DirectoryError, match="give another path"):
        Store(tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_the_last_reset_that_can_be_represented_is_the_last(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.publish("q", 2)
        store.pop("q")
        queue = next(iter(store._driver.core.queues.values()))
        queue.generation = MAX_GENERATION - 1
        assert store.reset("q", 0) is Reply.OK
        with pytest.raises(ResetsExhausted, match="a queue of another name"):
            store.reset("q", 0)
        (delivery,) = store.pop("q")
        assert store.ack(delivery.receipt) is Reply.OK
    with Store(tmp_path) as again:
        again.publish("q", 2)
        assert again.ack(delivery.receipt) is Reply.SETTLED
        assert [each.offset for each in again.pop("q")] == [1]


def test_what_was_handed_out_as_often_as_can_be_counted_becomes_a_dead_letter(tmp_path: Path) -> None:
    now = [1000.0]
    with Store(tmp_path, clock=lambda: now[0]) as store:
        store.publish("q", 1)
        (first,) = store.pop("q", 1, 30.0)
        queue = next(iter(store._driver.core.queues.values()))
        queue.entries[first.offset].attempt = MAX_ATTEMPT - 1
        now[0] += 30.0
        (last,) = store.pop("q", 1, 30.0)
        assert last.attempt == MAX_ATTEMPT
        now[0] += 30.0
        assert store.pop("q") == []
        assert store.flush() is Reply.OK
        assert [letter.offset for letter in store.dead("q")] == [0]


def test_no_open_beyond_those_that_an_epoch_can_number(tmp_path: Path) -> None:
    Store(tmp_path).close()
    (segment,) = tmp_path.glob("log-*.seg")
    segment.rename(tmp_path / f"log-{2**40 - 1}.seg")
    before = sorted(each.name for each in tmp_path.iterdir())
    with pytest.raises(NumbersExhausted):
        Store(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == before
