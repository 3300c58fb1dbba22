"""The Hypothesis machine: every operation and every fault is a rule, and Hypothesis chooses, orders and shrinks them.

A rule draws small numbers and calls the step of the same name of `Simulation`. Each run ends with the same questions:
the disk works again, every deadline passes, what comes back must be what the contract allows; then everything is
acknowledged, and nothing may be left over.
"""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ackcheck.sim.devices import LONG, MESSAGES, QUEUES, SHORT
from ackcheck.sim.simulation import Simulation
from ackmodel.observe.broken import Broken

FEW = st.integers(0, 7)
WRITTEN = st.sampled_from([0, 1, 20, 60, 1000])
QUEUE = st.integers(0, 1)
FATES = st.integers(0, 9)
STOPS = st.sampled_from(["crash", "lose_power", "restart", "not"])
LOSSES = st.sampled_from(["lose_power", "lose_power", "lose_power", "crash", "restart", "not"])
"""The same where it is a power loss that shows most."""

FIRST = tuple(2**bits - 3 for bits in (8, 16, 31, 32, 53))
"""The first message of a queue that has been used until just before a number grows too long."""

WORN = (
    {"attempts": 2**8 - 2, "opens": 2**16 - 2, "resets": 2**8 - 2},
    {"attempts": 2**16 - 2, "opens": 2**31 - 3, "resets": 2**13 - 2},
    {"attempts": 2**31 - 2, "opens": 2**32 - 3, "resets": 2**16 - 2},
    {"attempts": 2**32 - 1_000, "opens": 2**40 - 10_000, "resets": 2**24 - 1_000},
)
"""Stores whose deliveries, opens and resets are about to be too many: for so many bits, for a number that JavaScript
keeps exactly (an epoch of 2^13 resets and 2^40 opens), for the reference. No run has a thousand of any of them, nor ten
thousand segments, each of which takes a number as an open does."""

BEGUN: tuple[int | dict[str, int] | None, ...] = (None,) * 11 + FIRST + WORN
"""How a run begins: most with a new store."""

ENDINGS = ("none", "process crash", "power loss", "clean restart", "full disk")


class AckStoreMachine(RuleBasedStateMachine):
    """A store under every order of operations, completions and faults. Subclasses give `begin`, and `done`.

    Hypothesis leaves out some of the rules in each run (swarm testing: Groce et al., ISSTA 2012), so that what they
    keep from happening happens too.
    """

    run: Simulation
    ending = "none"

    def begin(self, max_attempts: int | None, fastpath: bool) -> Simulation:
        """Return a fresh run of a store with these traits, as far as it can have them."""
        raise NotImplementedError

    def done(self) -> None:
        """Note that the run is over."""
        raise NotImplementedError

    def take(self, step: str, **arguments: object) -> None:
        """Take one step of the run, unless it is over: every level that is judged is broken."""
        if self.run.panel.standing:
            with suppress(Broken):
                getattr(self.run, step)(**arguments)

    @initialize(
        ending=st.sampled_from(ENDINGS),
        max_attempts=st.sampled_from([None, None, 2, 4]),
        fastpath=st.booleans(),
        begun=st.sampled_from(BEGUN),
    )
    def open_the_store(
        self, ending: str, max_attempts: int | None, fastpath: bool, begun: int | dict[str, int] | None
    ) -> None:
        self.ending = ending
        self.run = self.begin(max_attempts, fastpath)
        if isinstance(begun, dict):
            self.take("grow_old", **begun)
        elif begun:
            for queue in range(len(QUEUES)):
                self.take("begin_at", queue=queue, offset=begun)

    # --- clients ----------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 4), queue=QUEUE, invisible=st.sampled_from([LONG, LONG, SHORT]))
    def pop(self, count: int, queue: int, invisible: float) -> None:
        self.take("pop", count=count, queue=queue, invisible=invisible)

    @rule(count=st.integers(4, 12))
    def crowd(self, count: int) -> None:
        for queue in range(len(QUEUES)):
            self.take("publish", queue=queue, count=(count + 1) // len(QUEUES))
        self.take("crowd", count=count)

    @rule(count=st.integers(2, 4), queue=QUEUE, which=FEW, acked=st.integers(1, 3))
    def consume(self, count: int, queue: int, which: int, acked: int) -> None:
        """Pop and ack some, on a page cache that works: the way to the states where something is at stake."""
        self.take("publish", queue=queue, count=count)
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
    @rule(which=FEW, count=st.integers(2, 4), twice=st.booleans())
    def ack_many(self, which: int, count: int, twice: bool) -> None:
        self.take("ack_many", which=which, count=count, twice=twice)

    @precondition(lambda self: self.run.given and self.run.can("renew"))
    @rule(which=FEW, invisible=st.sampled_from([LONG, SHORT, 2 * LONG]))
    def renew(self, which: int, invisible: float) -> None:
        self.take("renew", which=which, invisible=invisible)

    @precondition(lambda self: self.run.given and self.run.can("release"))
    @rule(which=FEW)
    def release(self, which: int) -> None:
        self.take("release", which=which)

    @precondition(lambda self: self.run.can("reset") and self.run.ran["reset"] < 2)
    @rule(queue=QUEUE, offset=st.integers(0, MESSAGES))
    def reset(self, queue: int, offset: int) -> None:
        self.take("reset", queue=queue, offset=offset)

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
        self.take("fill_up", written=written)
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

    # --- flows: ways to what chance alone seldom reaches; each begins with messages that it can pop -------------------

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
        self.take("publish", queue=queue, count=count)
        self.take("pop", count=count, queue=queue)
        self.take("finish_writes")
        self.take("wait", seconds=0.15)
        self.take("finish_but", which=which)
        self.take("wait", seconds=0.15)
        self.take("finish_but", which=which)
        self.take("lose_power", fate=fate)

    @rule(count=st.integers(2, 4), queue=QUEUE, acked=st.integers(1, 2), fate=FATES)
    def give_up_a_sync(self, count: int, queue: int, acked: int, fate: int) -> None:
        """Have a sync of acks take so long that it must be given up, and lose the power."""
        self.take("finish_all")
        self.consume(count=count, queue=queue, which=-1, acked=acked)
        self.take("wait", seconds=0.15)
        self.take("wait", seconds=2.5)
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

    @precondition(lambda self: self.run.can("renew"))
    @rule(queue=QUEUE, more=st.sampled_from([LONG, LONG, SHORT]))
    def renew_and_wait(self, queue: int, more: float) -> None:
        """Renew what would soon be back, and ask for it after its first deadline."""
        self.take("publish", queue=queue, count=1)
        self.take("pop", count=1, queue=queue, invisible=SHORT)
        self.take("finish_all")
        self.take("renew", which=-1, invisible=more)
        self.take("finish_all")
        self.take("wait", seconds=SHORT)
        self.take("pop", count=4, queue=queue)
        self.take("finish_writes")

    @precondition(lambda self: self.run.can("renew"))
    @rule(queue=QUEUE, more=st.sampled_from([SHORT, LONG]), acked=st.booleans(), stop=STOPS, fate=FATES)
    def renew_and_stop(self, queue: int, more: float, acked: bool, stop: str, fate: int) -> None:
        """Renew what would soon be back, perhaps ack it, stop the store, and ask for it after its first deadline."""
        self.take("publish", queue=queue, count=1)
        self.take("pop", count=1, queue=queue, invisible=SHORT)
        self.take("finish_all")
        self.take("renew", which=-1, invisible=more)
        self.take("finish_all" if fate % 2 else "finish_writes")
        if acked:
            self.take("ack", which=-1)
            self.take("finish_writes")
        self.stop(stop, fate)
        self.take("wait", seconds=SHORT)
        self.take("pop", count=4, queue=queue)
        self.take("finish_writes")

    @precondition(lambda self: self.run.can("renew") and not self.run.ran["renew_often"])
    @rule(queue=QUEUE, times=st.integers(24, 40), slow=st.booleans(), stop=STOPS, fate=FATES)
    def churn(self, queue: int, times: int, slow: bool, stop: str, fate: int) -> None:
        """Fill segments with what soon is old news, while something is in hand and something settled; let the store
        begin to get rid of it, and stop it; or lose the power meanwhile, while the syncs are slow."""
        self.consume(count=2, queue=queue, which=-1, acked=1)
        self.take("renew_often", which=-2, times=times)
        for late in range(6):
            self.take("wait", seconds=0.15)
            self.take("finish_writes" if slow and late else "finish_all")
        self.stop("lose_power" if slow else stop, fate)
        self.take("pop", count=4, queue=queue)

    @precondition(lambda self: self.run.given and self.run.can("release"))
    @rule(which=FEW, stop=STOPS, fate=FATES, again=st.booleans())
    def release_and_ack(self, which: int, stop: str, fate: int, again: bool) -> None:
        """Release, perhaps stop the store, perhaps let somebody else have it, and ack the receipt that was given up."""
        self.take("finish_writes")
        self.take("release", which=which)
        self.take("finish_writes")
        self.stop(stop, fate)
        if again:
            self.take("pop", count=4, queue=which)
            self.take("finish_writes")
        self.take("ack", which=which)
        self.take("finish_writes")

    @precondition(lambda self: self.run.panel.max_attempts)
    @rule(queue=QUEUE, times=st.integers(1, 4), stop=STOPS, fate=FATES)
    def exhaust(self, queue: int, times: int, stop: str, fate: int) -> None:
        """Hand out again and again what nobody acks, and stop the store before or after the last time."""
        self.take("publish", queue=queue, count=2)
        for _ in range(times):
            self.take("pop", count=2, queue=queue, invisible=SHORT)
            self.take("finish_all")
            self.take("wait", seconds=SHORT)
        self.stop(stop, fate)
        self.take("finish_writes")

    @precondition(lambda self: self.run.can("reset") and self.run.ran["reset"] < 3)
    @rule(queue=QUEUE, offset=st.integers(0, MESSAGES), stop=STOPS, fate=FATES, work=st.booleans())
    def reset_and_stop(self, queue: int, offset: int, stop: str, fate: int, work: bool) -> None:
        """Settle some, reset the offset, perhaps go on from there, and stop the store."""
        self.consume(count=3, queue=queue, which=-1, acked=2)
        self.take("finish_all")
        self.take("wait", seconds=0.15)
        self.take("finish_all")
        self.take("reset", queue=queue, offset=offset)
        self.take("finish_all")
        self.take("wait", seconds=0.15)
        self.take("finish_all")
        if work:
            self.consume(count=2, queue=queue, which=-2, acked=1)
        self.stop(stop, fate)

    def stop(self, how: str, fate: int) -> None:
        """Stop the store and open it again, if `how` is a way to do that."""
        if how in ("crash", "lose_power"):
            self.take(how, fate=fate)
        elif how == "restart":
            self.take("restart")

    # --- the questions at the end -----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Ask what every run must answer."""
        if not hasattr(self, "run"):
            return  # Hypothesis gave up before the first step
        try:
            self.before_the_questions()
            self._ask()
        finally:
            self.done()

    def before_the_questions(self) -> None:
        """Do what is to be done in every run."""

    def _ask(self) -> None:
        if self.ending == "process crash":
            self.take("crash", fate=0)
        elif self.ending == "power loss":
            self.take("lose_power", fate=0)
        elif self.ending == "clean restart":
            self.take("restart")
        elif self.ending == "full disk":
            self.take("finish_all")
            self.take("publish", queue=0, count=1)
            self.take("pop", count=1)
            self.take("finish_writes")
            self.take("ack", which=-1)
            self.take("fail_write", written=0)
        self.take("survey")
        self.take("settle_everything")
        self.take("lose_power", fate=0)
        self.take("survey")
        self.take("restart")
        self.take("survey")
        self.take("close")


class SeveralLogsMachine(AckStoreMachine):
    """The same, for a store with several logs: what one of them has done must not count for another."""

    @rule(acked=st.integers(1, 2), which=FEW, stop=LOSSES, fate=FATES)
    def flush_past_a_slow_log(self, acked: int, which: int, stop: str, fate: int) -> None:
        """Ask for a barrier over acks in every queue, while one file's sync takes long, and stop the store."""
        self.take("finish_all")
        for queue in range(len(QUEUES)):
            self.consume(count=2, queue=queue, which=-1, acked=acked)
        self.take("flush")
        self.take("finish_but", which=which)
        self.stop(stop, fate)
