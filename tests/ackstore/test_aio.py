"""The store for asyncio: the same answers, and nothing that leaks when a coroutine is cancelled."""

import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, QueueUnknown, Reply, Store, aio
from children import said_in_child


def test_its_calls_are_those_of_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Store.open(tmp_path, Config(max_attempts=1)) as store:
            await store.publish("q", 5)
            first, second, third = await store.pop("q", 3)
            assert await store.ack(first.receipt) is Reply.OK
            assert await store.ack_many([first.receipt, second.receipt]) == [Reply.SETTLED, Reply.OK]
            assert await store.renew(third.receipt) is Reply.OK
            assert await store.release(third.receipt) is Reply.OK
            answer = await store.try_pop("q")
            assert answer.reply is Reply.OK
            assert await store.flush() is Reply.OK
            assert [letter.offset for letter in await store.dead("q")] == [2]
            assert (await store.stats()).healthy
            assert await store.reset("q", 0) is Reply.OK
            with pytest.raises(QueueUnknown):
                await store.pop("nobody")
            assert await store.degrade() is Reply.OK
            assert (await store.stats()).forced
            assert await store.restore() is Reply.OK
            assert not (await store.stats()).forced
            assert await store.snapshot(tmp_path / "copy") is Reply.OK

    asyncio.run(main())


CALLS = ["publish", "pop", "try_pop", "ack_many", "renew", "release", "reset", "dead"]
CALLS += ["flush", "snapshot", "degrade", "restore", "stats", "close"]
"""All but `ack`, whose callback it wraps."""


class Asked:
    """Stands for a store: notes what it is asked, as its own signature takes it, and answers with something new."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], object]] = []
        self.threads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def asked(*given: Any, **named: Any) -> object:
            found = inspect.signature(getattr(Store, name)).bind(None, *given, **named)
            found.apply_defaults()
            del found.arguments["self"]
            answer = object()
            self.calls.append((name, found.arguments, answer))
            self.threads.append(threading.current_thread().name)
            return answer

        return asked


@pytest.fixture
def asked() -> tuple[Asked, aio.Store]:
    found = Asked()
    store: Any = found
    return found, aio.Store(store)


@pytest.mark.parametrize("name", [*CALLS, "ack"])
@pytest.mark.parametrize("much", [True, False], ids=["all of them", "those that must be"])
def test_each_call_hands_on_what_it_is_given_and_back_what_it_gets(
    asked: tuple[Asked, aio.Store], name: str, much: bool
) -> None:
    """And where it is not given something, it means what the store itself does."""
    found, store = asked
    takes = list(inspect.signature(getattr(Store, name)).parameters.values())[1:]
    given: dict[str, Any] = {each.name: object() for each in takes if much or each.default is each.empty}
    if "receipts" in given:
        given["receipts"] = [object()]
    heard = given.pop("on_durable", None)

    async def main() -> object:
        return await getattr(store, name)(**given)

    answer = asyncio.run(main())
    meant = {each.name: given.get(each.name, each.default) for each in takes}
    ((called, got, gave),) = found.calls
    assert (called, got) == (name, meant)
    assert answer is (None if name == "publish" else gave)
    assert heard is None or much
    assert found.threads[0].startswith("ackstore-aio-close" if name == "close" else "ackstore-aio_")


def test_it_opens_in_a_thread_that_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list[str]()

    def opening(path: Path, config: Config | None) -> Store:
        names.append(threading.current_thread().name)
        return Store(path, config)

    async def main() -> None:
        monkeypatch.setattr("ackstore.store.Store", opening)
        await (await aio.Store.open(tmp_path)).close()

    asyncio.run(main())
    assert names == ["ackstore-aio-open_0"]


def test_it_does_as_many_calls_at_a_time_as_it_is_told(tmp_path: Path) -> None:
    """And closing waits for none of them."""

    async def main() -> None:
        store = await aio.Store.open(tmp_path, Config(max_attempts=7), threads=2)
        assert store.store.config.max_attempts == 7
        at_work, go_on = threading.Semaphore(0), threading.Event()

        def hangs() -> Reply:
            at_work.release()
            go_on.wait()
            return Reply.OK

        calls = [asyncio.create_task(store._call(hangs)) for _ in range(3)]
        for _ in range(2):
            await asyncio.to_thread(at_work.acquire)
        assert await store.close() is Reply.OK
        assert not at_work.acquire(blocking=False)  # the third waits for its turn
        go_on.set()
        assert await asyncio.gather(*calls) == [Reply.OK] * 3

    asyncio.run(main())


def test_what_was_cancelled_before_it_began_is_not_done(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Store.open(tmp_path, threads=1) as store:
            await store.publish("q", 2)
            at_work, go_on = threading.Event(), threading.Event()

            def hangs() -> None:
                at_work.set()
                go_on.wait()

            first = asyncio.create_task(store._call(hangs))
            await asyncio.to_thread(at_work.wait)
            second = asyncio.create_task(store.pop("q"))
            await asyncio.sleep(0)  # it is handed in
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            go_on.set()
            await first
            assert [(each.offset, each.attempt) for each in await store.pop("q", 2)] == [(0, 1), (1, 1)]

    asyncio.run(main())


def test_a_durable_callback_runs_in_the_loop_that_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Store.open(tmp_path) as store:
            await store.publish("q", 1)
            (delivery,) = await store.pop("q")
            heard = asyncio.get_running_loop().create_future()
            thread = threading.get_ident()
            await store.ack(delivery.receipt, lambda: heard.set_result(threading.get_ident()))
            assert await heard == thread

    asyncio.run(main())


def test_a_durable_callback_that_comes_after_the_loop_is_nobodys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> aio.Store:
        store = await aio.Store.open(tmp_path, Config(flush_interval=3600.0))
        await store.publish("q", 1)
        (delivery,) = await store.pop("q")
        await store.ack(delivery.receipt, lambda: None)
        return store

    store = asyncio.run(main()).store
    assert store.flush() is Reply.OK
    assert store.close() is Reply.OK
    assert store.stats().callbacks == 0
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []


def cancelled(tmp_path: Path, call: str, *given: Any) -> list[tuple[int, int]]:
    """Cancel a call while it is in the store; the deliveries of a pop after it, as (offset, attempt)."""
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    async def main() -> list[tuple[int, int]]:
        store = await aio.Store.open(tmp_path)
        await store.publish("q", 1)
        real = getattr(store.store, call)

        def slow(*given: Any) -> Any:
            begun.set()
            go_on.wait()
            try:
                return real(*given)
            finally:
                over.set()

        setattr(store.store, call, slow)
        task = asyncio.create_task(getattr(store, call)(*given))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.to_thread(over.wait)
        setattr(store.store, call, real)
        while not (found := await store.pop("q", 1, 600.0)):  # it is released by another thread, soon
            await asyncio.sleep(0.01)
        assert await store.close() is Reply.OK
        return [(each.offset, each.attempt) for each in found]

    return asyncio.run(main())


@pytest.mark.parametrize("call", ["pop", "try_pop"])
def test_what_a_cancelled_pop_was_handed_can_be_had_at_once(tmp_path: Path, call: str) -> None:
    assert cancelled(tmp_path, call, "q", 1, 600.0) == [(0, 2)]


def test_a_cancelled_open_leaves_the_directory_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(Store):
        def __init__(self, *given: Any) -> None:
            begun.set()
            go_on.wait()
            super().__init__(*given)

        def close(self, timeout: float = 10.0) -> Reply:
            try:
                return super().close(timeout)
            finally:
                closed.set()

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("ackstore.store.Store", Slow)
            task = asyncio.create_task(aio.Store.open(tmp_path))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await asyncio.to_thread(closed.wait)
        async with await aio.Store.open(tmp_path) as store:
            assert await store.flush() is Reply.OK

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_refused_at_once(tmp_path: Path) -> None:
    """The threads that its calls would run in are not there."""

    async def main() -> None:
        async with await aio.Store.open(tmp_path, threads=1) as store:
            await store.publish("q", 2)
            (delivery,) = await store.pop("q")

            def in_child() -> list[str]:
                return [
                    said_in_child(lambda: asyncio.run(asyncio.wait_for(store.ack(delivery.receipt), 20.0))),
                    said_in_child(lambda: asyncio.run(asyncio.wait_for(store.pop("q"), 20.0))),
                    said_in_child(lambda: asyncio.run(asyncio.wait_for(store.close(), 20.0))),
                ]

            acked, got, closed = await asyncio.to_thread(in_child)
            assert acked.startswith("StoreForked: ")
            assert got.startswith("StoreForked: ")
            assert closed == f"returned {Reply.UNKNOWN!r}"
            assert await store.ack(delivery.receipt) is Reply.OK

    asyncio.run(main())
