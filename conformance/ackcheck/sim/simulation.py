"""One run of a stepped target: every step is a method, and the order of the steps is the schedule.

The methods are what clients, the disk, the clock and the power may do. They take small numbers, so that a list of them
(`Simulation.script`) is the whole run, and `replay` repeats it exactly. After each step the oracle has seen all there
was to see.

>>> from acklab.reference.stepped import Reference
>>> from ackmodel import Level
>>> run = Simulation(Reference, (Level.PAGE_CACHE,))
>>> run.pop(count=2); run.finish_all(); run.ack(which=0); run.finish_all()
>>> run.crash(fate=0); run.survey()
>>> [name for name, _ in run.script]
['pop', 'finish_all', 'ack', 'finish_all', 'crash', 'survey']
"""

from __future__ import annotations

import errno
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeAlias, cast

from attrs import Factory, define

from ackcheck.sim.host import LONG, MOST_MESSAGES, OK, QUEUES
from ackcheck.sim.survey import Surveyor
from ackcheck.sim.target import Outcome
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.survey import settle_everything

Params = ParamSpec("Params")
Method: TypeAlias = "Callable[Concatenate[Simulation, Params], None]"


def step(method: Method[Params]) -> Method[Params]:
    """Make a method a step: noted in the script, counted, and followed by a look at the store."""

    @functools.wraps(method)
    def noted(self: Simulation, *args: Params.args, **kwargs: Params.kwargs) -> None:
        if args:
            raise TypeError(f"{method.__name__} takes its arguments by name, so that the script can be replayed")
        self.script.append((method.__name__, dict(kwargs)))
        self.ran[method.__name__] += 1
        self.history.step += 1
        method(self, *args, **kwargs)
        self.look()

    return cast("Method[Params]", noted)


@define(eq=False)
class Simulation(Surveyor):
    """A run of a target, step by step."""

    script: list[tuple[str, dict[str, Any]]] = Factory(list)
    ran: Counter[str] = Factory(Counter)

    @property
    def broken(self) -> Broken | None:
        """The clause that broke first, at one level at least."""
        return self.panel.fallen[0].broken if self.panel.fallen else None

    # --- steps: clients ---------------------------------------------------------------------------------------------

    @step
    def publish(self, *, queue: int, count: int) -> None:
        """Have a producer add messages, until `count` of a queue were never handed out, or it is full."""
        name = QUEUES[queue % len(QUEUES)]
        end = min(self._handed_out[name] + count, MOST_MESSAGES)
        if end > self.ends[name] and not self._is_busy(name, "reset"):
            self._publish(name, end)

    @step
    def pop(self, *, count: int, queue: int = 0, invisible: float = LONG) -> None:
        """Have a consumer pop up to `count` messages."""
        name = QUEUES[queue % len(QUEUES)]
        if not self._is_busy(name, "reset"):
            self._pop(name, count, invisible)

    @step
    def crowd(self, *, count: int) -> None:
        """Have as many consumers pop one message each, from either queue, before any I/O ends."""
        for index in range(count):
            name = QUEUES[index % len(QUEUES)]
            if not self._is_busy(name, "reset"):
                self._pop(name, 1, LONG)

    @step
    def ack(self, *, which: int) -> None:
        """Have a consumer ack a delivery, perhaps again, perhaps an earlier one."""
        for receipt in self._chosen(which):
            self._ack([receipt])

    @step
    def ack_many(self, *, which: int, count: int) -> None:
        """Have a consumer ack several deliveries in one batch."""
        receipts = [receipt for index in range(count) for receipt in self._chosen(which + index)]
        if receipts:
            self._ack(receipts)

    @step
    def renew(self, *, which: int, invisible: float = LONG) -> None:
        """Have a consumer ask for more time, or for less."""
        for receipt in self._chosen(which) if self.can("renew") else ():
            if self.panel.all_agree(lambda oracle: oracle.may_change(receipt)):
                self._renew(receipt, invisible)

    @step
    def release(self, *, which: int) -> None:
        """Have a consumer give a delivery back."""
        for receipt in self._chosen(which) if self.can("release") else ():
            if self.panel.all_agree(lambda oracle: oracle.may_change(receipt)):
                self._release(receipt)

    @step
    def reset(self, *, queue: int, offset: int) -> None:
        """Have an operator set the offset of a queue; no operation on it is under way until this has ended."""
        name = QUEUES[queue % len(QUEUES)]
        if self.can("reset") and not self._is_busy(name):
            self._reset(name, offset % (self.ends[name] + 1))

    def _chosen(self, which: int) -> list[str]:
        """Return the receipt of that delivery, if there is one, and its queue is not being reset."""
        if not self.given:
            return []
        receipt = self.given[which % len(self.given)].receipt
        return [] if self._is_busy(self._where[receipt][0], "reset") else [receipt]

    @step
    def ack_nonsense(self, *, text: str) -> None:
        """Ack what is not a receipt."""
        self._ack([text])

    @step
    def flush(self) -> None:
        """Have a client ask for a barrier."""
        self._flush()

    # --- steps: the disk and the clock ------------------------------------------------------------------------------

    @step
    def finish(self, *, which: int) -> None:
        """Let one pending I/O succeed."""
        if self.pending:
            self._finish(self.pending[which % len(self.pending)], OK)

    @step
    def finish_all(self) -> None:
        """Let every pending I/O succeed, and every one that follows from it."""
        while self.pending:
            self._finish(self.pending[0], OK)

    @step
    def finish_writes(self) -> None:
        """Let every pending I/O but the syncs succeed: the page cache is quick."""
        while writes := [pending for pending in self.pending if not pending.io.syncs]:
            self._finish(writes[0], OK)

    @step
    def finish_but(self, *, which: int) -> None:
        """Everything pending succeeds, and all that follows, but for the syncs of one file: it is slow."""
        syncs = sorted({pending.io.file for pending in self.pending if pending.io.action == "sync"})
        slow = syncs[which % len(syncs)] if syncs else None
        while quick := [one for one in self.pending if one.io.action != "sync" or one.io.file != slow]:
            self._finish(quick[0], OK)

    @step
    def fail_sync(self, *, which: int = 0, wider: bool = False) -> None:
        """Fail a pending sync with EIO; with `wider`, what was written while it ran is lost with it."""
        syncs = [pending for pending in self.pending if pending.io.syncs]
        if syncs:
            self._finish(syncs[which % len(syncs)], Outcome(errno.EIO), lost_since=wider)

    @step
    def fail_write(self, *, written: int = 0) -> None:
        """Fail a pending write, or what creates or renames a file, with ENOSPC, perhaps after some bytes."""
        writes = [pending for pending in self.pending if not pending.io.syncs]
        if writes:
            most = max(0, len(writes[0].io.data) - 1)
            self._finish(writes[0], Outcome(errno.ENOSPC, written=min(written, most)))

    @step
    def fill_up(self, *, written: int = 0) -> None:
        """Fail the next write that is done at once with ENOSPC, perhaps after some bytes."""
        self._full = Outcome(errno.ENOSPC, written=written)

    @step
    def wait(self, *, seconds: float) -> None:
        """Time passes, and timers run, while no I/O completes."""
        self._wait(self.now + seconds)

    # --- steps: crashes ---------------------------------------------------------------------------------------------

    @step
    def crash(self, *, fate: int) -> None:
        """Kill the process; `fate` seeds what becomes of the I/O it had under way; it is started again."""
        random = Random(fate)
        for pending in self.pending if fate else []:
            chance = random.random()
            if chance < 0.4:
                self._apply(pending, OK)
            elif chance < 0.7 and pending.begun is not None:
                self._apply(pending, Outcome(errno.EIO), lost_since=True)  # reported to nobody
        self._restart(ProcessCrashed())

    @step
    def lose_power(self, *, fate: int) -> None:
        """Stop the machine. Of what was not synced nothing survives (0), everything (1), or what the seed says."""
        random = Random(fate)
        self.disk.lose_power(
            lambda parts: {0: 0, 1: parts}.get(fate, random.choice((0, parts, random.randint(0, parts))))
        )
        self._restart(PowerLost())

    @step
    def restart(self) -> None:
        """Close the store, with a disk that works, and open it again."""
        reply = self._close()
        if reply is Reply.OK:
            self._restart(Restarted())
        else:
            self._restart(ProcessCrashed())

    # --- steps: judging ---------------------------------------------------------------------------------------------

    @step
    def survey(self) -> None:
        """Heal the disk, pass every deadline, and pop everything that comes: is it what must come?"""
        self._survey()

    @step
    def settle_everything(self) -> None:
        """Have every message handed out, acked and flushed: then the offset is at the end, and nothing outstanding."""
        self._survey()
        settle_everything(self)

    @step
    def close(self) -> None:
        """Close the store on a disk that works: it drains, and answers."""
        self._close()


def replay(run: Simulation, script: Sequence[tuple[str, dict[str, Any]]]) -> Simulation:
    """Take the steps of a script; raise `Broken` where one breaks a clause at every level that is judged."""
    for name, arguments in script:
        if name not in STEPS:
            raise ValueError(f"no step {name!r}: the steps are {', '.join(sorted(STEPS))}")
        getattr(run, name)(**arguments)
    return run


STEPS = frozenset(name for name, method in vars(Simulation).items() if hasattr(method, "__wrapped__"))
"""The names of the steps that a script may take."""
