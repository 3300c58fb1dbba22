"""The fast path of `ackcheck trace` beside the model's oracle, on *every* small history that it takes.

    python -m tests.hunts.small_histories --lines 6          # minutes; the suite goes to 5

The fast path (`ackcheck.trace.simple`) says in its own words what comes of a message that lives simply. The model is
the only source of the rules, so it is held to the model: of one queue with two messages every line of the alphabet
below comes after every other, at once or after the deadline, up to so many. After each that the fast path takes,
nothing may have been found, both must have counted the same and tested the same clauses, and what the fast path would
hand over must be what the oracle knows, world by world: then whatever comes later is the same too. What it does not
take must have changed nothing. A state that was met already is not gone on from again. With exit code 1 the first
history is printed at which they part.

>>> told = apart(Level.DISK, most=2)
>>> told.history, told.states
((), 59)
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import attrs
import click
from attrs import frozen

from ackcheck.trace.handover import to_oracle
from ackcheck.trace.judge import Judge
from ackcheck.trace.lines import BadLine, read_line
from ackcheck.trace.recorded import Known, Recorded
from ackcheck.trace.simple import Simple
from ackmodel import Level

INVISIBLE, LATE, LAST = 30.0, 40.0, 80.0
HANDED_OUT: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (0, 1))
REPLIES = ("OK", "SETTLED", "EXPIRED", "UNKNOWN")
OFFSETS = ((0, 0), (1, 0), (1, 1), (2, 1), (2, 2))
MOST_UNDER = 2

Line = dict[str, Any]
Both = tuple[Simple, Judge]


@frozen
class Said:
    """What the next line depends on: the time, the requests under way, the receipts that were given, the end."""

    at: float = 0.0
    under: tuple[tuple[int, str, int], ...] = ()
    """Each with its number, its operation, and how many receipts it has."""
    receipts: tuple[tuple[int, int], ...] = ()
    """Offset and number of each delivery; its receipt is made of them."""


def moves(said: Said, under: int) -> Iterator[tuple[Line, Said]]:
    """Yield what may come next: a line, and what is said then."""
    if len(said.under) < under:
        free = min({1, 2, 3} - {number for number, _, _ in said.under})
        for op, request in _requests(said):
            waiting = (free, op, len(request.get("receipts", ())))
            yield {"asked": {"id": free, "op": op, **request}}, attrs.evolve(said, under=(*said.under, waiting))
    for one in said.under:
        then = attrs.evolve(said, under=tuple(each for each in said.under if each is not one))
        for result, given in _results(one[1], one[2], said):
            line = {"answered": {"id": one[0], "result": result}}
            yield line, attrs.evolve(then, receipts=(*then.receipts, *given))


def _requests(said: Said) -> Iterator[tuple[str, Line]]:
    yield "pop", {"queue": "q", "count": 2, "invisible": INVISIBLE}
    yield "publish", {"queue": "q", "end": 2}
    yield "flush", {}
    yield "stats", {}
    names = [_name(each) for each in said.receipts]
    for name in names:
        yield "ack", {"receipt": name}
    if len(names) > 1:
        yield "ack_many", {"receipts": names[-2:]}


def _results(op: str, count: int, said: Said) -> Iterator[tuple[Any, tuple[tuple[int, int], ...]]]:
    """Yield each answer, and the deliveries that it tells of."""
    match op:
        case "pop":
            for offsets in HANDED_OUT:
                given = tuple((each, 1 + sum(each == other for other, _ in said.receipts)) for each in offsets)
                yield [{"receipt": _name(one), "offset": one[0], "attempt": 1, "deadline": 0} for one in given], given
        case "ack":
            yield from ((reply, ()) for reply in REPLIES)
        case "ack_many":
            yield from (([reply] * count, ()) for reply in REPLIES)
        case "flush":
            yield from ((reply, ()) for reply in ("OK", "UNKNOWN"))
        case "stats":
            for committed, persisted in OFFSETS:
                yield {"queues": {"q": {"committed": committed, "persisted": persisted}}}, ()
        case _:
            yield None, ()


def _name(delivery: tuple[int, int]) -> str:
    return f"m{delivery[0]}.{delivery[1]}"


# --- both of them -----------------------------------------------------------------------------------------------------


@frozen
class Told:
    """How many states were met, and at which history the two parted, if they did."""

    states: int
    history: tuple[str, ...] = ()
    why: str = ""


def apart(level: Level, most: int, under: int = MOST_UNDER) -> Told:
    """Go through all histories of so many lines, with so many requests under way at once."""
    begun: Both = (Simple(level, {}), Judge(level))
    front: list[tuple[bytes, Said, Any]] = [(pickle.dumps(begun), Said(), ())]
    met = {front[0][:2]}
    for _ in range(most):
        following: list[tuple[bytes, Said, Any]] = []
        for state, said, history in front:
            for at in sorted({said.at, min(said.at + LATE, LAST)} if said.receipts or said.under else {said.at}):
                for told, then in moves(attrs.evolve(said, at=at), under):
                    line = json.dumps({"at": at, **told})
                    after, why = _step(state, line)
                    if why:
                        return Told(len(met), _whole(history, line), why)
                    if after is not None and (after, then) not in met:
                        met.add((after, then))
                        following.append((after, then, (history, line)))
        front = following
    return Told(len(met))


def _step(state: bytes, line: str) -> tuple[bytes | None, str]:
    """Have both take a line; return the state after it, None where the fast path leaves it, and how they differ."""
    simple, judge = pickle.loads(state)  # made here, by the step before
    before = pickle.dumps(simple)
    if not simple.take(json.loads(line)):
        return None, "" if pickle.dumps(simple) == before else "a line that it left changed it"
    try:
        judge.take(read_line(line))
    except BadLine as error:
        return None, f"the oracle cannot read it: {error}"
    if judge.findings:
        return None, f"the model finds {judge.findings[0].clause.value}: {judge.findings[0].why}"
    counted = _counts(simple.counts), +simple.checked()
    if counted != (_counts(judge.counts), +judge.oracle.checked):
        return None, f"counted, and tested: {counted}; the model: {(_counts(judge.counts), +judge.oracle.checked)}"
    kept, known = _known(_handed_over(simple, judge)), _known(judge.oracle)
    if kept != known:
        return None, "\n".join(f"{one}\n  the model: {two}" for one, two in zip(kept, known, strict=True) if one != two)
    _begin_to_count(simple, judge)
    return pickle.dumps((simple, judge)), ""


def _counts(counts: Any) -> dict[str, Any]:
    return {op: (one.came, one.fitted, one.passed_over) for op, one in counts.items() if one != type(one)()}


def _begin_to_count(simple: Simple, judge: Judge) -> None:
    for one in (*simple.counts.values(), *judge.counts.values()):
        one.came = one.fitted = one.passed_over = 0
    judge.line = 0
    for counted in (judge.oracle._checked, *(each.checked for each in judge.oracle.queues.values())):
        counted.clear()


def _handed_over(simple: Simple, judge: Judge) -> Recorded:
    """Return what the oracle would know, were it to take over here."""
    heir = Judge(judge.level)
    to_oracle(simple, heir)
    return heir.oracle


def _known(oracle: Recorded) -> list[Any]:
    """Return all that an oracle knows and that a later line may depend on."""
    queues = [
        (
            name,
            {offset: _known_of(oracle.known(name, offset)) for offset in sorted(told.contracts)},
            (
                max(told.end, told.done_with),
                told.done_with,
                told.sighting,
                told.kept,
                told.restarted,
                told.resets,
                told.shown_flushed,
            ),
        )
        for name, told in sorted(oracle.queues.items())
    ]
    return [queues, dict(oracle.acks), _covered(oracle), oracle._pops, oracle._receipts, oracle._counted]


def _covered(oracle: Recorded) -> list[Any]:
    """Return what each barrier under way will make durable that is not yet: of the rest it says nothing new."""
    found: list[Any] = []
    for op, told in oracle.barriers.items():
        acks = {
            (name, each)
            for name in told
            for each in told[name].acks.items()
            if each in oracle.queue(name).acknowledged.items()
        }
        given = {
            (name, offset)
            for name in told
            for offset in told[name].deliveries
            if told[name].deliveries[offset] == oracle.queue(name).deliveries.get(offset)
        }
        found.append((op, acks, given))
    return found


def _known_of(one: Known) -> tuple[Any, ...]:
    """Return what is known of a message but for how often it was handed out: no line tells of dead letters."""
    worlds = {
        attrs.evolve(
            world, least=0, most=0, sure=0, older=frozenset(attrs.evolve(old, least=0, most=0) for old in world.older)
        )
        for world in one.contract.worlds
    }
    return worlds, one.receipts, one.delivery, one.ack, one.counted


def _whole(history: Any, line: str) -> tuple[str, ...]:
    told = [line]
    while history:
        history, line = history
        told.insert(0, line)
    return tuple(told)


@click.command()
@click.option("--lines", default=6, show_default=True, help="so many lines, one after the other")
@click.option("--under", default=MOST_UNDER, show_default=True, help="so many requests under way at once, at most")
@click.option("--level", type=click.Choice([each.value for each in Level]), help="this level only")
def main(lines: int, under: int, level: str | None) -> None:
    """Go through all of them, and print the first history at which they part."""
    for each in Level:
        if level not in (None, each.value):
            continue
        told = apart(each, lines, under)
        if told.why:
            print(*told.history, told.why, sep="\n")
            sys.exit(1)
        print(f"{each.value}: the same after every history of {lines} lines; {told.states} states")


if __name__ == "__main__":
    main()
