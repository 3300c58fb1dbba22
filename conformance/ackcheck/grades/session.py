"""One directory, one store on it that is hurt again and again, and what is asked of it after each time.

How its answers are judged, and why that is sound, is told in `ackcheck.grades.traffic`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from random import Random

from attrs import Factory, define, evolve, field

from ackcheck.grades.answers import Offered, Shown, offered_by, reply_of
from ackcheck.grades.copied import copied
from ackcheck.grades.draining import BATCH, RECORDED, Pace, at_once
from ackcheck.grades.repairing import start_repaired
from ackcheck.grades.traffic import Traffic
from ackcheck.grades.waiting import STOPS
from ackcheck.grades.workload import QUEUES, WINDOW, Call
from ackcheck.hits import Fault, Hits
from ackcheck.panel import Panel, Stop
from ackcheck.promises import STRICT, Promises
from ackcheck.rig.child import Child
from ackcheck.rig.errors import FileSystemDead, ProtocolError, TargetDied, TargetError
from ackcheck.rig.exchange import Killed
from ackcheck.rig.killpoint import AfterReplies, KillPoint
from ackcheck.rig.witness import held_in, why_dead
from ackcheck.target import PROTOCOL
from ackmodel import CommitPolicy
from ackmodel.observe.events import ProcessCrashed, Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.survey import AtRest, DeadLetters, Popping, settle_everything, survey

LAST_MOMENT = 0.003
"""Seconds, at most, from the last call of a round to its end; mostly much less, so that it ends inside of something."""

FEW = 20
"""Messages published in each queue every time the store is opened."""

PATIENCE = 3.0
"""Seconds that a store may take to bring back a message whose deadline has passed, or to list it among the dead. All
three are time that it has had (`ackcheck.grades.uptime`), and more where it promises more grace, or coarser ones."""

RESTING = 10.0
"""Seconds that a store whose disk works may take to come to rest."""

REFUSING = 10.0
"""Seconds after which a store whose disk works, and that still refuses a pop, is said not to answer again."""

ENDING = 1_000_000
"""The number, for its choices, of what ends a case: no case has so many rounds."""


@define(eq=False)
class Session:
    """A target in a child process, and everything that is seen of it from an empty directory on.

    `random` chooses the faults, and begins anew from `seed` in every round, as what the calls are chosen by does: when
    the answers come changes what is drawn from it, and is never the same twice.
    """

    child: Child
    directory: Path
    panel: Panel
    seed: str
    commit: CommitPolicy
    ran: Counter[str]
    traffic: Traffic = field(init=False)
    random: Random = field(init=False)
    stated: Promises | None = None
    """What is promised, whatever the target says of itself."""
    turn: int = 0
    """By what those things go that are done in some cases, or rounds, and not in others."""
    hits: Hits = field(factory=Hits)
    """The faults, as they were seen to hit."""
    fault: Fault | None = None
    """What the last of them came to."""
    offered: Offered | None = None
    """What the target offers beyond the rest; None before it was first opened."""
    round: int | None = None
    """The round of its case that it is in, from 1; 0 in what ends the case; None where a case has no rounds."""
    _killed: Killed | None = None
    published: int = 0
    """How many messages each queue holds."""
    _owed: int = 0  # messages that are still to be published in each queue
    _safe: bool = False  # whether a barrier was answered OK since what was published last
    _rounds: int = 0
    _pace: Pace = Factory(Pace)

    def __attrs_post_init__(self) -> None:
        self.traffic = Traffic(self.child, self.panel, Random(), self.ran, self.commit)
        self.begin_round()

    def twin(self, child: Child) -> Session:
        """Return a session that knows what this one does, of the same target in another process."""
        return copied(self, {id(self.child): child, id(self.ran): Counter[str]()})

    def begin_round(self) -> None:
        """Begin the choices anew."""
        self._rounds += 1
        if self._owed:
            self.publish()
        self.random = Random(f"{self.seed}/{self._rounds}")
        self.traffic.random.seed(f"{self.seed}/{self._rounds}/calls")

    def go_to_round(self, number: int) -> None:
        """Have the next round that begins be this one, whichever came before: its choices follow from its number."""
        self.round, self._rounds = number, number or ENDING

    @property
    def promises(self) -> Promises:
        """What is judged: what was stated, or else what the target says, or else everything."""
        return self.stated or (self.offered.promises if self.offered else STRICT)

    @property
    def patience(self) -> float:
        """Seconds that a message may be late."""
        return PATIENCE + self.promises.grace - STRICT.grace + self.promises.granularity

    @property
    def resting(self) -> float:
        """Seconds that the store may take to come to rest."""
        return RESTING + self.patience - PATIENCE + self.promises.settles_after

    @property
    def refusing(self) -> float:
        """Seconds for which the store may refuse to hand anything out."""
        return REFUSING + self.patience - PATIENCE

    @property
    def now(self) -> float:
        """Seconds since the session began."""
        return self.traffic.now

    def note(self, lane: str, text: str) -> None:
        """Note in the history what was done to the store."""
        self.traffic.history.add(lane, text)

    def note_end(self, lane: str, text: str) -> None:
        """Note that the target is about to be ended, with what it has under way."""
        self.traffic.ended_at = self.now
        calls = self.child.in_flight
        self.note(lane, f"{text}, at {self.now:.3f} s, {calls or 'no'} call{'' if calls == 1 else 's'} under way")

    # --- opening, working, and being stopped ------------------------------------------------------------------------

    def open(
        self, event: Stop | None = None, *, more: int = FEW, first: Callable[[Session], None] | None = None
    ) -> None:
        """Start the target on its directory, `event` being why again; do what comes `first`; publish `more` messages.

        Raises `Broken` where the store cannot be opened again, `FileSystemDead` where nobody could read its directory.
        """
        try:
            self.start()
        except (TargetError, TargetDied) as error:
            if event is None:
                raise
            if reason := why_dead(self.directory):
                raise FileSystemDead(reason) from error
            start_repaired(self, event, error)
        if first is not None:
            first(self)
        self.come_up(event, more=more)

    def come_up(self, event: Stop | None, *, more: int) -> None:
        """Tell a store that has opened its directory what it holds, as far as need be, and have it show itself."""
        self.traffic.uptime.opened(self.now)
        self._owed += more
        if not self._survived(event):
            self.publish()
        self.look()
        self.child.mark()  # what it writes from here on is what it was asked for

    def start(self) -> None:
        """Start the target, and wait until it has opened its directory."""
        self.begin_open()
        self._take_offer(offered_by(self.child.receive().value()))
        self.traffic.causes.opened()

    def publish(self, more: int = 0) -> None:
        """Publish what is owed, and so many more in each queue, and all that was published before again."""
        self.traffic.settle()
        self.published = self.traffic.work.end = self.published + self._owed + more
        self._owed = 0
        for queue in QUEUES:
            self.panel.each(lambda oracle: oracle.published(queue, self.published))
            self.child.call("publish", queue=queue, end=self.published)
            self.ran["publish"] += 1
        self._safe = self.promises.publish == "durable" and self.flush() is Reply.OK

    def _survived(self, event: Stop | None) -> bool:
        """Whether what was published is promised to have survived, and so is not published again before it was seen."""
        if event is None or self.promises.publish != "durable":
            return False
        return self._safe or self.panel.promises_to_survive(event)

    def _take_offer(self, offered: Offered) -> None:
        """Note what may be asked of the target; raise `ProtocolError` where it said otherwise before."""
        if self.offered not in (None, offered):
            raise ProtocolError(f"'open' was answered {offered}, and before {self.offered}; answer always the same")
        self.offered = offered
        self.traffic.promised(self.promises)
        self.traffic.work.offers = offered.methods
        self.panel.each(lambda oracle: oracle.says_attempts(offered.max_attempts))

    def begin_open(self) -> None:
        """Start the target and ask it to open its directory, without waiting for it."""
        self.note("store", f"opens the directory, at {self.now:.3f} s")
        self.ran["open"] += 1
        if self.child.pid is None:
            self.child.start()
        self.child.send("open", directory=str(self.directory), protocol=PROTOCOL)

    def run(self, until: KillPoint) -> None:
        """Keep the target busy until the point, and leave it with a burst of calls under way."""
        began, answered = time.perf_counter(), 0
        while True:
            passed = time.perf_counter() - began
            if answered >= until.count if isinstance(until, AfterReplies) else passed >= until.seconds:
                break
            if room := WINDOW - self.child.in_flight:
                self._burst(self.traffic.random.randint(1, room))
                answered += self.traffic.take(self.child.poll())
            elif isinstance(until, AfterReplies):
                answered += self.traffic.take([self.child.receive()])
            else:
                self.traffic.take(self.child.poll(min(0.01, until.seconds - passed)))
        self._last_burst()

    def _last_burst(self) -> None:
        """Fill the window while the target stands still, so that it gets all of it at once, and let it run."""
        while answers := self.child.poll():
            self.traffic.take(answers)
        self.child.stop()
        self._burst(WINDOW - self.child.in_flight)
        self.child.go_on()
        time.sleep(LAST_MOMENT * self.traffic.random.random() ** 3)

    def _burst(self, calls: int) -> None:
        for _ in range(calls):
            self.traffic.ask(self.traffic.work.choose())

    def stopped(self, killed: Killed, event: Stop) -> None:
        """Tell the oracle that the store stopped, and before that which calls it had answered, and which not."""
        at = min(self.traffic.ended_at, self.now)
        self.traffic.cut_off(killed)
        self.hold_to_what_has_passed(at)
        self.traffic.waiting.stopped()
        self.traffic.ages.stopped(event, at)
        self.traffic.reached.stopped(STOPS[type(event)])
        self.traffic.lenient.before_a_stop(self.panel, STOPS[type(event)])
        self.panel.stopped(event)
        self.traffic.history.step += 1

    def kill(self) -> Killed:
        """SIGKILL the target where it is, and return what was seen of it."""
        self.note_end("store", "SIGKILL")
        self.ran["SIGKILL"] += 1
        killed = self.child.kill()
        self.hit(killed, Fault.PROCESS_CRASH)
        self.stopped(killed, ProcessCrashed())
        return killed

    def hit(
        self, killed: Killed, fault: Fault, *, lost: int = 0, refused: int = 0, peers: tuple[str, ...] = ()
    ) -> None:
        """Note a fault of which a kill was a part, as it was seen to hit; a second one of the same kill that was not
        seen takes nothing from the first."""
        hit = killed.hit(fault, lost=lost, refused=refused, peers=peers)
        if killed is not self._killed or hit.came_to is fault:
            self.fault = hit.came_to
        self._killed = killed
        self.hits = self.hits.plus(hit)
        if hit.missed:
            self.note("store", hit.missed)

    def close(self, *, busy: bool = False) -> Reply:
        """Close the store in order, if `busy` with calls under way, and end its process."""
        if busy:
            self._burst(WINDOW - self.child.in_flight)
        else:
            self.traffic.settle()
        self.ran["close"] += 1
        reply = self._closing(self.child.send("close"))
        self.note("client", f"close is answered {reply.value}")
        self.hold_to_what_has_passed(self.now)
        self.traffic.waiting.closing(self.panel)
        self.panel.each(lambda oracle: oracle.closed(reply))
        return reply

    def end(self) -> tuple[Killed, tuple[str, ...]]:
        """End the process of a store that was closed; return what it was seen to do, and to whom it was connected."""
        self.fault = Fault.CLEAN_RESTART
        peers = () if self.hits.wrote else self.child.peers()
        self.child.close()
        return evolve(self.child.kill(), **self.child.traces()), peers

    def _closing(self, number: int) -> Reply:
        """Wait for the answers to a close, and to all that was under way; what raises meanwhile is unknown."""
        reply: Reply | None = None
        self.traffic.forgiving, before = True, self.traffic.forgiving
        while reply is None or self.traffic.under_way:
            for exchange in [self.child.receive()]:
                if exchange.id == number:
                    reply = reply_of(exchange.value(), "close")
                else:
                    self.traffic.take([exchange])
        self.traffic.forgiving = before
        return reply

    # --- judging ----------------------------------------------------------------------------------------------------

    def until_back(self) -> None:
        """Wait until what was hidden for a short time must be back."""
        self.traffic.settle()
        time.sleep(max(0.0, self.traffic.back_at + self.traffic.slack - self.now))

    def survey(self) -> None:
        """Wait until what was hidden for a short time must be back, pop every queue empty, and judge what came."""
        self.until_back()
        survey(self)
        self.traffic.ages.all_asked_for = True
        self.look()

    def settle_everything(self) -> None:
        """Ack everything, and flush: then the store comes to rest, with the offset of what is settled at the end."""
        settle_everything(self)

    def ask(self, call: Call) -> None:
        """Ask for something, and wait for every answer."""
        self.traffic.ask(call)
        self.traffic.settle()

    def pop(self, queue: str, count: int, invisible: float, consumer: str = "") -> list[str]:
        """Pop when nothing else is under way; return the receipts that were given."""
        self.traffic.settle()
        before = len(self.traffic.where)
        self.ask(self.traffic.work.pop(queue, count, invisible, consumer))
        return list(self.traffic.where)[before:]

    def flush(self) -> Reply:
        """Ask for a barrier, if there is one, and wait for its answer."""
        if self.promises.barrier == "none":
            return Reply.UNKNOWN
        self.traffic.ask(Call("flush", "flush"))
        self.traffic.settle()
        return self.traffic.barrier

    def hold_to_what_has_passed(self, at: float) -> None:
        """Hold the store to what it promised for a time that is over, by then."""
        if self.traffic.waiting.passed(self.panel, at):
            self.note("client", "has waited longer than the promised time: what was answered before it is safe")

    def look(self) -> Shown:
        """Have the store show itself when nothing is under way."""
        self.traffic.settle()
        self.traffic.ask(self.traffic.work.look())
        self.traffic.settle()
        return self.traffic.shown

    # --- for `ackmodel.observe.survey` ------------------------------------------------------------------------------

    @property
    def judge(self) -> Panel:
        """The oracles of all levels."""
        return self.panel

    @property
    def queues(self) -> Sequence[str]:
        """The queues of the store."""
        return QUEUES

    def pop_some(self, queue: str, began: float) -> Popping:
        """Pop a queue, and wait for every answer."""
        uptime = self.traffic.uptime
        asked, due, long_due = self.now, uptime.since(self.patience), uptime.since(self.refusing)
        before = len(self.traffic.where)
        hidden = self._pace.hidden(since=began)
        count = at_once(hidden, self.promises.hidden_for(hidden), self.published)
        self.ask(self.traffic.work.pop(queue, count, hidden))
        self._pace.took(self.now - asked)
        given = [offset for _, offset in list(self.traffic.where.values())[before:]]
        refused, slack = self.traffic.refused, self.traffic.slack
        endless = self._pace.is_endless(
            queue, self.now, given, lambda came: self.panel.misses(queue, came, asked - slack)
        )
        if endless or not given:
            what = "cannot be popped empty, and nothing is missing," if endless else "is empty,"
            self.traffic.history.add("client", f"{queue} {what} at {asked:.3f} s", about=[queue])
        late = (long_due if refused else due) >= began
        return Popping(given, refused, asked=asked - slack, due=due - slack, late=late, endless=endless)

    def give_time(self) -> None:
        """Let the store have a moment."""
        time.sleep(0.02)

    def dead_letters(self, queue: str, popping: Popping) -> DeadLetters | None:
        """Return the dead letters of a queue, None where the target shows none."""
        if "dead" not in self.traffic.work.offers:
            return None
        self.traffic.ask(Call("dead", "dead", queue=queue))
        self.traffic.settle()
        return DeadLetters(self.traffic.dead.get(queue, ()), complete=popping.late)

    def ack_all(self, receipts: Sequence[str]) -> None:
        """Ack these, a batch at a time, and wait for the answers."""
        for start in range(0, len(receipts), BATCH):
            batch = tuple(receipts[start : start + BATCH])
            self.traffic.ask(Call("ack_many", "ack_many", receipts=batch))
            if self.traffic.under_way >= WINDOW:
                self.traffic.settle()
        self.traffic.settle()

    def hide_longer(self) -> bool:
        """Hide what is popped next for longer: on a slow machine it was due again before it was acked."""
        return self._pace.longer()

    def barrier(self) -> Reply | None:
        """Ask for a barrier, once all is safe that is promised to be by waiting; None where the target has none."""
        if self.traffic.waiting.longest:
            time.sleep(self.traffic.waiting.longest)
            self.hold_to_what_has_passed(self.now)
        return None if self.promises.barrier == "none" else self.flush()

    def caught_up(self) -> Mapping[str, Sighting]:
        """Wait until the offsets that the store shows do not lag, for as long as it may take to come to rest."""
        began, lags = self.now, self.panel.lags
        while any(starmap(lags, self.look().offsets.items())) and self.traffic.uptime.since(self.resting) < began:
            time.sleep(0.01)
        return self.traffic.shown.offsets

    def at_rest(self) -> AtRest:
        """Wait until the store shows nothing outstanding, its offsets at the end, and no more room than it says."""
        began = self.now
        while self.look().anything and not self._rests() and self.traffic.uptime.since(self.resting) < began:
            time.sleep(0.01)
        shown = self.traffic.shown
        held = 0 if shown.space is None else held_in(self.directory)
        return AtRest(shown.offsets, shown.outstanding, held, shown.space, len(self.traffic.where) * RECORDED)

    def _rests(self) -> bool:
        shown, settled = self.traffic.shown, [queue for queue in QUEUES if self.panel.is_settled(queue)]
        unsaid = shown.space is None or len(settled) < len(QUEUES)
        return shown.rests(settled, self.published) and (unsaid or held_in(self.directory) <= (shown.space or 0))
