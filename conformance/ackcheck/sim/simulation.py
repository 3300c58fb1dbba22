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

import copy
import errno
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeAlias, cast

from attrs import Factory, define

from ackcheck.rig.spoilt import Kind
from ackcheck.sim.aims import FOR_EVER, ONE_MESSAGE, Aim, How
from ackcheck.sim.damage import contents, harm
from ackcheck.sim.devices import LONG, MOST_MESSAGES, OK, QUEUES, SHORT
from ackcheck.sim.disk import Disk, File
from ackcheck.sim.host import Host
from ackcheck.sim.setup import SimSetup
from ackcheck.sim.survey import Surveyor
from ackcheck.sim.target import Outcome, Wear
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.survey import settle_everything

TICK = 0.001
"""The smallest time that makes a difference, in seconds."""

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
        for fault in self.aims.open:
            self.in_play[f"{fault}, then {method.__name__}"] += 1
        self.history.step += 1
        method(self, *args, **kwargs)
        self.look()

    return cast("Method[Params]", noted)


@define(eq=False)
class Simulation(Host, Surveyor):
    """A run of a target, step by step."""

    script: list[tuple[str, dict[str, Any]]] = Factory(list)
    ran: Counter[str] = Factory(Counter)
    _older: Mapping[str, bytes] = Factory(dict)
    """The files as they were when one of them was damaged before."""

    @property
    def broken(self) -> Broken | None:
        """The clause that broke first, at one level at least."""
        return self.panel.fallen[0].broken if self.panel.fallen else None

    # --- steps: clients ---------------------------------------------------------------------------------------------

    @step
    def publish(self, *, queue: int, count: int) -> None:
        """Have a producer add messages, until `count` of a queue were never handed out, or it is full."""
        name = QUEUES[queue % len(QUEUES)]
        end = min(self._handed_out[name] + count, self._first[name] + MOST_MESSAGES)
        if end > self.ends[name]:
            self._publish(name, end)

    @step
    def pop(self, *, count: int, queue: int = 0, invisible: float = LONG, consumer: int = 0) -> None:
        """Have a consumer pop up to `count` messages."""
        self._pop(QUEUES[queue % len(QUEUES)], count, invisible, consumer)

    @step
    def crowd(self, *, count: int) -> None:
        """Have as many consumers pop one message each, from either queue, before any I/O ends."""
        for index in range(count):
            self._pop(QUEUES[index % len(QUEUES)], 1, LONG)

    @step
    def flood(self, *, queue: int, count: int, invisible: float = SHORT) -> None:
        """Have a producer add very many messages, and a consumer pop them all at once."""
        name = QUEUES[queue % len(QUEUES)]
        self._publish(name, max(self.ends[name], self._handed_out[name] + count))
        self._pop(name, count, invisible)

    @step
    def ack(self, *, which: int) -> None:
        """Have a consumer ack a delivery, perhaps again, perhaps an earlier one."""
        for receipt in self._chosen(which):
            self._ack([receipt])

    @step
    def ack_many(self, *, which: int, count: int, twice: bool = False) -> None:
        """Have a consumer ack several deliveries in one batch, the first perhaps `twice`."""
        receipts = [receipt for index in range(count) for receipt in self._chosen(which + index)]
        receipts += receipts[:1] if twice else []
        if receipts:
            self._ack(receipts)

    @step
    def ack_unsettled(self, *, queue: int) -> None:
        """Have consumers ack what they have in hand of a queue, all of it."""
        if receipts := self.panel.unsettled(QUEUES[queue % len(QUEUES)]):
            self._ack(receipts)

    def _may_change(self, receipt: str) -> bool:
        """Whether one more renewal or release of a delivery can be judged now."""
        return self.panel.all_agree(lambda oracle: oracle.may_change(receipt))

    @step
    def renew(self, *, which: int, invisible: float = LONG) -> None:
        """Have a consumer ask for more time, or for less."""
        for receipt in self._chosen(which) if self.can("renew") else ():
            if self._may_change(receipt):
                self._renew(receipt, invisible)

    @step
    def renew_often(self, *, which: int, times: int) -> None:
        """Have a consumer ask for more time again and again, on a disk that is quick: the log fills with old news."""
        for receipt in self._chosen(which) * times if self.can("renew") else ():
            if self._may_change(receipt):
                self._renew(receipt, LONG)
                self._finish_ready()

    @step
    def release(self, *, which: int) -> None:
        """Have a consumer give a delivery back."""
        for receipt in self._chosen(which) if self.can("release") else ():
            if self._may_change(receipt):
                self._release(receipt)

    @step
    def reset(self, *, queue: int, offset: int) -> None:
        """Have an operator set the offset of a queue, whatever is under way but another reset."""
        name = QUEUES[queue % len(QUEUES)]
        if self.can("reset") and not self._is_busy(name, "reset"):
            first = self._first[name]
            self._reset(name, first + offset % (self.ends[name] - first + 1))

    @step
    def begin_at(self, *, queue: int, offset: int) -> None:
        """Have a queue begin with this message: its first step, of a target that can reset."""
        name = QUEUES[queue % len(QUEUES)]
        if self.can("reset") and not self._perhaps_out[name] and not self._is_busy(name):
            self._begin_at(name, offset)
            self._finish_ready()

    @step
    def grow_old(self, *, attempts: int, opens: int, resets: int) -> None:
        """Have the store be one that was used for long: its first step, of a target that can be that."""
        if self.can("worn") and self._ops == 0 and self.panel.max_attempts is None:
            wear = Wear(attempts, opens, resets)
            self.disk = Disk()
            for name, data in self.extended.worn(QUEUES, wear).items():
                self.disk.entries[name] = self.disk.durable_entries[name] = File(data)
            for queue in QUEUES:
                self._handed_out[queue] = self._perhaps_out[queue] = 1
                self.panel.each(lambda oracle: oracle.handed_out_before(queue, 0, attempts))
            self.history.add("store", f"was used for long: {attempts} deliveries, {opens} opens, {resets} resets")
            self._restart(Restarted())

    @step
    def leave(self, *, consumer: int) -> None:
        """Have a consumer go, of a target that knows its consumers; the next pop in its name is by one that comes."""
        receipts = self._hands.get(consumer, [])
        popping = any(asked.kind == "pop" for asked in self.asked.values())
        if self.can("leave") and not popping and all(self._may_change(receipt) for receipt in receipts):
            self._leave(consumer)

    def place_of(self, *, which: int, queue: int) -> int:
        """Return where in a queue a message stands that was handed out; 0 where none was."""
        name = QUEUES[queue % len(QUEUES)]
        handed_out = [self._where[seen.receipt] for seen in self.given]
        places = [offset - self._first[name] for of, offset in handed_out if of == name]
        return places[which % len(places)] if places else 0

    def _chosen(self, which: int) -> list[str]:
        """Return the receipt of that delivery, if there is one."""
        return [self.given[which % len(self.given)].receipt] if self.given else []

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
        if ready := self.ready:
            self._finish(ready[which % len(ready)], OK)

    @step
    def finish_all(self) -> None:
        """Let every pending I/O succeed, and every one that follows from it."""
        self._finish_ready()

    def _finish_ready(self) -> None:
        while ready := self.ready:
            self._finish(ready[0], OK)

    @step
    def finish_writes(self) -> None:
        """Let every pending I/O but the syncs succeed: the page cache is quick."""
        while writes := [pending for pending in self.ready if not pending.io.syncs]:
            self._finish(writes[0], OK)

    @step
    def finish_but(self, *, which: int) -> None:
        """Everything pending succeeds, and all that follows, but for the syncs of one file: it is slow."""
        syncs = sorted({pending.io.file for pending in self.pending if pending.io.action == "sync"})
        slow = syncs[which % len(syncs)] if syncs else None
        while quick := [one for one in self.ready if one.io.action != "sync" or one.io.file != slow]:
            self._finish(quick[0], OK)

    @step
    def fail_sync(self, *, which: int = 0, wider: bool = False) -> None:
        """Fail a pending sync with EIO; with `wider`, what was written while it ran is lost with it."""
        syncs = [pending for pending in self.ready if pending.io.syncs]
        if syncs:
            self._finish(syncs[which % len(syncs)], Outcome(errno.EIO), lost_since=wider)

    @step
    def fail_write(self, *, written: int = 0) -> None:
        """Fail a pending write, or what creates or renames a file, with ENOSPC, perhaps after some bytes."""
        writes = [pending for pending in self.ready if not pending.io.syncs]
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

    @step
    def wait_until(self, *, which: int, ticks: int, late: bool = False) -> None:
        """Time passes until the deadline of a delivery, and so many ticks. `late`: the timers of the store have not run
        when the next call comes."""
        if not self.given:
            return
        until = self._deadlines[self.given[which % len(self.given)].receipt] + ticks * TICK
        if not late:
            self._wait(until)
        elif until > self.now:
            self._come_to(until, self.target.next_tick())

    @step
    def idle(self, *, seconds: float) -> None:
        """Time passes in which nobody asks for anything, and the disk does what it is asked to, as far as it works."""
        self._idle(seconds)

    @step
    def aim(self, *, at: str, how: How, times: int = 1, written: int = 0, wider: bool = False) -> None:
        """Have the next I/O that is for this fail, hang until the disk is healed, or lie."""
        self._wait_for(Aim(at, how, times, written, wider))

    @step
    def aim_at_message(self, *, which: int, how: How) -> None:
        """Every write that holds a record of one message fails, or hangs, until the disk is healed."""
        for receipt in self._chosen(which):
            self._wait_for(Aim(ONE_MESSAGE, how, FOR_EVER, message=self._where[receipt]))

    @step
    def heal(self, *, late: bool = True) -> None:
        """Have the disk work again; what hung ends, with success if it is to come `late`, or with an error."""
        self._heal(late=OK if late else Outcome(errno.EIO))

    # --- steps: crashes ---------------------------------------------------------------------------------------------

    @step
    def crash(self, *, fate: int, clock: float = 0.0) -> None:
        """Kill the process; `fate` seeds what becomes of the I/O it had under way; it is started again."""
        random = Random(fate)
        for pending in self.pending if fate else []:
            chance = random.random()
            if chance < 0.4:
                self._apply(pending, OK)
            elif chance < 0.7 and pending.begun is not None:
                self._apply(pending, Outcome(errno.EIO), lost_since=True)  # reported to nobody
        self._restart(ProcessCrashed(), clock)

    @step
    def lose_power(self, *, fate: int, clock: float = 0.0, fewer: int = 0) -> None:
        """Stop the machine. Of what was not synced nothing survives (0), everything (1), or what the seed says.

        `fewer` messages are there afterwards, of those that nobody was ever handed.
        """
        for queue, end in self.ends.items() if fewer else ():
            left = max(self._perhaps_out[queue], self._handed_out[queue], self._first[queue] + 1, end - fewer)
            if left < end and not self._is_busy(queue, "reset"):
                self._withdraw(queue, left)
        self._lose_power(fate, clock)

    def _lose_power(self, fate: int, clock: float) -> None:
        random = Random(fate)
        took = self.disk.lose_power(
            lambda parts: {0: 0, 1: parts}.get(fate, random.choice((0, parts, random.randint(0, parts))))
        )
        self.history.add("disk", f"the power takes {', '.join(took) or 'nothing that was written'}")
        self._restart(PowerLost(), clock)

    @step
    def restart(self, *, clock: float = 0.0) -> None:
        """Close the store, with a disk that works, and open it again."""
        self._reopen(self._close(), clock)

    @step
    def stop_in_trouble(self) -> None:
        """Close the store while the faults last that wait for their moment, and open it again."""
        self._reopen(self._close(in_trouble=True), 0.0)

    def _reopen(self, reply: Reply, clock: float) -> None:
        if reply is Reply.OK:
            self._restart(Restarted(), clock)
        else:  # what it has not done is as after a crash
            self._restart(ProcessCrashed(), clock, f"closed, which was answered {reply.value}, and ended")

    @step
    def damage(self, *, kind: Kind, which: int, at: int) -> None:
        """Close the store, damage a file of it, and open it again; not where what it holds may be on no disk."""
        if self.disk.given_up:
            return
        if self._close() is not Reply.OK:
            self._restart(ProcessCrashed(), how="closed, which was not answered OK, and ended")
            return
        self.disk.lose_power(lambda parts: parts)  # the machine is shut down, so everything is written back
        whole = copy.deepcopy(self.disk)
        hurt = harm(
            self.disk, kind, which=which, at=at, older=self._older, replaced=self._replaced, earlier=self._opened
        )
        self._older = contents(whole)
        if hurt is None:
            self._restart(Restarted())
        else:
            self.history.add("disk", f"{hurt} is damaged: {kind}")
            self._open_damaged(hurt, whole)

    # --- steps: judging ---------------------------------------------------------------------------------------------

    @step
    def survey(self) -> None:
        """Heal the disk, pass every deadline, and pop everything that comes: is it what must come?"""
        self._survey()

    @step
    def drain(self, *, queue: int) -> None:
        """Pop a queue until it is empty, at this very moment, on a disk that works: what may come by now must."""
        self._heal()
        self._drain(QUEUES[queue % len(QUEUES)])

    @step
    def settle_everything(self) -> None:
        """Have every message handed out, acked and flushed: then the offset is at the end, and nothing outstanding."""
        self._survey()
        settle_everything(self)

    @step
    def close(self) -> None:
        """Close the store on a disk that works: it drains, and answers."""
        self._close()


def begin(setup: SimSetup) -> Simulation:
    """Return a fresh run of what a setup says."""
    return Simulation(setup.target, setup.levels, setup.commit, setup.logs)


def breaks(setup: SimSetup, script: Sequence[tuple[str, dict[str, Any]]]) -> Simulation | None:
    """Replay a script; return the run if a level fell, else None. The run's `broken` says what broke first."""
    run = begin(setup)
    with suppress(Broken):
        replay(run, script)
    return run if run.panel.fallen else None


def replay(run: Simulation, script: Sequence[tuple[str, dict[str, Any]]]) -> Simulation:
    """Take the steps of a script; raise `Broken` where one breaks a clause at every level that is judged."""
    for name, arguments in script:
        if name not in STEPS:
            raise ValueError(f"no step {name!r}: the steps are {', '.join(sorted(STEPS))}")
        getattr(run, name)(**arguments)
    return run


STEPS = frozenset(name for name, method in vars(Simulation).items() if hasattr(method, "__wrapped__"))
"""The names of the steps that a script may take."""

TAKES = {"renew_often": "renew", "begin_at": "reset", "grow_old": "worn"}
"""The method that a step needs, where it is of another name."""

NOT_OWED = frozenset({"flood"})
"""Steps that take long, and so come in one of very many cases only: no run owes one."""
