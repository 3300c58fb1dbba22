"""Rules of the machine that get where chance seldom does: a fault at a chosen moment, and then what was opened is used.

Each rule takes one number that Hypothesis draws, and draws the rest from that: what a fault is aimed at, how that I/O
ends, what is asked of the store before the disk works again, and how the store is stopped. What was reached is counted
(`Devices.in_play`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ackcheck.rig.spoilt import KINDS
from ackcheck.sim.aims import LYING, MIDDLE, PURPOSES, RESET_SYNC
from ackcheck.sim.devices import LONG, QUEUES, SHORT
from ackcheck.sim.simulation import Simulation

SEED = st.integers(0, 9999)
"""What a rule draws the rest from."""

CONSUMERS = 3

CLOCKS = (-600.0, -7.0, -0.05, 3.0, 7.0, 3600.0)
"""Seconds by which the clock is set between two opens."""

STOPS = ("crash", "lose_power", "lose_power", "restart", "not")

SELDOM = 64
"""Of so many times that a rule is chosen which takes long, it does something once."""

CHURNED = 24
"""Renewals after which a compaction is worth while, in a store with small segments."""


class AimedRules(RuleBasedStateMachine):
    """Rules for a machine: faults that wait for their moment, exact times, a clock that is set, consumers, damage."""

    run: Simulation
    take: Callable[..., None]
    consume: Callable[..., None]
    stop: Callable[[str, int], None]

    seed = 0
    """What the window at the end of the run is drawn from."""

    @initialize(seed=SEED)
    def draw(self, seed: int) -> None:
        self.seed = seed

    def drawn_from(self, seed: int) -> Random:
        """Return what a rule draws the rest from: other choices each time, though Hypothesis likes to repeat itself."""
        return Random(f"{seed} {self.run.script}")

    def before_the_questions(self) -> None:
        """Open one window more, so that every run has one, and is asked about it at once."""
        if self.seed % 4:
            self.use_a_window(seed=self.seed)
        else:
            self.outlast_a_deadline(seed=self.seed)

    # --- a window, and its use ----------------------------------------------------------------------------------------

    @rule(seed=SEED)
    def use_a_window(self, seed: int) -> None:
        """Have an I/O fail or hang that was chosen, do something meanwhile, and stop the store or heal the disk."""
        random = self.drawn_from(seed)
        at, queue = random.choice(PURPOSES), random.randint(0, 1)
        self.take("heal")
        self.take("finish_all")
        self.take("publish", queue=queue, count=4)
        self._come_near(at, random, queue)
        self.take(
            "aim",
            at=at,
            how=random.choice(("fails", "fails", "hangs", *(("lies",) * 3 if at in LYING else ()))),
            times=random.choice((1, 1, 2, 9)),
            written=MIDDLE if at == "batch" else random.choice((0, 0, 20, MIDDLE, 1000)),
            wider=random.random() < 0.3,
        )
        self._meet(at, random, queue)
        if random.random() < 0.4:
            self.take("wait", seconds=9.0)  # longer than who asked waits for an answer
        for _ in range(random.randint(1, 3)):
            self._use(random)
        self._leave_the_window(random)

    @precondition(lambda self: self.run.given)
    @rule(seed=SEED)
    def fail_one_message_for_ever(self, seed: int) -> None:
        """Have every write fail, or hang, that speaks of one message, while others are worked on."""
        random = self.drawn_from(seed)
        which = random.randint(0, 7)
        self.take("finish_writes")
        self.take("aim_at_message", which=which, how=random.choice(("fails", "fails", "hangs")))
        for _ in range(random.randint(1, 3)):
            self.take(random.choice(("ack", "release", "ack")), which=which)
            self._use(random)
        self._leave_the_window(random)

    @rule(seed=SEED)
    def outlast_a_deadline(self, seed: int) -> None:
        """Have what was asked of a delivery hang until its deadline has passed, and others ask for the message."""
        random = self.drawn_from(seed)
        queue, step = random.randint(0, 1), random.choice(("ack", "ack", "renew", "release", "ack_many"))
        self.take("heal")
        self.take("finish_all")
        self.take("publish", queue=queue, count=2)
        self.take("pop", count=random.randint(1, 2), queue=queue, invisible=SHORT)
        self.take("finish_all")
        self.take(step, which=-1, **({"count": 2} if step == "ack_many" else {}))
        for _ in range(random.randint(1, 2)):
            self.take("wait", seconds=SHORT)
            self.take("pop", count=4, queue=random.randint(0, 1))
        if random.random() < 0.6:
            self.take("fail_write", written=random.choice((0, 20, 1000)))
        self.take(random.choice(("finish_writes", "finish_all")))
        self._leave_the_window(random)

    @precondition(lambda self: self.run.can("reset") and self.run.ran["reset"] < 4)
    @rule(seed=SEED)
    def reset_beside_others(self, seed: int) -> None:
        """Reset the offset of a queue while others are at work on it, before it and after it."""
        random = self.drawn_from(seed)
        queue = random.randint(0, 1)
        self.take("finish_all")
        self.take("publish", queue=queue, count=4)
        self.take("pop", count=random.randint(2, 4), queue=queue, invisible=random.choice((LONG, LONG, SHORT)))
        self.take("finish_writes")
        for _ in range(random.randint(1, 2)):
            self._work_on(queue, random)
        self.take("reset", queue=queue, offset=self._near_what_is_out(queue, random))
        for _ in range(random.randint(1, 3)):
            self._work_on(queue, random)
            self.take("finish", which=random.randint(0, 7))
        if random.random() < 0.3:
            self.take("fail_sync", which=0)
        self.take(random.choice(("finish_all", "finish_writes")))
        self.stop(random.choice(STOPS), random.randint(0, 9))

    @precondition(lambda self: not self.run.ran["flood"])
    @rule(seed=SEED)
    def let_hundreds_expire(self, seed: int) -> None:
        """Hand out hundreds of messages at once, and have them all come back at once; seldom, as it takes long."""
        if seed % SELDOM:
            return
        random = self.drawn_from(seed)
        queue, count = random.randint(0, 1), random.choice((60, 250))
        self.take("flood", queue=queue, count=count)
        self.take("finish_all")
        self.take("ack_many", which=-1, count=count // 3)
        self.take(random.choice(("finish_all", "finish_writes")))
        self.stop(random.choice(STOPS), random.randint(0, 9))
        self.take("wait", seconds=SHORT)
        self.take("pop", count=count, queue=queue)
        self.take("finish_writes")

    def _near_what_is_out(self, queue: int, random: Random) -> int:
        """Return an offset for a queue to begin again at: most often just at, or behind, a message that is handed out.
        That one is as new then, or settled, and the offset stands right before it, or right behind."""
        if random.random() < 0.3:
            return random.randint(0, 6)
        return self.run.place_of(which=random.randint(-3, -1), queue=queue) + random.choice((0, 0, 1))

    def _work_on(self, queue: int, random: Random) -> None:
        """Ask for one thing of a queue, of what was handed out last."""
        step = random.choice(("ack", "ack", "ack_many", "renew", "release", "pop"))
        which = random.randint(-3, -1)
        more = {"ack_many": {"which": which, "count": 2}, "pop": {"count": 2, "queue": queue}}
        self.take(step, **more.get(step, {"which": which}))

    def _leave_the_window(self, random: Random) -> None:
        """Have the disk work again, or not yet; then stop the store, or see whether everything comes that must."""
        if random.random() < 0.8:
            self.take("heal", late=random.random() < 0.5)
        if random.random() < 0.35:
            self.take("survey")
        else:
            self.stop(random.choice(STOPS), random.randint(0, 9))

    def _come_near(self, at: str, random: Random, queue: int) -> None:
        """Come to where the next I/O is the one that a fault is aimed at, or one soon after."""
        if at not in ("delivery", "create"):
            invisible = SHORT if at in ("redelivery", "dead letter") else random.choice((LONG, LONG, SHORT))
            count = random.randint(1, 4)
            self.take("pop", count=count, queue=queue, invisible=invisible, consumer=random.randrange(CONSUMERS))
            self.take("finish_writes" if at in ("rewrite", "sync", "sync_directory") else "finish_all")
        if at == "redelivery":
            self.take("wait", seconds=SHORT)
        elif at == "dead letter":
            for _ in range((self.run.panel.max_attempts or 1) - 1):
                self.take("wait", seconds=SHORT)
                self.take("pop", count=4, queue=queue, invisible=SHORT)
                self.take("finish_all")
        elif at == "rewrite":
            self.take("wait", seconds=0.15)
        elif at == "batch":
            self.take("renew", which=-1)  # its write is under way, and what comes meanwhile goes into the next one
        elif at in ("state", "sync", "reset", RESET_SYNC) or at.startswith("derived"):
            self.take("ack", which=-1)
            self.take("finish_writes")
        elif at == "unlink" and self.run.can("renew"):
            self.take("renew_often", which=-1, times=CHURNED)

    def _meet(self, at: str, random: Random, queue: int) -> None:
        """Have the store ask for that I/O, and let it end."""
        if at in ("delivery", "redelivery"):
            self.take("pop", count=random.randint(1, 4), queue=queue)
        elif at == "ack":
            self.take("ack_many", which=-1, count=random.randint(1, 2), twice=random.random() < 0.3)
        elif at in ("renewal", "release") and self.run.can("release"):
            self.take(at.replace("renewal", "renew"), which=-1)
        elif at == "dead letter":
            self.take("wait", seconds=SHORT)
        elif at in ("reset", RESET_SYNC):
            self.take("finish_all")
            self.take("reset", queue=queue, offset=self._near_what_is_out(queue, random))
        elif at == "rewrite":
            self.take("fail_sync", which=0, wider=random.random() < 0.5)
        elif at == "batch":
            for which in random.sample((-1, -2, -3, -4), 3):
                self.take(random.choice(("ack", "release", "ack")), which=which)
            self.take("pop", count=2, queue=1 - queue)
        elif at in ("create", "sync_directory"):
            self.take("crowd", count=random.randint(4, 8))
            self.take("finish_writes")
            self.take("wait", seconds=0.15)
        else:  # a sync, a hand-over, a step of a derived file, what a compaction does
            self._have_all_flushed(random)
        self.take(random.choice(("finish_writes", "finish_all")))

    def _have_all_flushed(self, random: Random) -> None:
        """Have what is written flushed, by a barrier or in time, and what derives from it written."""
        if random.random() < 0.6:
            self.take("flush")
        for _ in range(random.randint(1, 4)):
            self.take("wait", seconds=random.choice((0.15, 0.15, 1.1)))
            self.take("finish_all")

    def _use(self, random: Random) -> None:
        """Do one thing while a fault is in play."""
        which, queue, fate = random.randint(-4, 3), random.randint(0, 1), random.randint(0, 9)
        step, arguments = random.choice(
            (
                ("ack", {"which": which}),
                ("ack", {"which": -1}),
                ("ack_many", {"which": which, "count": 3, "twice": fate < 3}),
                ("renew", {"which": which, "invisible": SHORT}),
                ("release", {"which": which}),
                ("pop", {"count": 4, "queue": queue, "consumer": fate % CONSUMERS}),
                ("reset", {"queue": queue, "offset": fate}),
                ("flush", {}),
                ("idle", {"seconds": random.choice((1.0, 3.0, 9.0))}),
                ("wait", {"seconds": 9.0}),
                ("leave", {"consumer": fate % CONSUMERS}),
                ("stop_in_trouble", {}),
                ("crash", {"fate": fate}),
                ("lose_power", {"fate": fate}),
            )
        )
        self.take(step, **arguments)
        end = random.choice(("finish_writes", "finish_writes", "finish_all", "finish", "finish_but"))
        self.take(end, **({"which": fate} if end in ("finish", "finish_but") else {}))

    # --- idleness, times, clocks --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 1.0, 3.0, SHORT, LONG]))
    def idle(self, seconds: float) -> None:
        self.take("idle", seconds=seconds)

    @rule(seed=SEED)
    def meet_a_deadline(self, seed: int) -> None:
        """Ask for something at a deadline, a tick before or after it, before or after the store's timers run."""
        random = self.drawn_from(seed)
        queue = random.randint(0, 1)
        self.take("publish", queue=queue, count=1)
        self.take("pop", count=random.randint(1, 2), queue=queue, invisible=SHORT)
        self.take("finish_all")
        if random.random() < 0.4:
            self.take("renew", which=-1, invisible=SHORT)
            self.take("finish_all")
        if random.random() < 0.2:
            self.take(random.choice(("crash", "lose_power")), fate=random.randint(0, 1))
        self.take("wait_until", which=-1, ticks=random.choice((-1, 0, 0, 1)), late=random.random() < 0.5)
        step = random.choice(("ack", "pop", "pop", "renew", "release", "ack_many"))
        more = {"ack_many": {"which": -1, "count": 2}, "pop": {"count": 4, "queue": queue}}
        self.take(step, **more.get(step, {"which": -1}))
        self.take("finish_writes")
        how = random.random()
        if how < 0.2:
            self.take("pop", count=4, queue=queue)
            self.take("finish_writes")
        elif how < 0.4:
            self.take("drain", queue=queue)

    @precondition(lambda self: self.run.at_stake)
    @rule(seed=SEED)
    def set_the_clock(self, seed: int) -> None:
        """Stop the store, set the clock, and go on; perhaps with fewer messages than there were."""
        random = self.drawn_from(seed)
        clock, fate = random.choice(CLOCKS), random.randint(0, 9)
        clock = abs(clock) if self.run.panel.max_attempts else clock  # what died does not come back with the time
        match random.choice(("crash", "lose_power", "restart")):
            case "crash":
                self.take("crash", fate=fate, clock=clock)
            case "lose_power":
                self.take("lose_power", fate=fate, clock=random.choice((0.0, clock)), fewer=random.randint(0, 4))
            case _:
                self.take("restart", clock=clock)

    # --- consumers, damage, and what was recovered --------------------------------------------------------------------

    @precondition(lambda self: self.run.can("leave"))
    @rule(seed=SEED)
    def come_and_go(self, seed: int) -> None:
        """Have two consumers take messages, one go, and another ask for what is its."""
        random = self.drawn_from(seed)
        queue = random.randint(0, 1)
        self.take("publish", queue=queue, count=4)
        for consumer in range(2):
            self.take("pop", count=random.randint(1, 3), queue=queue, consumer=consumer)
            self.take("finish_writes")
        if random.random() < 0.5:
            self.take("ack", which=random.choice((-1, -2)))
        self.take("leave", consumer=random.randint(0, 1))
        self.take(random.choice(("finish_writes", "finish_all")))
        self.take("pop", count=4, queue=queue, consumer=2)
        self.take("finish_writes")

    @precondition(lambda self: self.run.at_stake and self.run.ran["damage"] < 3)
    @rule(kind=st.sampled_from(KINDS), which=st.integers(0, 15), at=SEED)
    def damage(self, kind: str, which: int, at: int) -> None:
        self.take("damage", kind=kind, which=which, at=at)

    @precondition(lambda self: self.run.at_stake)
    @rule(seed=SEED)
    def close_in_trouble(self, seed: int) -> None:
        """Have a fault wait for what closing needs: the sync, the file that derives, the entries of both."""
        random = self.drawn_from(seed)
        self.take("finish_writes")
        at = random.choice(("sync", "sync", "rewrite", "sync_directory", "derived write", "derived sync", "create"))
        how = random.choice(("fails", "fails", "hangs"))
        self.take("aim", at=at, how=how, times=random.choice((1, 1, 2)), wider=random.random() < 0.5)
        self.take("stop_in_trouble")
        self.take("heal")

    @rule(seed=SEED)
    def replace_derived_files(self, seed: int) -> None:
        """Settle something in every queue, and have the files that derive from it replaced, step by step, in any order:
        of a store with several logs there are several under way at once."""
        random = self.drawn_from(seed)
        for queue in range(len(QUEUES)):
            self.consume(count=2, queue=queue, which=-1, acked=random.randint(1, 2))
        self.take("flush")
        self.take("finish_all")
        self.take("wait", seconds=0.15)
        for _ in range(random.randint(2, 9)):
            self.take(random.choice(("finish", "finish", "finish", "fail_sync")), which=random.randint(0, 7))
        self.stop(random.choice(STOPS), random.randint(0, 9))
