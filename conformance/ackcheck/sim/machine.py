"""The Hypothesis machine: every operation and every fault is a rule, and Hypothesis chooses, orders and shrinks them.

A rule draws small numbers and calls the step of the same name of `Simulation`. Each run ends with the same questions:
the disk works again, every deadline passes, what comes back must be what the contract allows; then everything is
acknowledged, and nothing may be left over.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ackcheck.sim.host import LONG, SHORT
from ackcheck.sim.simulation import Simulation

FEW = st.integers(0, 7)
WRITTEN = st.sampled_from([0, 1, 20, 60, 1000])
QUEUE = st.integers(0, 1)
FATES = st.integers(0, 9)

ENDINGS = ("none", "process crash", "power loss", "clean restart")


class AckStoreMachine(RuleBasedStateMachine):
    """A store under every order of operations, completions and faults. Subclasses give `begin`, and `done`."""

    begin: Callable[[], Simulation]
    done: Callable[[Simulation], None]
    run: Simulation

    def __init__(self) -> None:
        super().__init__()
        self.run = type(self).begin()
        self.ending = "none"

    def take(self, step: str, **arguments: object) -> None:
        """Take one step of the run."""
        getattr(self.run, step)(**arguments)

    @initialize(ending=st.sampled_from(ENDINGS))
    def choose_ending(self, ending: str) -> None:
        self.ending = ending

    # --- clients ----------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 4), queue=QUEUE, invisible=st.sampled_from([LONG, LONG, SHORT]))
    def pop(self, count: int, queue: int, invisible: float) -> None:
        self.take("pop", count=count, queue=queue, invisible=invisible)

    @rule(count=st.integers(4, 12))
    def crowd(self, count: int) -> None:
        self.take("crowd", count=count)

    @rule(count=st.integers(2, 4), queue=QUEUE, which=FEW, acked=st.integers(1, 3))
    def consume(self, count: int, queue: int, which: int, acked: int) -> None:
        """Pop and ack some, on a page cache that works: the way to the states where something is at stake."""
        self.take("pop", count=count, queue=queue)
        self.take("finish_writes")
        if self.run.given:
            self.take("ack_many", which=which, count=acked)
            self.take("finish_writes")

    @precondition(lambda self: self.run.given)
    @rule(which=FEW)
    def ack(self, which: int) -> None:
        self.take("ack", which=which)

    @precondition(lambda self: self.run.given)
    @rule(which=FEW, count=st.integers(2, 4))
    def ack_many(self, which: int, count: int) -> None:
        self.take("ack_many", which=which, count=count)

    @precondition(lambda self: not self.run.ran["ack_nonsense"])
    @rule(text=st.sampled_from(["", "no receipt", "00000000000000000000000100000000000003e7@orders/billing/0"]))
    def ack_nonsense(self, text: str) -> None:
        self.take("ack_nonsense", text=text)

    @precondition(lambda self: self.run.given)
    @rule()
    def flush(self) -> None:
        self.take("flush")

    # --- the disk and the clock -------------------------------------------------------------------------------------

    @precondition(lambda self: self.run.pending)
    @rule(which=FEW)
    def finish(self, which: int) -> None:
        self.take("finish", which=which)

    @precondition(lambda self: self.run.pending)
    @rule()
    def finish_writes(self) -> None:
        self.take("finish_writes")

    @precondition(lambda self: self.run.pending)
    @rule()
    def finish_all(self) -> None:
        self.take("finish_all")

    @precondition(lambda self: self.run.syncing)
    @rule(which=FEW, wider=st.booleans())
    def fail_sync(self, which: int, wider: bool) -> None:
        self.take("fail_sync", which=which, wider=wider)

    @precondition(lambda self: self.run.given)
    @rule(wider=st.booleans())
    def sync_and_fail(self, wider: bool) -> None:
        """Let the flush interval pass, and the sync that it begins fail."""
        self.take("wait", seconds=0.15)
        self.take("finish_writes")
        self.take("fail_sync", which=0, wider=wider)

    @precondition(lambda self: self.run.given)
    @rule(which=FEW, written=WRITTEN)
    def ack_on_a_full_disk(self, which: int, written: int) -> None:
        """Ack on a disk that has no room for the record."""
        self.take("finish_writes")
        self.take("ack", which=which)
        self.take("fail_write", written=written)

    @precondition(lambda self: self.run.writing)
    @rule(written=WRITTEN)
    def fail_write(self, written: int) -> None:
        self.take("fail_write", written=written)

    @rule(seconds=st.sampled_from([0.05, 0.15, 0.15, 1.0, 2.5, SHORT, 2 * LONG]))
    def wait(self, seconds: float) -> None:
        self.take("wait", seconds=seconds)

    # --- crashes ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.run.at_stake)
    @rule(fate=FATES)
    def crash(self, fate: int) -> None:
        self.take("crash", fate=fate)

    @precondition(lambda self: self.run.at_stake)
    @rule(fate=FATES)
    def lose_power(self, fate: int) -> None:
        self.take("lose_power", fate=fate)

    @precondition(lambda self: self.run.at_stake)
    @rule()
    def restart(self) -> None:
        self.take("restart")

    # --- flows: ways to what chance alone seldom reaches --------------------------------------------------------------

    @precondition(lambda self: self.run.at_stake)
    @rule(crash=FATES, fate=FATES)
    def flush_what_was_recovered(self, crash: int, fate: int) -> None:
        """Crash, have what recovery read flushed, and lose the power."""
        self.take("crash", fate=crash)
        self.take("flush")
        self.take("finish_all")
        self.take("lose_power", fate=fate)

    @rule(count=st.integers(1, 4), queue=QUEUE, which=FEW, fate=FATES)
    def outrun_a_slow_file(self, count: int, queue: int, which: int, fate: int) -> None:
        """Have one file's sync take long while everything else goes on, and lose the power."""
        self.take("finish_all")
        self.take("pop", count=count, queue=queue)
        self.take("finish_writes")
        self.take("wait", seconds=0.15)
        self.take("finish_but", which=which)
        self.take("wait", seconds=0.15)
        self.take("finish_but", which=which)
        self.take("lose_power", fate=fate)

    @precondition(lambda self: self.run.at_stake)
    @rule(wider=st.booleans(), fate=FATES)
    def flush_after_a_failure(self, wider: bool, fate: int) -> None:
        """Have a sync fail, wait for the next, ask for a barrier, and lose the power."""
        self.sync_and_fail(wider)
        self.take("wait", seconds=1.0)
        self.take("flush")
        self.take("finish_all")
        self.take("lose_power", fate=fate)

    # --- the questions at the end -----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Ask what every run must answer, unless a clause is broken already."""
        try:
            if self.run.broken is None:
                self._ask()
        finally:
            type(self).done(self.run)

    def _ask(self) -> None:
        if self.ending == "process crash":
            self.take("crash", fate=0)
        elif self.ending == "power loss":
            self.take("lose_power", fate=0)
        elif self.ending == "clean restart":
            self.take("restart")
        self.take("survey")
        self.take("settle_everything")
        self.take("lose_power", fate=0)
        self.take("survey")
        self.take("restart")
        self.take("survey")
        self.take("close")
