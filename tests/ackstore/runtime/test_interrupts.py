"""Exceptions at any moment, as signal handlers raise them: the lock is free afterwards, and nothing is lost."""

import dis
import faulthandler
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import ackstore
from ackstore import Config, Reply, Store, StoreBroken
from ackstore.runtime.files import RealDisk
from ackstore.runtime.threads import Workers
from ackstore.runtime.waiting import wait_until
from open_files import open_below

ROOT = Path(__file__).parents[3]
HOME = str(Path(ackstore.__file__).parent)

CALLS: dict[str, Callable[[Store, str], Any]] = {
    "ack": lambda store, receipt: store.ack(receipt),
    "ack, the long way": lambda store, receipt: store.ack(receipt, timeout=5.0),
    "ack_many": lambda store, receipt: store.ack_many([receipt, receipt]),
    "pop": lambda store, _: store.pop("q", 1),
    "renew": lambda store, receipt: store.renew(receipt),
    "dead": lambda store, _: store.dead("q"),
    "stats": lambda store, _: store.stats(),
}


class Interrupted(BaseException):
    """As `KeyboardInterrupt`, and nobody else's."""


class AtLine:
    """Raises before the line number `at` that a call passes, of those of the store; never, where it is None.

    A line that does nothing, such as `try`, is passed by: Python hears of no signal there, and what a tracer raises
    there goes past the `try` around it.
    """

    def __init__(self, at: int | None, error: type[BaseException] = Interrupted) -> None:
        self.at, self.error = at, error
        self.lines: list[str] = []

    def __call__(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        if event == "line" and frame.f_code.co_code[frame.f_lasti] != dis.opmap["NOP"]:
            self.lines.append(frame.f_code.co_filename)
            if len(self.lines) - 1 == self.at:
                raise self.error
        return self

    def during(self, call: Callable[[], Any]) -> bool:
        """Whether it was raised."""
        before = sys.gettrace()
        gc.disable()  # what it would find is not of this call
        sys.settrace(self)
        try:
            call()
        except (self.error, StoreBroken) as error:
            return isinstance(error, self.error) or isinstance(error.__cause__, self.error)
        finally:
            sys.settrace(before)
            gc.enable()
        return False


def opened(path: Path) -> tuple[Store, list[str]]:
    store = Store(path, Config(flush_interval=60.0, offset_interval=60.0))
    store.publish("q", 100)
    receipts = [each.receipt for each in store.pop("q", 3)]
    assert store.ack(receipts[0]) is Reply.OK
    return store, receipts


def is_free(store: Store) -> bool:
    """Whether another thread could take the lock."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(store._driver.lock.run(60.0, lambda: True)))
    thread.start()
    thread.join()
    return found == [True]


def lines_to_try(lines: list[str]) -> list[int]:
    """Every line around the lock, and some of those under it."""
    near = ("/store.py", "/driver.py", "/lock.py", "/turns.py", "/calls.py")
    return [n for n, file in enumerate(lines) if file.endswith(near) or n % 9 == 0]


@pytest.mark.parametrize("name", CALLS)
def test_raised_at_any_line_it_leaves_the_lock_free_and_loses_nothing(tmp_path: Path, name: str) -> None:
    store, (first, second, third) = opened(tmp_path / "whole")
    whole = AtLine(None)
    assert not whole.during(lambda: CALLS[name](store, second))
    store.close()
    for at in lines_to_try(whole.lines):
        store, (first, second, third) = opened(tmp_path / str(at))
        AtLine(at).during(lambda store=store, second=second: CALLS[name](store, second))  # type: ignore[misc]
        assert is_free(store), f"line {at} of {len(whole.lines)}, in {whole.lines[at]}"
        store = usable(store, tmp_path / str(at))
        assert store.ack(first) is Reply.SETTLED
        assert store.ack(third) is Reply.OK
        assert store.close() is Reply.OK


@pytest.mark.parametrize("name", ["ack, the long way", "pop", "renew"])
def test_nor_does_memory_that_runs_out(tmp_path: Path, name: str) -> None:
    store, (first, second, third) = opened(tmp_path / "whole")
    whole = AtLine(None)
    whole.during(lambda: CALLS[name](store, second))
    store.close()
    for at in range(0, len(whole.lines), 11):
        store, (first, second, third) = opened(tmp_path / str(at))
        AtLine(at, MemoryError).during(lambda store=store, second=second: CALLS[name](store, second))  # type: ignore[misc]
        assert is_free(store), f"line {at} of {len(whole.lines)}, in {whole.lines[at]}"
        store = usable(store, tmp_path / str(at))
        assert store.ack(first) is Reply.SETTLED
        assert store.ack(third) is Reply.OK
        assert store.close() is Reply.OK


def test_alarms_at_random_moments_leave_it_usable_or_broken_by_name() -> None:
    """In a process of its own, whose alarms are its own, and that nothing traces: an exception in the tracer itself
    would keep the tracer's lock for ever."""
    hunt = [sys.executable, "-m", "tests.hunts.interrupts", "--seed", "1", "--count", "20"]  # `make hunt`: for longer
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    bare["PYTHONPATH"] = os.pathsep.join(sys.path)
    found = subprocess.run(hunt, env=bare, cwd=ROOT, timeout=300, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["raised"] == 20


def usable(store: Store, path: Path) -> Store:
    """The store, or if it says by name that it is broken, another one in its directory."""
    try:
        store.flush()
    except StoreBroken:
        store.close()
        return Store(path)
    return store


def test_a_signal_handler_that_calls_the_store_in_the_midst_of_a_call_is_refused(tmp_path: Path) -> None:
    told: list[Any] = []
    with Store(tmp_path) as store:
        store.publish("q", 9)
        receipts = [each.receipt for each in store.pop("q", 3)]
        store.flush()

        def handler(_signal: int, _frame: FrameType | None) -> None:
            told.extend([store.ack(receipts[0]), store.ack(receipts[0], timeout=9.0), store.try_pop("q").reply])
            told.append(store.stats().stalled)

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            store._driver.lock.run(1.0, lambda: signal.raise_signal(signal.SIGUSR1))
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert told == [Reply.BUSY] * 3 + [0.0]
        assert store.ack(receipts[0]) is Reply.OK


AFTER = {dis.opmap[name] for name in ("RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD") if name in dis.opmap}
"""After these Python lets signal handlers run."""

NEAR = (HOME + "/store.py", HOME + "/runtime", HOME + "/fastpath", threading.__file__)
"""Where threads wait for each other. What is under the store's lock breaks it by name, wherever it is."""

Place = tuple[CodeType, int]
"""A function, and a step in it."""


class AtStep:
    """Raises at a `place` where a signal handler might run, of the store or of Python's `threading`, once; notes all
    that are passed."""

    def __init__(self, place: Place | None) -> None:
        self.place = place
        self.passed: dict[Place, None] = {}

    def __call__(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(NEAR):
            return None
        frame.f_trace_opcodes = True
        steps = code.co_code
        before = -1

        def step(frame: FrameType, event: str, _arg: Any) -> Any:
            nonlocal before
            if event == "opcode":
                here = code, frame.f_lasti
                if before in AFTER and here not in self.passed:
                    self.passed[here] = None
                    if here == self.place:
                        raise Interrupted
                before = steps[frame.f_lasti]
            return step

        return step

    def during(self, call: Callable[[], Any]) -> None:
        """Make a call with it."""
        before = sys.gettrace()
        gc.disable()  # what it would find is not of this call
        sys.settrace(self)
        try:
            call()
        except (Interrupted, StoreBroken, RuntimeError):
            pass  # the last is Python's own: its `Event` then gives back a lock that it has not got
        finally:
            sys.settrace(before)
            gc.enable()


def aside(what: str, call: Callable[[], Any]) -> Any:
    """What a call comes to that another thread makes: this one must not wait for what may never come, and would be let
    in where it has kept a lock itself."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(60.0)
    if thread.is_alive():
        faulthandler.dump_traceback()
    assert found, f"{what} never returns"
    if isinstance(found[0], Exception) and not isinstance(found[0], StoreBroken):
        found[0].add_note(what)
        raise found[0]
    return found[0]


STEPS: dict[str, Callable[[Store, str], Any]] = {
    **CALLS,
    "flush": lambda store, _: store.flush(),
    "release": lambda store, receipt: store.release(receipt),
    "publish": lambda store, _: store.publish("q", 100),
}


@pytest.mark.parametrize("name", STEPS)
def test_raised_wherever_a_handler_may_run_no_later_call_waits_for_ever(tmp_path: Path, name: str) -> None:
    store, (_, second, _) = opened(tmp_path)
    store.publish("q", 10_000)
    whole = AtStep(None)
    whole.during(lambda: STEPS[name](store, second))
    for place in whole.passed:
        receipt = store.pop("q")[0].receipt
        AtStep(place).during(lambda store=store, receipt=receipt: STEPS[name](store, receipt))  # type: ignore[misc]
        if isinstance(aside(f"flush, after {place},", store.flush), StoreBroken):
            aside(f"close, after {place},", store.close)
            store = Store(tmp_path, store.config)
            store.publish("q", 10_000)
    assert aside("close", store.close) is Reply.OK


FILES = ("/store.py", "/driver.py", "/directory_lock.py", "/descriptors.py", "/files.py", "/snapshots.py", "/lock.py")
"""Where files are opened and closed."""


def own_threads() -> list[str]:
    """The threads of stores that run in this process. (One that an exception has kept from beginning, or left waiting
    in Python's own part of the beginning, is listed for ever, and is not alive.)"""
    return [str(each) for each in threading.enumerate() if each.name.startswith("ackstore-") and each.is_alive()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of a thread that is half started
def test_nor_does_one_that_comes_into_their_start_or_end_leave_threads() -> None:
    def work(workers: Workers[int]) -> None:
        for job in range(3):
            workers.put(job)
        workers.stop(5.0)

    def made() -> Workers[int]:
        return Workers(lambda _: time.sleep(0.02), limit=2, died=print)

    before = own_threads()
    whole = AtStep(None)
    whole.during(lambda: work(made()))
    for place in whole.passed:
        workers = made()
        AtStep(place).during(lambda workers=workers: work(workers))  # type: ignore[misc]
        aside(f"the end, after {place},", lambda workers=workers: workers.stop(5.0))  # type: ignore[misc]
        wait_until(lambda: own_threads() == before, 60.0)
        assert own_threads() == before, place


def test_nor_does_the_exception_that_broke_a_store_keep_its_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, Config(segment_bytes=3000))
    store.publish("q", 10_000)

    def interrupted(_disk: RealDisk, _name: str) -> None:
        raise Interrupted

    monkeypatch.setattr(RealDisk, "_leave", interrupted)  # a new file has been opened, and is not noted yet

    def ack_for_ever() -> None:
        while True:
            store.ack_many([each.receipt for each in store.pop("q", 64)])

    with pytest.raises(StoreBroken) as held:
        ack_for_ever()
    monkeypatch.undo()
    assert len(open_below(tmp_path)) > 1
    store.close()
    assert not open_below(tmp_path)
    assert held.traceback[1].locals["store"] is store  # whoever looks into it has what is theirs


def some_of(places: dict[Place, None]) -> list[Place]:
    """Every place there, and some of the others."""
    return [place for n, place in enumerate(places) if place[0].co_filename.endswith(FILES) or n % 5 == 0]


def is_left(path: Path) -> bool:
    """Whether nothing there is open any more, at the latest when what was begun is done."""
    wait_until(lambda: not open_below(path), 60.0)
    return not open_below(path)


def test_a_store_that_nobody_has_any_more_is_closed(tmp_path: Path) -> None:
    store, (first, second, _) = opened(tmp_path)
    assert store.ack(second) is Reply.OK
    with pytest.warns(ResourceWarning, match="was not closed"):
        del store
    assert is_left(tmp_path)
    with Store(tmp_path) as again:
        assert again.ack_many([first, second]) == [Reply.SETTLED] * 2
        assert again.stats().recovery.rewritten == 0  # all of it was synced


def test_nor_does_one_that_comes_into_closing_keep_the_directory(tmp_path: Path) -> None:
    before = own_threads()
    store, _ = opened(tmp_path)
    whole = AtStep(None)
    whole.during(store.close)
    for place in some_of(whole.passed):
        store = Store(tmp_path, store.config)
        AtStep(place).during(store.close)
        aside(f"close, after {place},", store.close)
        assert not open_below(tmp_path), place
        wait_until(lambda: own_threads() == before, 60.0)
        assert own_threads() == before, place
    assert Store(tmp_path).close() is Reply.OK


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of a thread that is half started
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of a store that nobody has
def test_nor_one_that_comes_into_opening(tmp_path: Path) -> None:
    opened(tmp_path)[0].close()
    made: list[Store] = []
    whole = AtStep(None)
    whole.during(lambda: made.append(Store(tmp_path)))
    for place in some_of(whole.passed):
        if made:
            aside("close", made.pop().close)
        AtStep(place).during(lambda: made.append(Store(tmp_path)))
        if not made:
            assert is_left(tmp_path), place
            made.append(aside(f"opening, after {place},", lambda: Store(tmp_path)))
    assert aside("close", made.pop().close) is Reply.OK


def test_nor_does_one_that_comes_into_copying_leave_a_part(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "store")
    whole = AtStep(None)
    whole.during(lambda: store.snapshot(tmp_path / "copy"))
    assert (tmp_path / "copy").exists()
    before = open_below(tmp_path)
    for place in some_of(whole.passed):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        AtStep(place).during(lambda store=store: store.snapshot(tmp_path / "copy"))  # type: ignore[misc]
        assert {each.name for each in tmp_path.iterdir()} <= {"store", "copy"}, place
        if isinstance(aside(f"flush, after {place},", store.flush), StoreBroken):
            aside(f"close, after {place},", store.close)
            store = Store(tmp_path / "store", store.config)
        assert len(open_below(tmp_path)) == len(before), place
        if (tmp_path / "copy").exists():
            assert Store(tmp_path / "copy").close() is Reply.OK
    assert aside("close", store.close) is Reply.OK
