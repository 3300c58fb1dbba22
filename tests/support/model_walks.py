"""Random walks of the model, told to the contract of each message as its consumers would see them.

A walk chooses a kind of step first, since a power loss has many outcomes, and then one of the kind. What the model
leaves out, an `Observer` adds: receipts, a clock for each message, and which delivery the records are about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

from attrs import define, evolve, field, frozen

from ackmodel import Clause, Config, Contract, ContractBroken, Level, Message, Phase, Shared, Stage, Step
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Discarded,
    Event,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    RenewAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
    Secured,
    SyncEnded,
    WriteFailed,
)
from ackmodel.spec.protocol.delivering import best_stored
from ackmodel.spec.steps import Broadcast, kind_of
from ackmodel.spec.system import State, broadcast_steps, local_steps

INVISIBLE = 1_000.0
STEPS = 60
SYNCS = {
    "sync_ok": "ok",
    "sync_lies": "ok",
    "sync_fails": "failed",
    "sync_fails_again": "failed",
    "sync_times_out": "timed out",
    "reset_fails": "failed",
    "reset_lies": "failed",  # as the sync says that confirms it
}
WEIGHTS = {
    "merge": 4.0,
    "hand_over": 4.0,
    "late_sync_fails": 2.0,
    "process_crash": 0.1,
    "power_loss": 0.05,
    "close": 0.5,
    "reset_offset": 0.05,
    "expire": 0.2,
    "refuse": 0.2,
    "late_ack": 0.3,
    "duplicate_ack": 0.3,
    "fail_checkpoint_write": 0.1,
}
"""How likely a kind of step is beside the rest: less, if it would end most walks before anything is at stake, or fill
them; more, if it is seldom possible."""
STOPS: dict[str, ProcessCrashed | PowerLost | Restarted] = {
    "process_crash": ProcessCrashed(),
    "power_loss": PowerLost(),
    "close": Restarted(),
}
FREE = (Phase.WAITING, Phase.DUE)


@frozen
class Held:
    """One delivery, as its store knows it: `receipt` once it was answered, until when, and until when if renewed.

    `ended` says that another pop has superseded it; what a fault then leaves of it is too old to be worked with.
    """

    receipt: str | None
    deadline: float
    renewed: float | None = None
    ended: bool = False


@define(eq=False)
class Observer:
    """One message, as its consumers see it: their receipts, their clock, and the contract."""

    contract: Contract
    random: Random
    told: Counter[str]
    receipts: list[str] = field(factory=list)
    held: Held | None = None
    """The delivery that the newest checkpoint and the renewal are about."""
    earlier: Held | None = None
    """The delivery that recovery would fall back on."""
    now: float = 0.0
    latest: float = 0.0
    """The last at which any delivery may end."""
    open: int | None = None
    changed: frozenset[int] = frozenset()
    """The changes to the newest delivery that were answered OK."""
    ops: int = 0

    def observe(self, event: Event) -> None:
        outcome = getattr(event, "reply", None) or getattr(event, "outcome", None) or getattr(event, "by", None)
        self.told[type(event).__name__ + (f" {getattr(outcome, 'value', outcome)}" if outcome else "")] += 1
        self.contract.observe(event)

    def asks(self) -> int:
        self.ops += 1
        self.open = self.ops
        return self.ops

    def answered(self, reply: Reply, answer: type[AckAnswered | ChangeAnswered] = AckAnswered) -> None:
        assert self.open is not None
        op, self.open = self.open, None
        self.observe(answer(op, reply, at=self.now))
        if answer is ChangeAnswered and reply is Reply.OK:
            self.changed |= {op}

    def may(self, action: str, message: Message) -> bool:
        """Consumers work with what they were given, in time; the model forgets that a deadline has passed."""
        if action in ("ask_ack", "ask_renewal", "release"):
            return self.usable
        if action == "late_ack":
            return bool(self._not_current(message))
        return action != "duplicate_ack" or bool(self.receipts)

    @property
    def usable(self) -> bool:
        """Whether a consumer has the newest delivery, and time left."""
        held = self.held
        return held is not None and held.receipt is not None and not held.ended and self.now + 2.0 < held.deadline

    def _not_current(self, message: Message) -> list[str]:
        """Return the receipts that are certain not to be current."""
        current = self.held.receipt if self.held and message.phase is not Phase.DUE else None
        return [receipt for receipt in self.receipts if receipt != current]

    # --- steps of the message -----------------------------------------------------------------------------------------

    def sees(self, action: str, before: Message, after: Message) -> None:
        """Tell the contract what a step of the message lets an observer see."""
        self.now += 1.0
        steps: dict[str, Callable[[Message, Message], None]] = {
            "pop": self._takes,
            "deliver": lambda *_: self.popped(),
            "ask_ack": lambda *_: self._acks(self._receipt()),
            "late_ack": self._acks_late,
            "duplicate_ack": self._acks_again,
            "answer_ack": lambda *_: self.answered(Reply.OK),
            "answer_unknown": self._left_open,
            "ask_renewal": lambda *_: self._renews(),
            "answer_renewal": lambda *_: self._renewed(Reply.OK),
            "release": lambda *_: self.observe(ReleaseAsked(self.asks(), self._receipt(), at=self.now)),
            "answer_release": lambda *_: self.answered(Reply.OK, ChangeAnswered),
            "refuse": self._is_refused,
            "expire": lambda *_: self._waits(),
            "durable_callback": lambda *_: self.observe(MadeDurable("callback")),
            "retire": lambda *_: self.observe(Discarded()),
            "fail_checkpoint_write": self._pop_fails,
            "fail_ack_write": self._ack_fails,
            "fail_renewal_write": self._renewal_fails,
        }
        if action in steps:
            steps[action](before, after)

    def _receipt(self) -> str:
        assert self.held is not None
        assert self.held.receipt is not None
        return self.held.receipt

    def _takes(self, before: Message, after: Message) -> None:
        kept = best_stored(before)
        if kept in (before.checkpoint, before.renewal):
            self.earlier = self.held
        self.earlier = evolve(self.earlier, ended=True) if self.earlier and kept.stored else None
        self.held = Held(None, self.now + INVISIBLE)
        self.latest = max(self.latest, self.held.deadline)

    def popped(self) -> None:
        self.receipts.append(f"receipt {len(self.receipts)}")
        self.held = Held(self.receipts[-1], self.now + INVISIBLE)
        self.latest = max(self.latest, self.held.deadline)
        self.changed = frozenset()
        self.observe(Popped(self.receipts[-1], at=self.now, deadline=self.held.deadline))

    def _acks(self, receipt: str) -> None:
        self.observe(AckAsked(self.asks(), receipt, at=self.now))

    def _acks_late(self, before: Message, after: Message) -> None:
        self._acks(self.random.choice(self._not_current(before)))
        if after.phase is not Phase.ACKING:
            self.answered(Reply.EXPIRED)

    def _acks_again(self, before: Message, after: Message) -> None:
        self._acks(self.receipts[-1])
        if after.phase is not Phase.ACKING:
            self.answered(Reply.SETTLED)

    def _renews(self) -> None:
        assert self.held is not None
        self.held = evolve(self.held, renewed=self.now + self.random.choice([0.5, 2.0]) * INVISIBLE)
        self.latest = max(self.latest, self.held.renewed or 0.0)
        self.observe(RenewAsked(self.asks(), self._receipt(), at=self.now, deadline=self.held.renewed or 0.0))

    def _renewed(self, reply: Reply) -> None:
        """The renewal counts, whether its consumer knows that for certain or not."""
        if self.held and self.held.renewed is not None:
            self.held = evolve(self.held, deadline=self.held.renewed)
        self.answered(reply, ChangeAnswered)

    def _left_open(self, before: Message, after: Message) -> None:
        if before.phase is Phase.ACKING:
            self.answered(Reply.UNKNOWN)
        else:
            self._renewed(Reply.UNKNOWN)

    def _is_refused(self, before: Message, after: Message) -> None:
        if before.phase is Phase.DELIVERED and self.usable:
            if self.random.random() < 0.5:
                self._acks(self._receipt())
                self.answered(Reply.BUSY)
            else:
                self.observe(RenewAsked(self.asks(), self._receipt(), at=self.now, deadline=self.now + INVISIBLE))
                self.answered(Reply.BUSY, ChangeAnswered)

    def _waits(self) -> None:
        """The deadline passes, to the second."""
        assert self.held is not None
        self.now = max(self.now, self.latest if self.held.ended else self.held.deadline)

    def _pop_fails(self, before: Message, after: Message) -> None:
        self.observe(WriteFailed())
        if before.phase is not after.phase:
            self.held, self.earlier = self.earlier, None

    def _ack_fails(self, before: Message, after: Message) -> None:
        self.observe(WriteFailed())
        if before.phase is Phase.ACKING and not before.dead:
            self.answered(Reply.OK if after.promise else Reply.FAILED)

    def _renewal_fails(self, before: Message, after: Message) -> None:
        self.observe(WriteFailed())
        if before.phase is Phase.RENEWING:
            self.answered(Reply.FAILED, ChangeAnswered)

    # --- steps of all messages ----------------------------------------------------------------------------------------

    def sees_all(self, action: str, before: Message) -> None:
        """Tell the contract what a step of the whole system lets an observer see."""
        self.now += 1.0
        if action in SYNCS:
            self.observe(SyncEnded(SYNCS[action]))
        elif action in STOPS:
            if before.phase is Phase.POPPING and self.held:
                self.observe(PopUnanswered(self.held.deadline))
            self.open = None
            self.observe(STOPS[action])
        elif action == "recover":
            self._recovers(before)
        elif action == "reset_offset":
            self.held = self.earlier = None
            self.observe(ResetAsked(self.asks(), anew=True))
            self.open = None
            self.observe(ResetAnswered(self.ops, Reply.OK))

    def _recovers(self, before: Message) -> None:
        """Recovery knows the newest delivery by its checkpoint or its renewal, or else falls back on an earlier one."""
        if not (before.checkpoint.readable or before.renewal.readable):
            self.held = self.earlier if before.earlier.readable else None
            self.earlier = None
        elif self.held and before.renewal.readable and self.held.renewed is not None:
            self.held = evolve(self.held, deadline=self.held.renewed)

    def looks(self, shared: Shared, message: Message) -> None:
        """Take a look at what a barrier would answer OK to, and at the dead letters."""
        flushed = all(record.stage in (Stage.NONE, Stage.FLUSHED) for record in message.records)
        if message.in_flight or not flushed or (message.unrecorded and not message.passed_by(shared.offset.disk)):
            return
        if message.phase is Phase.SETTLED:
            if message.dead:
                self.observe(DeadLettered(self.now))
            self.observe(MadeDurable("barrier"))
        elif message.phase is Phase.DELIVERED and self.held and self.held.receipt:
            self.observe(Secured(self.held.receipt, self.changed))

    def ends(self, config: Config, message: Message) -> None:
        """Pop until the queue is empty: what is settled, or in hand, does not come; what nobody works on does."""
        limit = self.contract.max_attempts
        if message.phase is Phase.SETTLED:
            listed = message.dead if limit and not message.unrecorded else None
            self.observe(Absent(at=max(self.now, self.latest) + 1.0, dead=listed))
        elif message.phase in (Phase.DELIVERED, *FREE):
            if message.phase is Phase.DELIVERED:
                if self.held and not self.held.ended and self.now < self.held.deadline:
                    self.observe(Absent(at=self.now, dead=False if limit else None))
                self._waits()
            if limit and message.delivery >= limit:
                self.observe(Absent(at=self.now, dead=True))
            else:
                self.popped()


# --- the walk ---------------------------------------------------------------------------------------------------------


@define(eq=False)
class Tally:
    """What happened in all walks: steps of the model by name, and what the contract was told."""

    ran: Counter[str] = field(factory=Counter)
    told: Counter[str] = field(factory=Counter)


@define(eq=False)
class Walk:
    """One random walk of a configuration."""

    config: Config
    random: Random
    tally: Tally = field(factory=Tally)
    state: State = field(init=False)
    observers: list[Observer] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.state = self.config.initial()
        limit = self.config.deliveries if self.config.dead_letters else None
        self.observers = [
            Observer(Contract(self.config.level, max_attempts=limit), self.random, self.tally.told)
            for _ in self.state[1]
        ]

    def go(self) -> None:
        """Take steps, end with a crash, or a power loss, or neither, and ask; raise `ContractBroken`."""
        for _ in range(self.random.randint(5, STEPS)):
            if not self.take(lambda action: True):
                break
            if self.random.random() < 0.1 and self.state[0].up:
                self.each(lambda observer, message: observer.looks(self.state[0], message))
        ending = self.random.choice(["nothing", *STOPS])
        self.take(lambda action: action == ending)
        self.take(lambda action: action == "recover")
        self.each(lambda observer, message: observer.ends(self.config, message))

    def each(self, ask: Callable[[Observer, Message], None]) -> None:
        for observer, message in zip(self.observers, self.state[1], strict=True):
            ask(observer, message)

    def take(self, allowed: Callable[[str], bool]) -> bool:
        """Take a step that is possible and allowed; return whether there was one."""
        shared, messages = self.state
        kinds: dict[tuple[str, int | None], list[Step | Broadcast]] = {}
        for actor, message in enumerate(messages):
            for step in local_steps(self.config, shared, message):
                if allowed(step.action) and self.observers[actor].may(step.action, message):
                    kinds.setdefault((step.action, actor), []).append(step)
        for cast in broadcast_steps(self.config, shared):
            if allowed(kind_of(cast.action)) and any(map(cast.some, messages)):
                kinds.setdefault((cast.action, None), []).append(cast)
        while kinds:
            [kind] = self.random.choices(list(kinds), [WEIGHTS.get(kind_of(action), 1.0) for action, _ in kinds])
            if self.goes(kind[1], self.random.choice(kinds.pop(kind))):
                return True
        return False

    def goes(self, actor: int | None, step: Step | Broadcast) -> bool:
        """Take one step, with one of its outcomes; return whether it has any."""
        messages = self.state[1]
        if isinstance(step, Step):
            assert actor is not None
            after = (*messages[:actor], step.message, *messages[actor + 1 :])
        else:
            outcomes = [step.outcomes(message) for message in messages]
            if not all(outcomes):
                return False
            after = tuple(map(self.random.choice, outcomes))
        action = kind_of(step.action)
        self.tally.ran[action] += 1
        self.state = step.shared, after
        for index, observer in enumerate(self.observers):
            if actor is None:
                observer.sees_all(action, messages[index])
            elif actor == index:
                observer.sees(action, messages[index], after[index])
        return True


def walks(config: Config, count: int, seed: int = 1) -> Iterator[Clause]:
    """Yield what each of `count` walks breaks."""
    for number in range(count):
        try:
            Walk(config, Random(f"{seed}/{number}")).go()
        except ContractBroken as broken:
            yield broken.clause


def any_config(random: Random) -> Config:
    """Return a configuration of random settings that go together, and under which every clause holds."""
    level = random.choice(list(Level))
    messages = random.randint(1, 3)
    degrade_after = random.randint(1, 2)
    sync_error = random.choice(["once", "each", "late"])
    merge_buffer = level is Level.MEMORY and random.random() < 0.7
    compaction = random.random() < 0.4

    def some(most: int = 2) -> int:
        return random.choice([0, 1, most])

    return Config(
        messages=messages,
        deliveries=random.randint(1, 3),
        process_crashes=some(),
        power_losses=some(),
        sync_failures=some(),
        sync_timeouts=some(1),
        write_failures=some(),
        renewals=some(),
        releases=some(),
        restarts=some(),
        resets=some(1),
        degrade_after=degrade_after,
        refuse_after=random.choice([0, 0, degrade_after]),
        limit=some(),
        logs=random.randint(1, messages),
        level=level,
        commit=random.choice(["ack", "checkpoint"]),
        sync_error=sync_error,
        # What a failed sync takes back, PAGE_CACHE has promised to keep (specs/model.md).
        failed_page="kept" if level is Level.PAGE_CACHE else random.choice(["kept", "reverted"]),
        in_place=random.choice(["kept", "lost"]),
        # An error that is told late breaks a store that does not ask twice (specs/model.md).
        confirm_syncs=sync_error == "late" or random.random() < 0.3,
        dead_letters=random.random() < 0.5,
        merge_buffer=merge_buffer,
        compaction=compaction,
        careless=random.random() < 0.5,
        uncommitted=not merge_buffer and not compaction and random.random() < 0.2,
    )
