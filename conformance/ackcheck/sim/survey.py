"""The questions to a store on a disk that works: does it come to rest, does what must come come, does it close?

>>> from acklab.reference.stepped import Reference
>>> from ackmodel import Level
>>> from ackcheck.sim.simulation import Simulation
>>> run = Simulation(Reference, (Level.PAGE_CACHE,))
>>> run._survey()
>>> len(run.given), run.asked
(12, {})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ackcheck.history import History
from ackcheck.panel import Panel
from ackcheck.sim.devices import LONG, MESSAGES, OK, QUEUES, Asked, Pending
from ackcheck.sim.disk import Disk
from ackcheck.sim.target import Extended, SteppedTarget
from ackmodel import Clause
from ackmodel.observe.broken import Broken, Key
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered
from ackmodel.observe.survey import AtRest, DeadLetters, Popping, survey

PATIENCE = 400
"""Rounds of finishing everything and waiting for the next timer, after which a store is said not to come to rest."""

IDLE = 1.0
"""Seconds without a request after which nothing may be unflushed, on a disk that has not failed meanwhile."""

LONGEST_PAUSE = 60.0
"""Seconds that a store may pause after failed syncs, before it tries again by itself."""

MOST_TO_CLOSE = 120.0
"""Seconds in which a close is answered, whatever the disk does."""


class Surveyor:
    """What asks a target these questions, and tells the oracle the answers; the calls are a `Host`'s."""

    __slots__ = ()

    panel: Panel
    target: SteppedTarget
    history: History
    disk: Disk
    pending: list[Pending]
    now: float
    _failed_at: float | None

    asked: dict[int, Asked]
    given: list[Delivered]
    ends: dict[str, int]
    _first: dict[str, int]
    _where: dict[str, Key]
    _replies: dict[int, Reply]
    _latest: float
    look: Callable[[], None]
    can: Callable[[str], bool]
    _heal: Callable[..., None]
    _take: Callable[[], None]
    _wait: Callable[[float], None]
    _finish: Callable[..., None]
    _ask: Callable[[Asked, str], int]
    _is_busy: Callable[..., bool]
    _pop: Callable[..., int]
    _ack: Callable[[list[str]], int]
    _flush: Callable[[], int]

    @property
    def extended(self) -> Extended:
        """The target, when it has the method that is asked for."""
        raise NotImplementedError

    @property
    def _lateness(self) -> float:
        """By how many seconds the next timer may run late."""
        raise NotImplementedError

    @property
    def ready(self) -> list[Pending]:
        """What is pending and does not hang."""
        raise NotImplementedError

    def rest(self, idle: float = 1.0) -> None:
        """Let a working disk finish everything, until the store has been idle for a while; then all is flushed.

        After a failed sync it may pause before the next, and is given time for that; but no request.
        """
        self._finish_everything(idle)
        unflushed = self.target.look([]).unflushed
        until = self.now + LONGEST_PAUSE
        while unflushed and self._failed_at is not None and self.now < until:
            self._wait(self.now + idle)
            self._finish_everything(idle)
            unflushed = self.target.look([]).unflushed
        if unflushed is not None:
            self.panel.each(lambda oracle: oracle.saw_idle(unflushed, idle=idle, interval=idle / 2))

    def _finish_everything(self, idle: float = 1.0) -> None:
        """Let I/O succeed and timers run until nothing has come of it for a while."""
        until = self.now + idle
        for _ in range(PATIENCE):
            while ready := self.ready:
                self._finish(ready[0], OK)
                until = self.now + idle
            tick = self.target.next_tick()
            if tick is None or tick > until:
                break
            self._wait(min(max(tick, self.now) + self._lateness, until))
        else:
            self.panel.broke(Broken(Clause.QUIESCENCE_IS_ZERO, f"the store did not come to rest in {PATIENCE} rounds"))

    def _idle(self, seconds: float) -> None:
        """Let time pass in which nobody asks for anything, and the disk does what it is asked to, if it works."""
        wrote, until = self.now, self.now + seconds
        for _ in range(PATIENCE):
            while ready := self.ready:
                wrote = wrote if ready[0].io.syncs else self.now
                self._finish(ready[0], OK)
            tick = self.target.next_tick()
            if tick is None or tick > until:
                break
            self._wait(min(max(tick, self.now) + self._lateness, until))
        self._wait(until)
        unflushed = self.target.look([]).unflushed
        idle = self.now - max(wrote, self._failed_at or 0.0)
        if idle >= IDLE and unflushed is not None and not self.pending:
            self.panel.each(lambda oracle: oracle.saw_idle(unflushed, idle=idle, interval=IDLE / 2))

    def _survey(self) -> None:
        self._heal()
        self.rest()
        self._wait_working(max(self._latest, self.now) + 1.0)
        survey(self)

    def _drain(self, queue: str) -> None:
        """Pop a queue until nothing comes, while no time passes; not judged where the store refuses, or takes time."""
        began = len(self.given)
        self._wait(self.now)
        while ready := self.ready:
            self._finish(ready[0], OK)
        for _ in range(PATIENCE):
            before = len(self.given)
            op = self._pop(queue, MESSAGES, LONG)
            while ready := self.ready:
                self._finish(ready[0], OK)
            if self._is_busy(queue, "pop") or self._replies[op] is not Reply.OK:
                return
            if len(self.given) == before:
                came = {seen.offset for seen in self.given[began:] if self._where[seen.receipt][0] == queue}
                self.panel.drained(queue, came, self.now)
                return

    def _wait_working(self, until: float) -> None:
        """Let time pass on a disk that works."""
        while self.now < until:
            tick = self.target.next_tick()
            self._wait(until if tick is None else min(until, max(tick, self.now + 0.01) + self._lateness))
            self.rest()

    def _answered(self, op: int) -> bool:
        """Wait, on a disk that works, for the answer to an operation; return whether it came."""
        for _ in range(20):
            self.rest()
            tick = self.target.next_tick()
            if op not in self.asked or tick is None:
                break
            self._wait(max(tick, self.now))  # the store may be pausing after a failure
        return op not in self.asked

    def _close(self, *, in_trouble: bool = False) -> Reply:
        """Close the store, on a disk that works; or, `in_trouble`, while the faults last that wait for their moment."""
        if not in_trouble:
            self._heal()
        op = self._ask(Asked("close"), "close")
        self.target.close(op, self.now)
        self._take()
        if in_trouble:
            self._await_close(op)
        else:
            self._finish_everything()
        if op in self.asked:
            how = f"in {MOST_TO_CLOSE:g} s" if in_trouble else "on a disk that works"
            self.panel.broke(Broken(Clause.CLOSE_DRAINS, f"close was not answered {how}"))
        self.panel.each(lambda oracle: oracle.closed(self._replies[op], self.target.look([]).unflushed or 0))
        return self._replies[op]

    def _await_close(self, op: int) -> None:
        """Let I/O end as it does, and time pass, until a close is answered, or for as long as it may take."""
        until = self.now + MOST_TO_CLOSE
        while op in self.asked and self.now < until:
            if ready := self.ready:
                self._finish(ready[0], OK)
            else:
                tick = self.target.next_tick()
                self._wait(until if tick is None else min(until, max(tick, self.now + 0.01)))

    # --- for `ackmodel.observe.survey` ------------------------------------------------------------------------------

    @property
    def judge(self) -> Panel:
        """The oracles of all levels."""
        return self.panel

    @property
    def queues(self) -> Sequence[str]:
        """The queues of the store."""
        return QUEUES

    def pop_some(self, queue: str, began: float) -> Popping:  # noqa: ARG002 - its time is simulated
        """Pop a queue, and wait for the answer, again as long as it is refused."""
        before, reply = len(self.given), Reply.UNKNOWN
        for _ in range(PATIENCE):
            op = self._pop(queue, max(8, (self.ends[queue] - self._first[queue]) // 4), LONG)
            if not self._answered(op):
                self.panel.broke(
                    Broken(Clause.REPLY_EXACTLY_ONCE, f"the pop {op} was not answered, on a disk that works")
                )
            reply = self._replies[op]
            if reply is Reply.OK:
                break
            self.give_time()
        offsets = [seen.offset for seen in self.given[before:]]
        return Popping(offsets, None if reply is Reply.OK else reply, asked=self.now, due=self.now, late=True)

    def give_time(self) -> None:
        """Let the store have a second."""
        self._wait_working(self.now + 1.0)

    def dead_letters(self, queue: str, popping: Popping) -> DeadLetters | None:  # noqa: ARG002 - the same
        """Return the dead letters of a queue, once the store has had time to store them; None if it shows none."""
        if not self.can("dead"):
            return None
        self._wait_working(self.now + 1.0)
        dead = frozenset(self.extended.dead(queue))
        if dead:
            self.history.add(
                "store", f"dead letters of {queue}: " + ", ".join(f"[{offset}]" for offset in sorted(dead))
            )
        return DeadLetters(dead, complete=True)

    def hide_longer(self) -> bool:
        """Say that it is hidden for far longer than acks take."""
        return False

    def ack_all(self, receipts: Sequence[str]) -> None:
        """Ack these, and wait for the answers."""
        self._answered(self._ack(list(receipts)))

    def barrier(self) -> Reply:
        """Ask for a barrier, and wait for the answer."""
        op = self._flush()
        return self._replies[op] if self._answered(op) else Reply.UNKNOWN

    def caught_up(self) -> Mapping[str, Sighting]:
        """Return the offsets of a store that had all the time that it needs; none of one that shows none."""
        self.look()
        return self.target.look([]).offsets or {}

    def at_rest(self) -> AtRest:
        """Have the store, which had all the time that it needs, show itself."""
        self.look()
        look = self.target.look([])
        held = sum(len(self.disk.read(name)) for name in self.disk.names())
        return AtRest(look.offsets or {}, look.outstanding, held, look.space)
