"""The store that clients open: threads, on real files. `ackstore.runtime.driver` is how it works.

Every call returns in time, whatever the disk does, but for one thing: a write to the page cache that hangs keeps the
thread that is in it. All others are answered: BUSY where they could not even be submitted, UNKNOWN where no outcome
came in time.

>>> import tempfile
>>> with Store(tempfile.mkdtemp()) as store:
...     store.publish("orders", 3)
...     first, second = store.pop("orders", 2)
...     store.ack(first.receipt), store.ack("no receipt"), store.flush()
(<Reply.OK: 'OK'>, <Reply.INVALID: 'INVALID'>, <Reply.OK: 'OK'>)
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, NoReturn, Self, cast

from ackstore.core.core import Core
from ackstore.core.effects import Answer
from ackstore.core.engine import Engine
from ackstore.core.operations import check_timeout
from ackstore.core.sharded import open_engine
from ackstore.fastpath import calls
from ackstore.fastpath.engines import paths_of
from ackstore.fastpath.path import FastPath
from ackstore.runtime import snapshots
from ackstore.runtime.driver import Driver
from ackstore.runtime.files import Disk, FileReader
from ackstore.runtime.lock import OwnedLock
from ackstore.runtime.pools import GRACE
from ackstore.words.config import Config
from ackstore.words.errors import StoreClosed
from ackstore.words.identity import Delivery, QueueId
from ackstore.words.replies import DeadLetter, Reply
from ackstore.words.requests import Ack, AckMany, Degrade, Flush, Pop, Publish, Release, Renew, Reset
from ackstore.words.stats import Stats

log = logging.getLogger("ackstore")

CLOSING = 10.0
"""Seconds that a store has for what is not FLUSHED when it is closed, unless it is told otherwise."""


class Store:
    """An open store. Every method may be called from any thread; use it as a context manager, or
    `close` it.

    A reply of BUSY says that nothing was submitted, and nothing is stored: the store is over a limit, its disk has been
    failing, or for the time allowed a write that hangs let nobody in.
    """

    driver_class: ClassVar[type[Driver]] = Driver
    """For tests: one that counts."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Config | None = None,
        *,
        disk: Disk | None = None,
        core_class: type[Core] = Core,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Open the store in the directory at `path`, or make a new one there.

        `disk`, `core_class` and `clock` are for tests: a disk that fails, a core that is wrong, a
        time of one's own (seconds, never going back).

        Raises a `DirectoryError` when the directory cannot be used, and a `LogError` when its files
        are not what a store left. Neither changes a file.
        """
        config = config or Config()

        def opens(reader: FileReader, now: float) -> tuple[Engine, tuple[FastPath, ...]]:
            engine = open_engine(config, reader, now, core_class)
            return engine, paths_of(engine)

        self._closed: Reply | None = None
        self._left = False
        """Its threads are told to end, and the directory is given back."""
        self._closing = OwnedLock()
        self._driver = self.driver_class(Path(path).absolute(), config)
        self._driver.start(disk, opens, clock)

    @property
    def path(self) -> Path:
        """The directory."""
        return self._driver.path

    @property
    def config(self) -> Config:
        """The settings."""
        return self._driver.config

    # What clients call

    def publish(self, queue: QueueId | str, end: int) -> None:
        """Tell that `queue` holds messages 0 to `end` - 1. Their bodies live elsewhere.

        Never lowers the end. Not kept: publish again after opening the store.
        Raises `QueueNameInvalid`, `CountOutOfRange`; `TooManyQueues` for a new one beyond `Config.max_queues`;
        `StoreStalled` when a write that hangs let nobody in for `Config.op_timeout` seconds.
        """
        if self._driver.call(Publish(queue, end)).reply is Reply.BUSY:
            raise self._driver.stalled()

    def pop(self, queue: QueueId | str, count: int = 1, invisible: float = 30.0) -> list[Delivery]:
        """Get up to `count` messages, which nobody else gets for `invisible` seconds.

        An empty list when there is nothing to hand out, and also when the store is busy or could
        not store that it handed something out: nobody has those messages then, or they come back.
        Raises `QueueUnknown`, `CountOutOfRange`, `DurationOutOfRange`.
        """
        return cast("list[Delivery]", list(self.try_pop(queue, count, invisible).value or ()))

    def try_pop(
        self,
        queue: QueueId | str,
        count: int = 1,
        invisible: float = 30.0,
        timeout: float | None = None,
    ) -> Answer:
        """Do as `pop`, with the reply that says why there is nothing: `Answer.reply`, `.value`."""
        return self._driver.call(Pop(queue, count, invisible), timeout)

    def ack(
        self,
        receipt: str,
        on_durable: Callable[[], None] | None = None,
        timeout: float | None = None,
        queue: QueueId | str | None = None,
    ) -> Reply:
        """Settle the delivery that `receipt` names.

        `on_durable` is called once, later, on another thread, if and when what settles the message is FLUSHED: this
        ack, or with a reply of SETTLED what was there before it. Beyond `Config.max_callbacks` that have not run to
        their end an ack with one more is BUSY.
        After `timeout` seconds (by default `Config.op_timeout`) the reply is UNKNOWN.
        With `queue`, a receipt of another queue is INVALID.
        """
        driver = self._driver
        if on_durable is None and timeout is None and queue is None:
            try:
                reply = calls.ack(driver, receipt)
            except BaseException as error:
                raise driver.broken_by(error) from error
            if reply is not None:
                return reply
        return driver.call(Ack(receipt, queue, on_durable is not None), timeout, on_durable).reply

    def ack_many(self, receipts: Iterable[str], timeout: float | None = None) -> list[Reply]:
        """Settle several deliveries; one reply for each receipt, in order."""
        driver = self._driver
        given = receipts if type(receipts) is list else list(receipts)
        if timeout is None:
            try:
                replies = calls.ack_many(driver, given)
            except BaseException as error:
                raise driver.broken_by(error) from error
            if replies is not None:
                return replies
        return cast("list[Reply]", list(driver.call(AckMany(given), timeout).value or ()))

    def renew(self, receipt: str, invisible: float = 30.0, timeout: float | None = None) -> Reply:
        """Give the delivery that `receipt` names `invisible` seconds from now; the receipt stays current.

        The reply is as for `ack`. Raises `DurationOutOfRange`.
        """
        return self._driver.call(Renew(receipt, invisible), timeout).reply

    def release(self, receipt: str, timeout: float | None = None) -> Reply:
        """Give a delivery back: somebody else can have the message at once. The attempt stays counted, and the reply
        is as for `ack`."""
        return self._driver.call(Release(receipt), timeout).reply

    def reset(self, queue: QueueId | str, offset: int, timeout: float | None = None) -> Reply:
        """Begin again at `offset`: messages below it are settled, the others as if never handed out; every receipt
        that was given for the queue is EXPIRED.

        OK once it is FLUSHED and the offset file on disk says so, in every mode: a reset sticks.
        Raises `QueueUnknown`, `CountOutOfRange`.
        """
        return self._driver.call(Reset(queue, offset), timeout).reply

    def dead(self, queue: QueueId | str) -> list[DeadLetter]:
        """Return the messages of `queue` that nobody settled in `Config.max_attempts` deliveries, the oldest first.

        Of more than `Config.max_dead` only the latest. Empty for a queue that is not known. Raises `StoreStalled` as
        `publish`.
        """
        return self._driver.dead_letters(queue if isinstance(queue, QueueId) else QueueId.parse(queue))

    def flush(self, timeout: float | None = None) -> Reply:
        """Wait until everything submitted before is FLUSHED: OK, or UNKNOWN after `timeout`; BUSY when not even the
        wait could begin in that time. Only OK promises anything."""
        return self._driver.call(Flush(), timeout).reply

    def degrade(self) -> Reply:
        """Have every answer wait until it is FLUSHED, as in mode sync, until `restore`: for a disk, or a machine, that
        is about to be worked at. OK, or BUSY as for every call. It is not kept: a store that is opened again answers as
        configured."""
        return self._driver.call(Degrade(forced=True)).reply

    def restore(self) -> Reply:
        """End what `degrade` began: answer as configured, as long as the disk does not fail. OK or BUSY."""
        return self._driver.call(Degrade(forced=False)).reply

    def stats(self, *, count: bool = True) -> Stats:
        """Return what there is to see, at one instant; also of a closed or broken store.

        The messages of a queue are counted by state, and meanwhile the store waits: about a tenth of a second for a
        million messages in hand. Without `count` those figures are None, and it takes no longer for more messages.

        Returns within about a second. While a write hangs nobody can look into the store: then it is what was seen
        last, with `Stats.stalled` saying for how long the write hangs, and `Stats.age` how old the figures are.
        """
        return self._driver.stats(count=count)

    def snapshot(self, path: str | os.PathLike[str], timeout: float | None = None) -> Reply:
        """Make a consistent copy of the store as a new directory at `path`, durable, while clients go on.

        It holds all that was submitted before, as of one instant, and is there whole or not at all. The reply is that
        of a flush, which comes first: nothing is copied where it is not OK. Copying takes as long as it takes, and
        needs the room. Opened, the copy gives receipts that this store takes for EXPIRED or INVALID, and the other
        way round, but for those that were given before: what was in hand then is in hand in both.
        Raises `DirectoryNotEmpty` and other `DirectoryError`, and `StoreStalled` as `publish`.
        """
        driver, target = self._driver, Path(path).absolute()
        reply = self.flush(timeout)
        if reply is not Reply.OK:
            return reply
        found: list[snapshots.Opened] = []
        try:
            if driver.lock.run(driver.config.op_timeout, self._open_all, found) is False:
                raise driver.stalled()
            snapshots.write(found, target, driver.clock())
        finally:
            snapshots.close(found)
        return reply

    def _open_all(self, found: list[snapshots.Opened]) -> None:
        """Open the files for a copy, as long as they are this store's: nobody else has the directory meanwhile. (The
        lock is held.)"""
        self._driver.check()
        if self._driver.core.closing is not None:
            raise StoreClosed("the store is closed: open it again")
        snapshots.open_all(self.path, found)

    def close(self, timeout: float = CLOSING) -> Reply:
        """Refuse new operations, make everything durable, and let go of the directory.

        OK when all was FLUSHED and the offsets written; UNKNOWN when that took longer than
        `timeout` seconds, or the store is broken: operations without an outcome end as UNKNOWN
        then. Closing again returns the same.

        Returns within `timeout` and a few seconds more for threads to end. A write that still hangs then keeps the
        directory locked until it returns. In a forked child it is UNKNOWN, and nothing is done.
        """
        check_timeout(timeout)
        if self._driver.left_behind:
            return Reply.UNKNOWN
        # Unless another thread is closing it, and has more time; or this one is, and a signal handler calls.
        return self._closing.run(timeout, self._close, timeout) or Reply.UNKNOWN

    def _close(self, timeout: float) -> Reply:
        """Close, or end a close that an exception has come into. (The lock of closing is held.)"""
        if self._closed is None:
            self._closed = self._driver.drain(timeout)
        if not self._left:
            self._driver.let_go()
            self._left = True
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close; as nobody hears the reply, it is logged where it is not OK."""
        reply = self.close()
        if reply is not Reply.OK and not self._driver.left_behind:
            text = "%s: closing was answered %s: what was not FLUSHED by then survives a crash of the process only"
            log.warning(text, self.path, reply.name, extra={**self._driver.fields("unclean"), "reply": reply.name})

    def __del__(self) -> None:
        """Close a store that nobody has any more, as where an exception comes in the last moment of opening it. Else
        its directory would be in use for as long as the process lives. Waits no longer than for a moment."""
        driver: Driver | None = getattr(self, "_driver", None)
        if driver is None or not driver.started or self._left or driver.left_behind or sys.is_finalizing():
            return
        leaving = threading.Thread(target=_leave, args=(driver,), name="ackstore-unclosed", daemon=True)
        leaving.start()
        leaving.join(GRACE)
        warnings.warn(f"the store at {driver.path} was not closed", ResourceWarning, stacklevel=1, source=self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the store at {self.path} cannot be sent to another process: send receipts, and have the process that "
            "opened it ack them"
        )


def _leave(driver: Driver) -> None:
    """Close what is behind a store."""
    driver.drain(CLOSING)
    driver.let_go()
