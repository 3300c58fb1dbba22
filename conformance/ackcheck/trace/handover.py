"""Between the fast path and the oracle: what one knows of each message is told to the other, and nothing is lost.

>>> simple = Simple(Level.DISK, {})
>>> lane = simple.lanes["q"] = Lane("q")
>>> lane.live[0] = simple.receipts["r"] = Message(lane, 0, "r", 0.0, 30.0, 1)
>>> judge = Judge(Level.DISK)
>>> to_oracle(simple, judge)
>>> [world.current for world in judge.oracle.contract(("q", 0)).worlds]
['r']
>>> back = from_oracle(judge)
>>> back is not None and (back.receipts["r"].stage == HELD, back.receipts["r"].until)
(True, 30.0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ackcheck.trace.judge import Judge, oracle_at
from ackcheck.trace.lane import ACKED, ASKED, HELD, OPEN, PASSED, Lane, Message
from ackcheck.trace.lines import Asked
from ackcheck.trace.recorded import Known, Recorded
from ackcheck.trace.simple import Simple, Under
from ackmodel import Contract, Level, Reply
from ackmodel.observe.broken import Key
from ackmodel.observe.events import AckAnswered, AckAsked, MadeDurable, Popped, Secured
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.queue import Covered
from ackmodel.observe.worlds import Settled, World

# --- to the oracle --------------------------------------------------------------------------------------------------


def to_oracle(simple: Simple, judge: Judge) -> None:
    """Have a judge know what was kept on the fast path, as if it had been told all of it."""
    oracle = judge.oracle = oracle_at(judge.level)
    for lane in simple.lanes.values():
        told = oracle.queue(lane.name)
        told.begin_at(lane.done_with)
        told.end = lane.end
        told.sighting = Sighting(lane.committed, lane.persisted) if lane.committed >= 0 else None
        told.kept, told.restarted = lane.kept, lane.restarted
        for offset, message in lane.messages().items():
            oracle.adopt(_known(message, (lane.name, offset), judge.level, simple.secured))
    judge.asked.clear()
    judge.passed_over.clear()
    for number, under in simple.asked.items():
        _ask_again(judge, simple, number, under)
    judge.slack = simple.slack
    judge.checked.update(simple.checked())


def _known(message: Message | None, key: Key, level: Level, secured: int) -> Known:
    if message is None:
        return Known(key=key, contract=Contract(level))
    contract = message.contract or Contract(level)
    for popped in message.earlier:
        contract.observe(popped)
    if message.popped_at is not None:
        contract.observe(Popped(message.receipt, message.popped_at, message.until))
    delivery = message.delivery or Secured(message.receipt)
    if 0 < message.given <= secured:
        contract.observe(delivery)
    if message.asked_at is not None:
        contract.observe(AckAsked(message.ack, message.receipt, message.asked_at))
    if message.acked_at is not None:
        contract.observe(AckAnswered(message.ack, Reply.OK, message.acked_at))
    if 0 < message.settled <= secured:
        contract.observe(MadeDurable("barrier"))
    return Known(
        key=key,
        contract=contract,
        receipts=(*message.before, message.receipt) if message.receipt else (),
        delivery=delivery if message.given > secured else None,
        ack=message.ack if message.settled else None,
        counted=(*message.counted, message.receipt) if message.acked_at is not None else message.counted,
    )


def _ask_again(judge: Judge, simple: Simple, number: int, under: Under) -> None:
    """Tell of a request under way."""
    op, at, line, more = under
    judge.asked[number] = Asked(float(at), number, op, {name: line[name] for name in line if name not in ("id", "op")})
    if op == "pop":
        judge.oracle.pop_asked(number, line["queue"], deadline=more)
    elif op == "flush":
        judge.oracle.adopt_barrier(number, _covered(simple, more))
    elif op in ("ack", "ack_many") and more is not None:
        named = [more] if op == "ack" else more
        judge.oracle.adopt_ack(number, [(one.receipt, (one.queue.name, one.offset)) for one in named])
    elif op in ("ack", "ack_many", "renew", "release", "reset", "publish") and more is None:
        judge.passed_over.add(number)


def _covered(simple: Simple, moment: int) -> Mapping[str, Covered]:
    """Return what a barrier covers that was asked for at a moment."""
    covered = {}
    for name, lane in simple.lanes.items():
        messages = [message for message in lane.live.values() if message is not None]
        covered[name] = Covered(
            {one.offset: one.ack for one in messages if 0 < one.settled <= moment},
            {one.offset: one.delivery or Secured(one.receipt) for one in messages if 0 < one.given <= moment},
        )
    return covered


# --- from the oracle ------------------------------------------------------------------------------------------------


def from_oracle(judge: Judge) -> Simple | None:
    """Return the fast path with all that a judge knows; None while a renewal, a release or a reset is under way.

    A message of which there is more than one possible world waits as it is: whatever comes of it is not simple.
    """
    oracle = judge.oracle
    if oracle.changing:
        return None
    simple = Simple(judge.level, judge.counts)
    simple.slack, barriers = judge.slack, list(oracle.barriers.values())
    simple.moment = len(barriers) + 1
    under_way = {key: op for op, named in oracle.acks.items() for _, key in named}
    for name in oracle.queues:
        simple.lanes[name] = _lane(oracle, name, barriers, under_way, simple)
    for number, asked in judge.asked.items():
        line = {"id": number, "op": asked.op, **asked.arguments}
        more = None if number in judge.passed_over else _more(oracle, simple, asked)
        simple.asked[number] = (asked.op, asked.at, line, more)
    judge.checked.update(oracle.checked)
    judge.oracle = oracle_at(judge.level)
    judge.asked.clear()
    judge.passed_over.clear()
    return simple


def _lane(
    oracle: Recorded,
    name: str,
    barriers: Sequence[Mapping[str, Covered]],
    under_way: Mapping[Key | None, int],
    simple: Simple,
) -> Lane:
    told, lane = oracle.queue(name), Lane(name)
    lane.done_with = lane.clean = told.done_with
    lane.fresh = lane.end = max(told.end, told.done_with)
    lane.holes = len(told.contracts) < lane.end - lane.done_with
    lane.kept, lane.restarted = told.kept, told.restarted
    if told.sighting is not None:
        lane.committed, lane.persisted = told.sighting.committed, told.sighting.persisted
    for offset, contract in told.contracts.items():
        known = oracle.known(name, offset)
        message = None
        if contract.history:
            message = _message(lane, known, [each[name] for each in barriers if name in each], under_way)
            for receipt in known.receipts:
                simple.receipts[receipt] = message
        lane.live[offset] = message
        lane.unsettled += message is None or message.stage <= HELD
    return lane


def _message(lane: Lane, known: Known, barriers: Sequence[Covered], under_way: Mapping[Key | None, int]) -> Message:
    *before, receipt = known.receipts or ("",)
    offset = known.key[1]
    message = Message(lane, offset, receipt, 0.0, 0.0, 0)
    message.popped_at, message.before, message.contract = None, tuple(before), known.contract
    message.delivery, message.counted = known.delivery, known.counted
    if known.delivery is not None:
        message.given = _first(barriers, lambda each: each.deliveries.get(offset) == known.delivery)
    if known.ack is not None:
        message.ack, message.settled = known.ack, _first(barriers, lambda each: each.acks.get(offset) == known.ack)
    message.stage = OPEN if known.contract.certainly_unsettled else ACKED
    [world, *others] = known.contract.worlds
    if not others and _is_held(world, receipt) and known.ack is None:
        message.until = world.deadline
        if not world.asked:
            message.stage = HELD
        elif world.asked and known.key in under_way:
            [message.ack, *more] = world.asked
            message.stage = ACKED if more else ASKED
    return message


def _is_held(world: World, receipt: str) -> bool:
    """Tell whether a world is that of a delivery whose ack may be under way, and of nothing else."""
    other = world.changes or world.unconfirmed or world.older or world.shaky or world.dead
    return not other and world.settled is Settled.NO and bool(receipt) and world.current == receipt


def _first(barriers: Sequence[Covered], covers: Any) -> int:
    """Return from which moment on a barrier covers something: those under way came one after the other."""
    return next((moment for moment, each in enumerate(barriers, 1) if covers(each)), len(barriers) + 1)


def _more(oracle: Recorded, simple: Simple, asked: Asked) -> Any:
    """Return what the answer to a request under way will need."""
    if asked.op == "pop":
        return asked.at + float(asked.arguments["invisible"])
    if asked.op == "flush":
        return list(oracle.barriers).index(asked.id) + 1
    if asked.op not in ("ack", "ack_many"):
        return True if asked.op == "publish" else None
    messages = [_named(simple, receipt, key) for receipt, key in oracle.acks[asked.id] if key is not None]
    return messages[0] if asked.op == "ack" else messages


def _named(simple: Simple, receipt: str, key: Key) -> Message:
    lane = simple.lanes[key[0]]
    message = lane.live.get(key[1])
    if message is None or message.receipt != receipt:
        message = Message(lane, key[1], receipt, 0.0, 0.0, 0)
        message.stage = PASSED if key[1] < lane.done_with else ACKED
    return message
