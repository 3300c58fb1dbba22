"""A store with several logs: which queue is in which, and what concerns more than one of them.

Each log has a `Core` of its own, with its own files, flush cycles, offsets and failures, and whatever concerns a queue
is in one of them. So nothing is said of one log by another, and no clause needs a word about several, but for what a
client asks of several at once:

- A **flush** is answered OK once every log has answered OK.
- A **batch** of acks is taken apart by log, and answered once each part is, item by item.
- A **close** closes every log. One that cannot be flushed ends when the time is up; the others do not wait for it.

All have their files in one directory, the entries of which are synced for all together (see `ackstore.core.directory`).

`open_engine` makes the engine of what a directory holds: of a store with one log, it is the `Core` itself.

>>> class Nothing:
...     def names(self): return []
...     def read(self, name): raise AssertionError(name)
>>> one = open_engine(Config(), Nothing(), now=0.0)
>>> four = open_engine(Config(logs=4), Nothing(), now=0.0)
>>> [effect.file for _io, effect in one.take_effects() + four.take_effects()[:2]]
['log-00000001.seg', 'log-1of4-00000001.seg', 'log-2of4-00000001.seg']
>>> from ackstore.format.recovery import Recovered
>>> one, other = (Core(Config(logs=2).share(log), Recovered(), now=0.0) for log in (1, 2))
>>> Sharded(Config(logs=2), [one, other], now=0.0).core_of("a receipt@orders/billing/0") is other
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ackstore.core.core import Core
from ackstore.core.directory import Directory
from ackstore.core.effects import Answer, Effect, Handler, Result
from ackstore.core.engine import Engine
from ackstore.core.publishing import check_room
from ackstore.core.queues import Queue
from ackstore.fields.classes import CoreFields
from ackstore.format.recovery import Reader, recover
from ackstore.words.config import Config
from ackstore.words.errors import CountOutOfRange
from ackstore.words.identity import QueueId
from ackstore.words.placement import log_of
from ackstore.words.replies import DeadLetter, Reply, Stage
from ackstore.words.requests import Ack, AckMany, Close, Degrade, Flush, Publish, Release, Renew, Request
from ackstore.words.stats import Stats
from ackstore.words.totals import summed


class Gathered:
    """An operation that several logs have a part in."""

    __slots__ = ("items", "left", "op", "replies", "reply")

    def __init__(self, op: int, left: int) -> None:
        self.op = op
        self.left = left
        """Parts without an answer."""
        self.reply = Reply.OK
        self.items: Mapping[int, Sequence[int]] | None = None
        """Of a batch: which items each log has, by log."""
        self.replies: list[Reply] = []
        """Of a batch: the replies, item by item."""


class Sharded(CoreFields):
    """The engine of a store with several logs; see `ackstore.core.engine.Engine`."""

    def __init__(self, config: Config, cores: Sequence[Core], now: float) -> None:
        self.config = config
        self.cores = cores
        self.now = now
        self.pools = len(cores) + 1
        """One for each log, and the last for the directory."""
        self.effects: list[tuple[int, Effect]] = []
        self.gathering: dict[int, Gathered] = {}
        """Operations that several logs have a part in, and that have no answer yet."""
        self.closing: Gathered | None = None
        self.surplus: Counter[Reply] = Counter()
        """Answers that logs gave to parts of an operation that counts as one."""
        self._syncs: dict[int, Handler] = {}
        """Syncs of the directory without a result."""
        self._io = 0
        directory = Directory(self, config.flush_threads)
        for core in cores:
            core.share(directory)
        self.collect()

    # What the driver calls

    def submit(self, op: int, request: Request, now: float, timeout: float | None = None) -> None:
        """Do as `Core.submit`."""
        self.now = now
        if isinstance(request, Flush | Degrade | Close):
            for core in self.cores:
                core.submit(op, request, now, timeout)
            gathered = self.gathering[op] = Gathered(op, len(self.cores))
            if isinstance(request, Close):
                self.closing = gathered
        elif isinstance(request, AckMany):
            self._submit_many(op, request, now, timeout)
        else:
            core = self._core_for(request)
            if isinstance(request, Publish) and request.queue.token not in core.queues:
                check_room(request.queue, sum(len(each.queues) for each in self.cores), self.config)
            core.submit(op, request, now, timeout)
        self.collect()

    def complete(self, io: int, result: Result, now: float) -> None:
        """Do as `Core.complete`."""
        self.now = now
        number, log = divmod(io, self.pools)
        if log < len(self.cores):
            self.cores[log].complete(number, result, now)
        else:
            then = self._syncs.pop(number, None)
            if then is not None and not self.closed:
                then(result, now)
                for core in self.cores:
                    core.tick(now)  # any of them may have waited for it
        self.collect()

    def give_up(self, op: int) -> None:
        """Do as `Core.give_up`, in every log."""
        for core in self.cores:
            core.give_up(op)
        self.collect()

    def tick(self, now: float) -> None:
        """Do as `Core.tick`."""
        self.now = now
        pressed = any(core.flusher.short for core in self.cores)
        for core in self.cores:
            core.compaction.pressed = pressed
            core.tick(now)
        self.collect()

    def next_tick(self) -> float | None:
        """Do as `Core.next_tick`."""
        return min((due for core in self.cores if (due := core.next_tick()) is not None), default=None)

    def take_effects(self) -> list[tuple[int, Effect]]:
        """Do as `Core.take_effects`."""
        effects = self.effects.copy()
        self.effects.clear()
        return effects

    def stage(self, receipt: str) -> Stage | None:
        """Do as `Core.stage`."""
        return self.core_of(receipt).stage(receipt)

    def dead_letters(self, queue: QueueId) -> tuple[DeadLetter, ...]:
        """Do as `Core.dead_letters`."""
        return self.cores[log_of(queue.token, len(self.cores))].dead_letters(queue)

    @property
    def queues(self) -> Mapping[str, Queue]:
        """All queues, by token."""
        return {token: queue for core in self.cores for token, queue in core.queues.items()}

    @property
    def closed(self) -> bool:
        """Whether nothing happens any more."""
        return all(core.closed for core in self.cores)

    def stats(self, *, count: bool = True) -> Stats:
        """Do as `Core.stats`, of all logs together and of each."""
        for core in self.cores:
            core.now = self.now
        parts = [core.stats(count=count) for core in self.cores]
        shared = sum(op in core.operations.live for core in self.cores for op in self.gathering)
        operations = sum(part.operations for part in parts) - shared + len(self.gathering)
        return summed(parts, operations=operations, effects=len(self._syncs), surplus=self.surplus)

    def log_of(self, receipt: Any) -> int:
        """See `Engine.log_of`."""
        token = receipt.partition("@")[2] if type(receipt) is str else ""
        return log_of(token, len(self.cores))

    def core_of(self, receipt: Any) -> Core:
        """Return the core of that log."""
        return self.cores[self.log_of(receipt)]

    def _core_for(self, request: Request) -> Core:
        if isinstance(request, Ack | Renew | Release):
            return self.core_of(request.receipt)
        assert not isinstance(request, AckMany | Flush | Degrade | Close)
        return self.cores[log_of(request.queue.token, len(self.cores))]

    def _submit_many(self, op: int, request: AckMany, now: float, timeout: float | None) -> None:
        """Give each log its part of a batch."""
        receipts = request.receipts
        most = self.config.max_batch
        if len(receipts) > most:
            raise CountOutOfRange(f"cannot ack {len(receipts)} receipts at once: give up to {most}")
        items: dict[int, list[int]] = {}
        for item, receipt in enumerate(receipts):
            items.setdefault(self.log_of(receipt), []).append(item)
        if len(items) < 2:
            self.cores[next(iter(items), 0)].submit(op, request, now, timeout)
            return
        for log, part in items.items():
            self.cores[log].submit(op, AckMany(receipts[item] for item in part), now, timeout)
        gathered = self.gathering[op] = Gathered(op, len(items))
        gathered.items = items
        gathered.replies = [Reply.UNKNOWN] * len(receipts)

    # What comes of it

    def collect(self) -> None:
        """Take up the effects of all cores."""
        for log, core in enumerate(self.cores):
            if core.effects:
                for io, effect in core.effects:
                    if io:
                        self.effects.append((io * self.pools + log, effect))
                    elif isinstance(effect, Answer) and effect.op in self.gathering:
                        self.gather(log, effect)
                    else:
                        self.effects.append((0, effect))
                core.effects.clear()

    def gather(self, log: int, answer: Answer) -> None:
        """Take one log's answer to its part of an operation; the last one ends it."""
        gathered = self.gathering[answer.op]
        if answer.reply is not Reply.OK:
            gathered.reply = answer.reply
        if gathered.items is None:
            self.surplus[answer.reply] += 1
        else:
            for item, reply in zip(gathered.items[log], answer.value or (), strict=True):
                assert isinstance(reply, Reply)
                gathered.replies[item] = reply
        gathered.left -= 1
        if not gathered.left:
            self.end(gathered)

    def end(self, gathered: Gathered) -> None:
        """Answer an operation that several logs had a part in."""
        del self.gathering[gathered.op]
        if gathered.items is None:
            self.surplus[gathered.reply] -= 1
        value = tuple(gathered.replies) if gathered.items is not None else None
        self.effects.append((0, Answer(gathered.op, gathered.reply, value)))

    # The directory's host

    def request(self, effect: Effect, then: Handler) -> int:
        """Have the directory synced; `then` gets the result and the time."""
        self._io += 1
        self._syncs[self._io] = then
        io = self._io * self.pools + len(self.cores)
        self.effects.append((io, effect))
        return io

    def directory_failed(self, now: float) -> None:
        """Note that a sync of the directory failed: no entry of any log is certain that none has covered."""
        for core in self.cores:
            if not core.closed:
                core.directory_failed(now)


def open_engine(config: Config, reader: Reader, now: float, core_class: type[Core] = Core) -> Engine:
    """Take up what a directory holds; raises what `ackstore.format.recovery.recover` and `ackstore.core.replay.replay`
    raise.

    A variant, `core_class`, may say what is to hold its cores.
    """
    if config.logs == 1:
        return core_class(config, recover(config, reader), now)
    cores = [core_class(config.share(log), recover(config, reader, log), now) for log in range(1, config.logs + 1)]
    sharded: type[Sharded] = core_class.sharded_class or Sharded
    return sharded(config, cores, now)
