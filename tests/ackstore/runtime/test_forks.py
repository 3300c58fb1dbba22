"""A store in a process that was forked from the one that opened it: every call is refused, and nothing is lost."""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store, StoreForked
from ackstore.core.core import Core
from ackstore.runtime.waiting import Waiter
from children import end_saying, heard, itself, opened, said_in_child
from locked import locked_elsewhere

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

CALLS: dict[str, Callable[[Store, str], Any]] = {
    "ack": lambda store, receipt: store.ack(receipt),
    "ack, the long way": lambda store, receipt: store.ack(receipt, timeout=1.0),
    "ack_many": lambda store, receipt: store.ack_many([receipt]),
    "pop": lambda store, _: store.pop("q", 1),
    "publish": lambda store, _: store.publish("q", 200),
    "renew": lambda store, receipt: store.renew(receipt),
    "release": lambda store, receipt: store.release(receipt),
    "reset": lambda store, _: store.reset("q", 0),
    "flush": lambda store, _: store.flush(),
    "degrade": lambda store, _: store.degrade(),
    "dead": lambda store, _: store.dead("q"),
    "stats": lambda store, _: store.stats(),
}


def descriptors_of(file: Path) -> list[str]:
    """By which this process has a file open."""
    found = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
    return [each for each in found if os.path.lexists(each) and os.path.realpath(each) == str(file.resolve())]


@pytest.mark.parametrize("name", CALLS)
def test_a_child_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with Store(tmp_path) as store:
        store.publish("q", 100)
        first, second = (each.receipt for each in store.pop("q", 2))
        said = said_in_child(lambda: CALLS[name](store, first))
        assert said.startswith("StoreForked: ")
        assert f"opened by process {os.getpid()}" in said
        assert store.ack(first) is store.ack(second) is Reply.OK
    with Store(tmp_path) as again:
        assert again.ack_many([first, second]) == [Reply.SETTLED] * 2


def test_a_child_is_refused_though_a_thread_that_it_lacks_had_the_lock(tmp_path: Path) -> None:
    with Store(tmp_path, Config(op_timeout=600.0)) as store:
        store.publish("q", 1)
        (delivery,) = store.pop("q")
        taken, done = threading.Event(), threading.Event()

        def keep() -> None:
            with locked_elsewhere(store):
                taken.set()
                done.wait()

        thread = threading.Thread(target=keep)
        thread.start()
        taken.wait()
        try:
            assert said_in_child(lambda: store.ack(delivery.receipt)).startswith("StoreForked")
            assert said_in_child(store.stats).startswith("StoreForked")
            assert said_in_child(store.close) == f"returned {Reply.UNKNOWN!r}"
        finally:
            done.set()
            thread.join()


def test_a_child_leaves_the_directory_to_others(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert len(descriptors_of(tmp_path / "lock")) == 1
        assert said_in_child(lambda: descriptors_of(tmp_path / "lock")) == "returned []"
        store.publish("q", 1)
        assert said_in_child(store.close) == f"returned {Reply.UNKNOWN!r}"
        assert store.flush() is Reply.OK


def test_a_child_that_was_forked_while_a_store_was_opened_keeps_nobody_out(tmp_path: Path) -> None:
    opening, seen = threading.Event(), threading.Event()

    class Opened(Core):
        def __init__(self, *given: Any, **named: Any) -> None:
            opening.set()
            seen.wait()
            super().__init__(*given, **named)

    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(Store, tmp_path, core_class=Opened)
        opening.wait()
        try:
            assert len(descriptors_of(tmp_path / "lock")) == 1
            assert said_in_child(lambda: descriptors_of(tmp_path / "lock")) == "returned []"
        finally:
            seen.set()
        assert job.result().close() is Reply.OK


def test_a_child_that_goes_on_with_the_opening_of_a_store_does_not_get_it(tmp_path: Path) -> None:
    """A signal handler, or what is called meanwhile, forks, and returns in both."""
    reading, writing = os.pipe()
    parent = os.getpid()

    class Divides(Core):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            if not os.fork():
                os.close(reading)

    told = "opened"
    try:
        store = Store(tmp_path, core_class=Divides)
    except StoreForked as error:
        told = f"StoreForked: {error}"
        raise
    finally:
        if os.getpid() != parent:
            end_saying(told, writing)
    assert heard(reading, writing).startswith("StoreForked: ")
    os.wait()
    assert store.close() is Reply.OK


@pytest.mark.parametrize(
    ("mode", "place", "name"), [("async", Core, "submit"), ("sync", Core, "submit"), ("sync", Waiter, "wait")]
)
def test_a_child_of_the_midst_of_a_call_is_not_given_what_its_parent_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any, place: Any, name: str
) -> None:
    """A signal handler forks, and returns in both. The child waits for no answer that can only come to its parent."""
    reading, writing = os.pipe()
    parent, children, real = os.getpid(), list[int](), getattr(place, name)
    store = Store(tmp_path, Config(mode=mode, op_timeout=10_000.0))
    store.publish("q", 2)

    def divides(*given: Any) -> Any:
        if not children and (child := os.fork()):
            children.append(child)
        return real(*given)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, divides)
            try:
                told = repr([each.offset for each in store.pop("q", 2)])
            except StoreForked:
                told = "StoreForked"
    finally:
        if os.getpid() != parent:
            end_saying(told, writing)
    assert [told, heard(reading, writing)] == ["[0, 1]", "StoreForked"]
    os.waitpid(children[0], 0)
    assert store.close() is Reply.OK


@pytest.mark.parametrize("start", ["fork", "forkserver", "spawn"])
def test_workers_however_they_are_started(tmp_path: Path, start: str) -> None:
    """They are sent receipts, never the store, and do not get its directory while it is open."""
    with Store(tmp_path) as store, multiprocessing.get_context(start).Pool(1) as pool:
        store.publish("q", 1)
        (delivery,) = store.pop("q")
        assert pool.apply(opened, (tmp_path,)) == "DirectoryInUse"
        assert pool.apply(itself, (delivery,)) == delivery
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            pool.apply(itself, (store,))
        assert store.ack(delivery.receipt) is Reply.OK
        assert store.close() is Reply.OK
        assert pool.apply(opened, (tmp_path,)) == "opened"


_shared: list[Store] = []


def _settle(receipt: str) -> str:
    try:
        return _shared[0].ack(receipt).name
    except StoreForked:
        return "StoreForked"


def test_what_a_pool_of_forked_workers_is_told_holds(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.publish("q", 30)
        receipts = [each.receipt for each in store.pop("q", 30)]
        store.flush()
        _shared[:] = [store]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            told = pool.map(_settle, receipts[:20])
        told += [store.ack(receipt).name for receipt in receipts[20:]]
        _shared.clear()
    assert told == ["StoreForked"] * 20 + ["OK"] * 10
    with Store(tmp_path) as again:
        replies = again.ack_many(receipts)
    assert [reply is Reply.SETTLED for reply in replies] == [each == "OK" for each in told]


def test_a_store_that_was_closed_before_is_none_of_its_business(tmp_path: Path) -> None:
    closed = Store(tmp_path / "closed")
    closed.close()
    with Store(tmp_path / "open") as store:
        assert said_in_child(store.flush).startswith("StoreForked")
    assert closed.close() is Reply.OK


def test_a_store_is_not_sent_to_another_process(tmp_path: Path) -> None:
    with Store(tmp_path) as store, pytest.raises(TypeError, match="cannot be sent to another process"):
        pickle.dumps(store)
