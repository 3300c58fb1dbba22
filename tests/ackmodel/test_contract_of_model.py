"""The two halves of the specification against each other: what the model does, the contract allows.

Seeded random walks of the model are told to the contract as an observer would see them. With every rule on no walk
breaks it; with a rule off that can be seen from outside, some walk does, and with a clause that fits.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from attrs import define, evolve, field

from ackmodel import Clause, Config, Contract, ContractBroken, Level, Message, Move, Phase, moves, rule_named
from ackmodel.events import (
    Absent,
    AckAnswered,
    AckAsked,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    Reply,
    SyncEnded,
    WriteFailed,
)

INVISIBLE = 1_000.0
STEPS = 60
SYNCS = {"sync_ok": "ok", "sync_fails": "failed", "sync_times_out": "timed out"}
SELDOM = {"process_crash": 0.1, "power_loss": 0.05, "expire": 0.2, "fail_checkpoint_write": 0.1}
"""What would end most walks before anything is at stake, were it as likely as the rest."""
STOPS: dict[str, ProcessCrashed | PowerLost] = {"process_crash": ProcessCrashed(), "power_loss": PowerLost()}


@define(eq=False)
class Observer:
    """One message, as its consumers see it: their receipts, their clock, and the contract."""

    contract: Contract
    receipts: list[str] = field(factory=list)
    delivery: int = 0
    """The number of the newest delivery, if a consumer was told of it."""
    now: float = 0.0
    deadline: float = 0.0
    """The last at which any delivery may end, also one that no consumer was told of."""
    until: float = 0.0
    """When the newest delivery ends that a consumer was told of."""
    open: int | None = None
    ops: int = 0

    def sees(self, move: Move, before: Message, after: Message) -> None:
        """Tell the contract what a move lets an observer see."""
        self.now += 1.0
        match move.action:
            case "pop":
                self.delivery = 0
            case "deliver":
                self.popped(after.delivery)
            case "ask_ack":
                self.asks(self.receipts[-1])
            case "late_ack":
                self.asks(self.receipts[0])
                if after.phase is not Phase.ACKING:
                    self.answered(Reply.EXPIRED)
            case "answer_ack":
                self.answered(Reply.OK)
            case "answer_unknown":
                self.answered(Reply.UNKNOWN)
            case "fail_ack_write" if self.open is not None:
                self.contract.observe(WriteFailed())
                self.answered(Reply.OK if after.promise else Reply.FAILED)
            case "durable_callback":
                self.contract.observe(MadeDurable("callback"))
            case "expire":
                self.now = max(self.now, self.deadline)
        if move.action in SYNCS:
            self.contract.observe(SyncEnded(SYNCS[move.action]))
        if move.action in STOPS:
            self.stops(STOPS[move.action], popping=before.phase is Phase.POPPING)

    def popped(self, delivery: int) -> None:
        self.receipts.append(f"receipt {len(self.receipts)}")
        self.delivery = delivery
        self.until = self.now + INVISIBLE
        self.deadline = max(self.deadline, self.until)
        self.contract.observe(Popped(self.receipts[-1], at=self.now, deadline=self.until))

    def asks(self, receipt: str) -> None:
        self.ops += 1
        self.open = self.ops
        self.contract.observe(AckAsked(self.ops, receipt, at=self.now))

    def answered(self, reply: Reply) -> None:
        assert self.open is not None
        op, self.open = self.open, None
        self.contract.observe(AckAnswered(op, reply, at=self.now))

    def stops(self, event: ProcessCrashed | PowerLost, *, popping: bool) -> None:
        self.open = None
        if popping:
            self.deadline = max(self.deadline, self.now + INVISIBLE)
            self.contract.observe(PopUnanswered(self.now + INVISIBLE))
        self.contract.observe(event)

    def may(self, action: str, message: Message) -> bool:
        """A consumer acks what it was given, while that is its own: the model forgets that a deadline has passed."""
        if action == "ask_ack":
            return message.delivery == self.delivery and self.now + 1.0 < self.until
        return action != "late_ack" or len(self.receipts) > 1

    def ends(self, message: Message) -> None:
        """Long after every deadline: a settled message does not come, one that nobody works on does."""
        self.now = max(self.now, self.deadline) + 1.0
        if message.phase is Phase.SETTLED:
            self.contract.observe(Absent(at=self.now))
        elif message.phase in (Phase.WAITING, Phase.DUE, Phase.DELIVERED):
            self.popped(message.delivery + 1)


def walk(config: Config, random: Random) -> None:
    """Take one random walk, which ends with a crash, or a power loss, or neither; raise `ContractBroken`."""
    state = config.initial()
    observers = [Observer(Contract(config.level)) for _ in state[1]]

    def take(allowed: Callable[[str], bool]) -> bool:
        nonlocal state
        move = chosen(random, [move for move in moves(config, state) if allowed(move.action)], state[1], observers)
        if move is None:
            return False
        for index, observer in enumerate(observers):
            if move.actor in (None, index):
                observer.sees(move, state[1][index], move.after[1][index])
        state = move.after
        return True

    for _ in range(random.randint(5, STEPS)):
        if not take(lambda action: True):
            break
    ending = random.choice(["nothing", *STOPS])
    take(lambda action: action == ending)
    take(lambda action: action == "recover")
    for observer, message in zip(observers, state[1], strict=True):
        observer.ends(message)


def chosen(
    random: Random, possible: list[Move], messages: tuple[Message, ...], observers: list[Observer]
) -> Move | None:
    """Choose a kind of move first, since a power loss has many outcomes, and then one of the kind."""
    kinds: dict[tuple[str, int], list[Move]] = {}
    for move in possible:
        if move.actor is None or observers[move.actor].may(move.action, messages[move.actor]):
            kinds.setdefault((move.action, move.actor or 0), []).append(move)
    if not kinds:
        return None
    [kind] = random.choices(list(kinds), [SELDOM.get(action, 1.0) for action, _ in kinds])
    return random.choice(kinds[kind])


def walks(config: Config, count: int, seed: int = 1) -> Iterator[Clause]:
    """Yield what each of `count` walks breaks."""
    for number in range(count):
        try:
            walk(config, Random(f"{seed}/{number}"))
        except ContractBroken as broken:
            yield broken.clause


FAULTS: dict[str, Any] = {
    "process_crashes": 2,
    "power_losses": 2,
    "sync_failures": 2,
    "sync_timeouts": 1,
    "write_failures": 1,
}


@pytest.mark.parametrize("commit", ["ack", "checkpoint"])
@pytest.mark.parametrize("level", [Level.PAGE_CACHE, Level.DISK])
def test_the_contract_allows_whatever_a_correct_store_does(level: Level, commit: str) -> None:
    config = Config(messages=2, deliveries=3, level=level, commit=commit, degrade_after=2, **FAULTS)
    assert list(walks(config, 60)) == []


FORGOTTEN = Clause.DEADLINE_IS_EXACT  # a pop answered before its checkpoint is kept is forgotten, and comes early
PASSED = Clause.NO_LIMBO  # the offset passes what is not on the disk: after a power loss nobody has it
LOST = Clause.SURVIVES_POWER_LOSS  # no fault of a sync was seen, only that the promise did not hold

OBSERVABLE: dict[str, set[Clause]] = {
    "answer-after-write": {FORGOTTEN},
    "answer-after-flush": {FORGOTTEN, LOST},
    "failed-write-is-not-ok": set(),
    "failed-write-is-not-stored": {PASSED},
    "timeout-is-unknown": {PASSED},
    "failed-sync-is-not-flushed": {PASSED},
    "sync-covers-what-it-found": {LOST},
    "rewrite-after-failure": {PASSED},
    "rewrite-after-recovery": {PASSED},
    "recovered-is-cached": {PASSED},
    "recovery-reads-acks": set(),
    "recovery-redelivers": set(),
    "callback-after-flush": set(),
    "commit-after-flush": {PASSED},
    "commit-in-order": {PASSED},
    "settled-is-final": set(),
    "receipt-names-delivery": set(),
}
"""Rules that can be seen from outside, and what may fall without them beside `Rule.breaks`, which names the cause."""


@pytest.mark.parametrize("name", OBSERVABLE)
def test_without_a_rule_that_can_be_seen_some_walk_breaks_the_contract(name: str) -> None:
    rule = rule_named(name)
    broken = next(walks(evolve(Config().dropping(rule), power_losses=1), 500), None)
    assert broken is not None, "no walk shows it"
    assert broken in {*rule.breaks, *OBSERVABLE[name]}
