"""The soak as a campaign: lives of one store, one after the other, each ended by a close, a crash or a power loss.

While a life lasts, the faults of the disk change, the store is looked at, and this process's memory is sampled. When
it has ended, the store is opened again, every deadline passes, and every queue is popped until it is empty: what must
come back comes, and what was promised to stay away does (`acklab.soak.survey`). At the end everything is settled, and
nothing may be left. Once, in the middle, the disk is dead for a while (`acklab.soak.dead`).

Every other life is on a disk that has faults in its syncs only, and that the store writes to as to any real one:
there acks take the fast path as it is meant to be taken (`acklab.soak.plaindisk`).

A *process crash* is played: from one moment on nothing that the store asks for reaches the directory any more, while
its clients go on calling; it is opened again on what is there. A *power loss* takes away in addition what no sync
covered.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from attrs import define, field

from ackcheck.findings import Finding, GradeReport
from ackcheck.history import Line
from ackcheck.needs import NEEDS
from acklab.soak.clients import QUEUES, Client, Clock, Common
from acklab.soak.dead import BEGINS, SHARE, SHORTEST, DeadDisk
from acklab.soak.disk import FaultyDisk
from acklab.soak.injection import NO_FAULTS, Faults
from acklab.soak.memory import ALLOWED, LONG_ENOUGH, MIB, Samples, descriptors
from acklab.soak.plaindisk import PlainDisk
from acklab.soak.settings import LIMIT, LIMIT_BYTES, SPILL, SPILL_BYTES, config_of
from acklab.soak.survey import Survey, answered
from acklab.soak.watch import Watch
from ackmodel import Clause, ContractBroken, Level
from ackmodel.observe import monitors
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Event, PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.options import OracleOptions
from ackmodel.observe.oracle import Oracle
from ackmodel.observe.survey import settle_everything
from ackstore import Config, LogError, QueueId, Store
from ackstore import Reply as StoreReply
from ackstore.core.core import Core
from ackstore.core.effects import Answer
from ackstore.runtime.driver import Driver
from ackstore.words.requests import Ack, AckMany, Request

THREADS = 24

Stop = ProcessCrashed | PowerLost | Restarted

HANGS = 15.0
"""Seconds after which a call that has not been answered never will be: `op_timeout` and much more."""

DISKS: tuple[type[FaultyDisk] | type[PlainDisk], ...] = (PlainDisk, FaultyDisk)

STOPS = ("clean restart", "process crash", "power loss")

LOOK_EVERY = 0.1
"""Seconds between two looks at the store, and two samples of memory."""


def run_soak(
    level: Level,
    *,
    seed: int,
    seconds: float,
    threads: int = THREADS,
    core_class: type[Core] = Core,
    allowed: int = ALLOWED,
    memory_after: float = LONG_ENOUGH,
    progress: Callable[[GradeReport], None] = lambda _: None,
) -> GradeReport:
    """Soak the reference store, or a variant of it, for about that many seconds; stop at the first finding.

    `allowed` bounds the growth of resident memory, in bytes; a soak of less than `memory_after` seconds is not judged
    by it. The seed chooses the traffic, the faults and the stops, but not how the machine interleaves the threads.
    """
    with _quiet(), tempfile.TemporaryDirectory(prefix="ackcheck-soak-") as folder:
        soak = Soak(level, seed, Path(folder), config_of(level, seed), threads, core_class, progress)
        soak.samples.least = memory_after
        return soak.run(seconds, allowed)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the store from telling of every fault that is made here."""
    log = logging.getLogger("ackstore")
    before, nobody = log.propagate, logging.NullHandler()
    log.propagate = False
    log.addHandler(nobody)
    try:
        yield
    finally:
        log.propagate = before
        log.removeHandler(nobody)


class WatchedDriver(Driver):
    """Counts the acks, single ones and batches, that took the fast path."""

    fast: Counter[int]
    """By thread."""

    def call(
        self, request: Request, timeout: float | None = None, on_durable: Callable[[], None] | None = None
    ) -> Answer:
        """Do as `Driver.call`."""
        if timeout is None and (isinstance(request, AckMany) or _is_plain(request)):
            self.count(-1)  # the fast path has left it to the long way
        return super().call(request, timeout, on_durable)

    def count(self, more: int) -> None:
        """Note acks that seem to take it, or that turn out not to."""
        self.fast[threading.get_ident()] += more


def _is_plain(request: Request) -> bool:
    return isinstance(request, Ack) and request.queue is None and not request.durable


class WatchedStore(Store):
    """Counts the acks, single ones and batches, that took the fast path."""

    driver_class = WatchedDriver

    def watch(self, fast: Counter[int]) -> None:
        """Count in here."""
        assert isinstance(self._driver, WatchedDriver)
        self._driver.fast, self._count = fast, self._driver.count

    def ack(
        self,
        receipt: str,
        on_durable: Callable[[], None] | None = None,
        timeout: float | None = None,
        queue: QueueId | str | None = None,
    ) -> StoreReply:
        """Do as `Store.ack`."""
        self._count(on_durable is None and timeout is None and queue is None)
        return super().ack(receipt, on_durable, timeout, queue)

    def ack_many(self, receipts: Iterable[str], timeout: float | None = None) -> list[StoreReply]:
        """Do as `Store.ack_many`."""
        self._count(timeout is None)
        return super().ack_many(receipts, timeout)


@define(eq=False)
class Soak:
    """One store's lives in one directory."""

    level: Level
    seed: int
    folder: Path
    config: Config
    threads: int
    core_class: type[Core]
    progress: Callable[[GradeReport], None]
    report: GradeReport = field(init=False)
    random: Random = field(init=False)
    common: Common = field(init=False)
    disk: FaultyDisk | PlainDisk = field(init=False)
    clients: list[Client] = field(init=False)
    samples: Samples = field(factory=Samples)
    watch: Watch = field(factory=lambda: Watch(2 * LOOK_EVERY))
    ran: Counter[str] = field(factory=Counter)
    broken: Broken | None = None
    _fast: Counter[int] = field(factory=Counter)
    _began: float = field(factory=time.monotonic)
    _lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self.report = GradeReport("soak", self.seed, cases=1, lacks=set(NEEDS) - {"renew", "release", "reset", "dead"})
        self.random = Random(self.seed)
        self.ran[f"commit policy: {self.config.commit}"] += 1
        oracle = Oracle(self.level, self.config.max_attempts, OracleOptions(forget=True, locking=True))
        self.common = Common(oracle, Clock(), self._fail)
        self.clients = [Client(number, self.common, Random(f"{self.seed}/{number}")) for number in range(self.threads)]

    def run(self, seconds: float, allowed: int) -> GradeReport:
        """Live until the time is over, or something breaks."""
        try:
            self._open(None)
            for client in self.clients:
                client.start()
            before = self._at_work()
            dead = DeadDisk(self, allowed)
            dying = SHARE * seconds
            while self.broken is None and (dying or self._passed() < seconds):
                self._live(min(self.random.uniform(1.0, 10.0), max(0.3, seconds / 5)))
                if dying and self._passed() >= BEGINS * seconds:
                    dead.last(max(SHORTEST, dying))
                    dying = 0.0
                self._stop_and_reopen(self.random.choice(STOPS))
            self._check_memory(allowed)
            self._settle_everything()
            self._check_given_back(before)
        except Broken as broken:
            self._fail(broken)
        finally:
            self._end()
        return self.report

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _fail(self, broken: Broken) -> None:
        with self._lock:
            self.broken = self.broken or broken

    # --- a life, from opening to stopping ---------------------------------------------------------------------------

    def _open(self, event: Stop | None) -> None:
        self.disk = DISKS[self.ran["open"] % len(DISKS)](self.folder, Random(self.random.random()))
        try:
            store = WatchedStore(
                self.folder, self.config, disk=self.disk, core_class=self.core_class, clock=self.common.clock
            )
        except LogError as error:
            assert event is not None, "a new directory holds nothing that could be damaged"
            raise self.common.oracle.cannot_open(event, error) from error
        store.watch(self._fast)
        self.common.store = store
        self.ran["open"] += 1
        self.ran[f"open: on a {type(self.disk).__name__}"] += 1
        for name in QUEUES:
            end = self.common.ended.setdefault(name, 20)
            self.common.oracle.published(name, end)
            store.publish(name, end)
        self.look()

    def _live(self, seconds: float) -> None:
        """Let the clients work for so long, while the faults change."""
        until = self._passed() + seconds
        change = 0.0
        self.let_go()
        while self.broken is None and self._passed() < until:
            if self._passed() >= change:
                self.set_faults(NO_FAULTS if self.random.random() < 0.5 else self.random.choice(self.disk.may_have))
                change = self._passed() + self.random.uniform(0.1, 1.0)
            time.sleep(LOOK_EVERY)
            self.samples.measure(self._passed())
            self.look()
            self.check_hanging()
            self.tell()

    @property
    def patience(self) -> float:
        """Seconds after which what has not come never will."""
        return HANGS

    def set_faults(self, faults: Faults) -> None:
        self.disk.injector.faults = faults
        self.ran[f"faults: {faults.name}"] += 1
        if faults is not NO_FAULTS:
            self.common.oracle.disk_failed()

    def _stop_and_reopen(self, stop: str) -> None:
        """End this life, and begin the next, with everything in it that must be."""
        if self.broken is not None:
            return
        self.ran[stop] += 1
        event: Stop
        if stop == "clean restart":
            self.set_faults(NO_FAULTS)
            reply = answered("close", lambda: self.common.store.close(timeout=HANGS), 2 * HANGS)
            self.halt()
            event = Restarted() if reply.value == "OK" else ProcessCrashed()
            self.common.oracle.closed(Reply(reply.value), self.common.store.stats().unflushed_records)
        else:
            self.disk.cut()
            self.halt()
            self.common.store.close(timeout=0.2)
            event = ProcessCrashed() if stop == "process crash" else PowerLost()
            if stop == "power loss":
                self.disk.lose_power()
        self.ran.update(self.disk.injector.occurred)
        self.common.oracle.stopped(event)
        self._open(event)
        self._survey()

    def _survey(self) -> None:
        survey = Survey(self.common, HANGS)
        survey.run()
        self.ran["survey"] += 1
        self.ran["dead letters"] = survey.dead

    # --- threads ----------------------------------------------------------------------------------------------------

    def let_go(self) -> None:
        with self.common.resting:
            self.common.halt = False
            self.common.resting.notify_all()

    def halt(self) -> None:
        """Have every client come to rest; `Broken` where one does not."""
        common = self.common
        common.halt = True
        with common.resting:
            while not common.resting.wait_for(lambda: common.at_rest == self.threads or self.broken, LOOK_EVERY):
                self.check_hanging()
        if self.broken is not None:
            raise self.broken

    def check_hanging(self, most: float | None = None) -> None:
        """Check that no call has been under way for longer than `most` seconds; `HANGS` by default."""
        for number, waited in self.watch.waited(time.monotonic(), [client.since for client in self.clients]):
            if waited > (HANGS if most is None else most):
                doing = self.clients[number].doing
                raise Broken(Clause.REPLY_EXACTLY_ONCE, f"{doing} has had no answer for {waited:.0f} s")
        self.common.oracle.check(Clause.REPLY_EXACTLY_ONCE, None)

    def _at_work(self) -> tuple[int, int]:
        return threading.active_count(), descriptors()

    def _end(self) -> None:
        """Let the threads end, and say what was found."""
        self.common.over = True
        with self.common.resting:
            self.common.resting.notify_all()
        self.disk.cut()
        self.common.store.close(timeout=0.2)
        for client in self.clients:
            if client.ident is not None:
                client.join(1.0)
        self.tell()
        self.report.checked.update(self.common.oracle.checked)
        if self.broken is not None:
            self.report.found(finding_of(self.broken, self.seed, self.common.oracle))

    def tell(self) -> None:
        report = self.report
        report.seconds = self._passed()
        ran: Counter[str] = Counter(self.ran)
        for client in self.clients:
            ran.update(client.ran.copy())
            ran.update({f"answered {reply}": count for reply, count in client.replies.copy().items()})
        ran["ack, the fast path"] = sum(self._fast.copy().values())
        report.ran = ran
        report.operations = sum(sum(client.ran.copy().values()) for client in self.clients)
        self.progress(report)

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Have the store show itself, and judge what it shows."""
        oracle, by_ack = self.common.oracle, self.config.commit == "ack"
        with self.common.untouched() as names:
            stats = self.common.store.stats(count=False)
            for queue, seen in stats.queues.items():
                if str(queue) in names:
                    now = Sighting(seen.committed, seen.persisted)
                    oracle.saw_offset(str(queue), now, () if by_ack else None, seen.floor)
        unflushed = {"unflushed_records": stats.unflushed_records, "unflushed_bytes": stats.unflushed_bytes}
        limits = {"unflushed_records": LIMIT + SPILL, "unflushed_bytes": LIMIT_BYTES + SPILL_BYTES}
        oracle.saw_memory(unflushed, limits)
        self.ran["look"] += 1

    def _check_memory(self, allowed: int) -> None:
        """Check that resident memory stays flat after the warm-up."""
        sizes, growth = self.samples.judged(), self.samples.growth()
        if sizes:
            self.report.figures["MiB resident"] = round(sizes[-1] / MIB, 1)
        if growth is None:
            return
        self.report.figures["MiB grown after the warm-up"] = round(growth / MIB, 2)
        over = f"resident memory grew by {growth / MIB:.1f} MiB, of {allowed / MIB:g} that count as flat"
        self.common.oracle.check(Clause.MEMORY_IS_BOUNDED, over if growth > allowed else None)

    def _settle_everything(self) -> None:
        """Ack whatever there is, and flush: then nothing is outstanding, and every offset is at its end."""
        if self.broken is None:
            settle_everything(Survey(self.common, HANGS))

    def settle_down(self) -> None:
        """Wait until nothing is outstanding: soon, with no call under way and a disk that works."""
        self.common.oracle.saw_quiescence(Survey(self.common, HANGS).at_rest().outstanding)

    def _check_given_back(self, before: tuple[int, int]) -> None:
        """Check that after all those lives there are no more threads, and no more open files, than in the first."""
        if self.broken is not None:
            return
        threads, files = self._at_work()
        left = {"threads": max(0, threads - before[0] - SPARE), "descriptors": max(0, files - before[1] - SPARE)}
        self.common.oracle.check(Clause.QUIESCENCE_IS_ZERO, monitors.quiescence_is_zero(left))


SPARE = 8
"""Threads and files that one open store may have more at one time than at another."""


def finding_of(broken: Broken, seed: int, oracle: Oracle) -> Finding:
    """Return the finding, with all that was observed of the message, if it was about one."""
    cause = broken.__cause__
    observed: Sequence[Event] = ()
    if isinstance(cause, ContractBroken):
        observed = (*cause.history, cause.event)
    elif broken.key is not None:
        observed = oracle.contract(broken.key).history
    lines = tuple(Line(step, "client", repr(event)) for step, event in enumerate(observed, 1))
    return Finding(broken.clause, broken.why, "soak", seed, lines)
