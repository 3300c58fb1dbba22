"""The questions to a store on a disk that works: does it come to rest, does what must come come, does it close?

>>> from acklab.reference.stepped import Reference
>>> from ackmodel import Level
>>> surveyor = Surveyor(Reference, (Level.PAGE_CACHE,))
>>> surveyor._survey()
>>> len(surveyor.given), surveyor.asked
(12, {})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define

from ackcheck.panel import Panel
from ackcheck.sim.host import LONG, OK, QUEUES, Asked, Host
from ackmodel import Clause
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.survey import AtRest, DeadLetters, Popping, survey

PATIENCE = 400
"""Rounds of finishing everything and waiting for the next timer, after which a store is said not to come to rest."""


@define(eq=False)
class Surveyor(Host):
    """A host that asks its target these questions, and tells the oracle the answers."""

    def rest(self, idle: float = 1.0) -> None:
        """Let a working disk finish everything, until the store has been idle for a while; then all is flushed."""
        self._finish_everything(idle)
        unflushed = self.target.look([]).unflushed
        if unflushed is not None and not self._failing:
            self.panel.each(lambda oracle: oracle.saw_idle(unflushed, idle=idle, interval=idle / 2))

    def _finish_everything(self, idle: float = 1.0) -> None:
        """Let I/O succeed and timers run until nothing has come of it for a while."""
        until = self.now + idle
        for _ in range(PATIENCE):
            while self.pending:
                self._finish(self.pending[0], OK)
                until = self.now + idle
            tick = self.target.next_tick()
            if tick is None or tick > until:
                break
            self._wait(max(tick, self.now))
        else:
            self.panel.broke(Broken(Clause.QUIESCENCE_IS_ZERO, f"the store did not come to rest in {PATIENCE} rounds"))

    def _survey(self) -> None:
        self.rest()
        self._wait_working(max(self._latest, self.now) + 1.0)
        survey(self)

    def _wait_working(self, until: float) -> None:
        """Let time pass on a disk that works."""
        while self.now < until:
            tick = self.target.next_tick()
            self._wait(until if tick is None else min(until, max(tick, self.now + 0.01)))
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

    def _close(self) -> Reply:
        op = self._ask(Asked("close"), "close")
        self.target.close(op, self.now)
        self._take()
        self._finish_everything()
        if op in self.asked:
            self.panel.broke(Broken(Clause.CLOSE_DRAINS, "close was not answered, on a disk that works"))
        self.panel.each(lambda oracle: oracle.closed(self._replies[op], self.target.look([]).unflushed or 0))
        return self._replies[op]

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
            op = self._pop(queue, 8, LONG)
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
        return AtRest(look.offsets or {}, look.outstanding)
