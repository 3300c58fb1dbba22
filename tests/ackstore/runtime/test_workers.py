"""The threads of a store, its lock, and why it does no more: step by step, without a store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ackstore.core.effects import Create, Effect, Rename, Reserve, Sync, SyncDir, Unlink
from ackstore.runtime import pools as pools_module
from ackstore.runtime import refusals
from ackstore.runtime.lock import OwnedLock, StoreLock
from ackstore.runtime.pools import Pools
from ackstore.runtime.threads import Bell, Workers, call_back, join, within
from ackstore.words.errors import StoreBroken, StoreClosed, StoreForked

LONG = 60.0
"""Seconds: nobody waits for so long unless something hangs."""


def in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class TestWorkers:
    def test_a_thread_is_started_for_each_job_up_to_the_limit_and_has_a_name(self) -> None:
        names, go_on, at_work = set(), threading.Event(), threading.Semaphore(0)

        def work(_job: int) -> None:
            names.add((threading.current_thread().name, threading.current_thread().daemon))
            at_work.release()
            go_on.wait()

        workers = Workers(work, limit=2, died=print)
        for job in range(3):
            workers.put(job)
        at_work.acquire()
        at_work.acquire()
        assert names == {("ackstore-1", True), ("ackstore-2", True)}
        assert workers.outstanding == 3
        assert sorted(workers.stop(0.0)) == [0, 1]  # they are at work, and the third is not begun any more
        go_on.set()
        assert workers.stop(LONG) == []
        assert not at_work.acquire(blocking=False)

    @pytest.mark.parametrize("drain", [True, False])
    def test_what_was_put_before_is_done_where_that_is_asked_for(self, drain: bool) -> None:
        done: list[int] = []
        begun, go_on = threading.Event(), threading.Event()

        def work(job: int) -> None:
            begun.set()
            go_on.wait()
            done.append(job)

        workers = Workers(work, limit=1, died=print)
        for job in range(3):
            workers.put(job)
        begun.wait()
        assert workers.stop(0.0, drain=drain) == [0]
        go_on.set()
        assert workers.stop(LONG, drain=drain) == []
        assert done == ([0, 1, 2] if drain else [0])
        assert workers.outstanding == 0

    def test_an_exception_ends_its_thread_and_is_told(self) -> None:
        told: list[BaseException] = []
        heard = threading.Event()

        def died(error: BaseException) -> None:
            told.append(error)
            heard.set()

        def work(_job: int) -> None:
            raise SystemExit("why")

        workers = Workers(work, limit=1, died=died)
        workers.put(1)
        heard.wait()
        assert [str(error) for error in told] == ["why"]
        assert workers.stop(LONG) == []

    def test_one_that_could_not_be_started_is_started_for_the_next_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        done: list[int] = []
        workers = Workers(done.append, limit=1, died=print)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fails)
            with pytest.raises(RuntimeError, match="new thread"):
                workers.put(1)
        workers.put(2)
        assert workers.stop(LONG, drain=True) == []
        assert done == [1, 2]

    def test_what_ends_a_thread_that_has_no_job_is_told_too(self) -> None:
        class Broken:
            def put(self, _job: object) -> None:
                pass

            def get(self) -> None:
                raise MemoryError("why")

        told: list[str] = []
        workers: Workers[int] = Workers(print, limit=1, died=lambda error: told.append(str(error)))
        workers._jobs = Broken()  # type: ignore[assignment]
        workers.put(1)
        assert workers.stop(LONG) == []
        assert told == ["why"]

    def test_a_job_can_stop_them_and_does_not_wait_for_itself(self) -> None:
        left: list[list[str]] = []
        workers: Workers[str] = Workers(lambda _job: left.append(workers.stop(LONG)), limit=1, died=print)
        workers.put("one")
        while not left:
            join(workers._threads[0], 0.01)
        assert left == [["one"]]

    def test_a_callback_may_raise_anything(self, caplog: pytest.LogCaptureFixture) -> None:
        def raises() -> None:
            raise KeyboardInterrupt("why")

        call_back(raises)
        (record,) = caplog.records
        assert (record.name, record.levelname, record.getMessage()) == (
            "ackstore",
            "ERROR",
            "a durable callback failed",
        )
        assert vars(record)["event"] == "callback-failed"
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == "why"

    @pytest.mark.parametrize(
        ("seconds", "taken"),
        [(-1.0, 0.0), (0.0, 0.0), (0.25, 0.25), (1e30, threading.TIMEOUT_MAX)],
    )
    def test_a_time_is_one_that_locks_take(self, seconds: float, taken: float) -> None:
        assert within(seconds) == taken


class TestBell:
    def test_it_rings_for_one_that_waits_or_the_next_and_once(self) -> None:
        bell = Bell()
        assert not bell.wait(0.0)
        bell.notify()
        bell.notify()
        assert bell.wait(0.0)
        assert not bell.wait(0.0)
        heard: list[bool] = []
        thread = threading.Thread(target=lambda: heard.append(bell.wait(None)))
        thread.start()
        bell.notify()
        thread.join()
        assert heard == [True]
        assert not bell.wait(-5.0)


class TestPools:
    def test_each_effect_has_its_threads_and_removing_has_one_of_its_own(self) -> None:
        """Of two pools the I/O id chooses; whatever hangs in one holds up none of another."""
        done: dict[int, Effect] = {}
        told, go_on = threading.Semaphore(0), threading.Event()

        def work(job: tuple[int, Effect]) -> None:
            if job[0] >= 100:
                go_on.wait()
            done[job[0]] = job[1]
            told.release()

        pools = Pools(work, pools=2, flush_threads=1, died=print)
        stuck: list[Effect] = [Sync("a"), Unlink("b")]
        pools.perform(100, stuck[0])
        pools.perform(101, stuck[1])
        quick: dict[int, Effect] = {1: Sync("c"), 3: Rename("d", "e"), 5: SyncDir()}
        for io, effect in quick.items():
            pools.perform(io, effect)
            told.acquire()
            assert done.pop(io) == effect
        pools.perform(2, Sync("f"))  # behind the one that hangs
        pools.perform(7, Reserve("g", 1))
        assert done == {}
        go_on.set()
        for _ in range(4):
            told.acquire()
        assert done == {100: stuck[0], 101: stuck[1], 2: Sync("f"), 7: Reserve("g", 1)}
        assert pools.stop() == []

    def test_what_is_still_going_on_is_told_but_for_syncs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pools_module, "GRACE", 0.05)
        at_work, go_on = threading.Semaphore(0), threading.Event()

        def work(_job: tuple[int, Effect]) -> None:
            at_work.release()
            go_on.wait()

        pools = Pools(work, pools=1, flush_threads=4, died=print)
        effects: list[Effect] = [Sync("a"), SyncDir(), Rename("b", "c"), Create("d")]
        for io, effect in enumerate([*effects, Unlink("e")]):
            pools.perform(io, effect)
            at_work.acquire()
        found = pools.stop()
        assert (len(found), {repr(each) for each in found}) == (
            3,
            {repr(each) for each in (Rename("b", "c"), Create("d"), Unlink("e"))},
        )
        go_on.set()
        monkeypatch.undo()
        assert pools.stop() == []

    @pytest.mark.parametrize("effect", [Sync("a"), Unlink("b"), None])
    def test_whatever_ends_one_of_its_threads_is_told(self, effect: Effect | None) -> None:
        told: list[str] = []
        heard = threading.Event()

        def died(error: BaseException) -> None:
            told.append(str(error))
            heard.set()

        def raises(*_given: object) -> None:
            raise ValueError("why")

        pools = Pools(raises, pools=1, flush_threads=1, died=died)
        pools.perform(1, effect) if effect else pools.tell(raises)
        assert heard.wait(LONG)
        assert told == ["why"]
        assert pools.stop() == []

    def test_a_callback_that_hangs_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pools_module, "GRACE", 0.05)
        pools = Pools(print, pools=1, flush_threads=1, died=print)
        begun, go_on = threading.Event(), threading.Event()

        def hangs() -> None:
            begun.set()
            go_on.wait()

        pools.call_back(hangs)
        begun.wait()
        assert pools.stop() == []
        assert pools.callbacks == 1
        go_on.set()

    def test_callbacks_and_lines_are_counted_and_brought_to_their_end(self) -> None:
        pools = Pools(print, pools=1, flush_threads=1, died=print)
        begun, go_on, done = threading.Semaphore(0), threading.Event(), []

        def hangs() -> None:
            begun.release()
            go_on.wait()

        pools.call_back(hangs)
        pools.call_back(lambda: done.append("callback"))
        pools.tell(hangs)
        for _ in range(3):
            pools.tell(lambda: done.append("line"))
        begun.acquire()
        begun.acquire()
        assert (pools.callbacks, pools.lines, done) == (2, 4, [])
        go_on.set()
        assert pools.stop() == []
        assert (pools.callbacks, pools.lines, sorted(done)) == (0, 0, ["callback", "line", "line", "line"])


class TestLock:
    def test_one_thread_has_it_and_nobody_twice(self) -> None:
        lock = OwnedLock()
        assert (lock.owned(), lock.inside) == (False, False)
        found: list[object] = []

        def inside() -> str:
            assert (lock.owned(), lock.inside) == (True, True)
            assert lock.run(LONG, print) is False
            assert lock.take(LONG) is False
            in_thread(lambda: found.append((lock.owned(), lock.run(0.0, print), lock.take(0.0))))
            in_thread(lock.leave)
            assert (lock.owned(), lock.inside) == (True, True)
            return "done"

        assert lock.run(LONG, inside) == "done"
        assert found == [(False, False, False)]
        assert (lock.owned(), lock.inside) == (False, False)

        def both(first: int, *, second: int) -> tuple[int, int]:
            return first, second

        in_thread(lambda: found.append(lock.run(0.0, both, 1, second=2)))
        assert found[1:] == [(1, 2)]

    def test_it_is_given_back_whatever_comes(self) -> None:
        lock = OwnedLock()

        def raises() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lock.run(LONG, raises)
        assert (lock.owned(), lock.inside) == (False, False)

    def test_that_it_is_kept_too_long_is_told_once_and_so_is_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [50.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        monkeypatch.setattr("ackstore.runtime.lock.STALLED", 0.01)
        told: list[object] = []
        lock = StoreLock(lambda event, seconds: told.append((event, seconds)))
        seen: list[object] = []

        def others() -> None:
            seen.append((lock.run(0.009, print), lock.stalled()))  # not long enough to say so
            seen.append((lock.run(0.01, print), lock.stalled()))
            now[0] += 3.0
            seen.append((lock.run(0.01, print), lock.stalled()))

        def holds() -> None:
            in_thread(others)
            assert lock.run(1.0, print) is False  # who has it does not find that it hangs

        lock.run(LONG, holds)
        assert seen == [(False, 0.0), (False, pytest.approx(0.01)), (False, pytest.approx(3.01))]
        assert told == [("stalled", 0.01)]
        now[0] += 4.0
        assert lock.run(LONG, lambda: "done") == "done"
        assert told[1:] == [("resumed", pytest.approx(7.01))]
        assert lock.stalled() == 0.0
        lock.run(LONG, print)
        assert len(told) == 2


class TestRefusals:
    def test_each_says_whose_fault_it_is_and_what_to_do(self) -> None:
        here, me = Path("acks"), os.getpid()
        forked = refusals.left_behind(here, 7)
        assert (type(forked), str(forked)) == (StoreForked, "the store at acks belongs to process 7, not to its child")
        found = [refusals.refusal(here, why, 7) for why in (forked, StoreClosed("why"), ValueError("why"), None)]
        broken = "the store at acks is broken: close it, and open it again"
        assert [(type(each), str(each)) for each in found] == [
            (
                StoreForked,
                f"the store at acks was opened by process 7, and this is process {me}, forked from it: ask that "
                "process, or open a store in another directory",
            ),
            (StoreClosed, "the store is closed: open it again"),
            (StoreBroken, broken),
            (StoreBroken, broken),
        ]

    def test_one_that_nobody_could_be_let_into_says_for_how_long(self) -> None:
        assert str(refusals.stalled(Path("acks"), 2.5)) == (
            "the store at acks has been in a write for 2.5 seconds, and nothing was done: see to the disk, and try "
            "again"
        )

    def test_a_store_s_own_frames_hold_nothing_any_more_and_its_callers_do(self) -> None:
        class Held:
            pass

        def function(module: str) -> Callable[[Callable[[], None]], None]:
            """A function of a module, whose frame holds something."""
            space = {"__name__": module, "Held": Held}
            exec("def calls(inner):\n    held = Held()\n    inner()\n", space)
            found: Callable[[Callable[[], None]], None] = space["calls"]  # type: ignore[assignment]
            return found

        def raises() -> None:
            raise ValueError

        with pytest.raises(ValueError) as caught:  # noqa: PT011 - of this test's own
            function("ackstore.runtime.driver")(lambda: function("ackstored")(raises))
        space = {"__name__": "ackstore.runtime.driver", "forget": refusals.forget_frames}
        exec("try:\n    raise ValueError\nexcept ValueError as error:\n    forget(error)\n", space)  # it is running
        refusals.forget_frames(None)
        refusals.forget_frames(ValueError())
        refusals.forget_frames(caught.value)
        holding, trace = {}, caught.value.__traceback__
        while trace:
            if "held" in trace.tb_frame.f_code.co_varnames:
                holding[trace.tb_frame.f_globals["__name__"]] = "held" in trace.tb_frame.f_locals
            trace = trace.tb_next
        assert holding == {"ackstore.runtime.driver": False, "ackstored": True}
