"""Random walks, for configurations too large to explore: seeded, and what they find is shrunk.

A walk that breaks a clause is cut behind the step, and then stretches of it are left out, the longest first, with all
that they made possible, as long as what is left breaks the clause. The shrunk trace need not be a shortest one; a walk
that finds nothing proves nothing.

>>> from ackmodel import Config
>>> found = walk(Config(messages=4, rules={"commit-after-flush": False}), seed=1, walks=50, steps=60)
>>> found.trace.actions
('pop(0)', 'write_checkpoint(0)', 'commit(0)')
>>> walk(Config(), seed=1, walks=5, steps=20).trace is None
True
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import Enum
from typing import Any

from attrs import frozen

from ackexplore.interning import Code, Interned, interned, successors
from ackexplore.system import System
from ackexplore.trace import Trace, TraceStep
from ackmodel import Config

Taken = tuple[str, int | None, Code]
"""A step of a walk: its action, the message that acted, and the code of the state after it."""


@frozen(kw_only=True)
class Walked:
    """What some walks found: the steps taken in all, the distinct states seen, and the trace, None if nothing broke."""

    config: Any
    seed: int
    steps: int
    states: int
    trace: Trace | None
    found_in: int
    """How many steps the walk had that found it, before it was shrunk; 0 if nothing was found."""


def _moves(model: Interned, code: Code) -> list[tuple[Taken, int]]:
    """Return the steps out of a state, each with the clauses broken by it or after it."""
    return [
        ((model.actions[action], actor, after), broken | model.broken_state(after))
        for action, actor, after, broken in successors(model, code)
    ]


def _replayed(model: Interned, start: Code, steps: Sequence[Taken], wanted: int) -> list[Taken] | None:
    """Take steps of these names in turn; the run up to where a wanted clause breaks, None if it does not come to that.

    A step that is not possible is left out: what made it possible may have been. Where a step has several outcomes, one
    that shares most values with the outcome of the walk is taken.
    """
    code, run = start, list[Taken]()
    for action, actor, after in steps:
        fitting = [move for move in _moves(model, code) if move[0][:2] == (action, actor)]
        if not fitting:
            continue
        taken, broken = max(fitting, key=lambda move: (bool(move[1] & wanted), _alike(move[0][2], after)))
        run.append(taken)
        if broken & wanted:
            return run
        code = taken[2]
    return None


def _alike(one: Code, other: Code) -> int:
    return sum(here == there for here, there in zip(one, other, strict=True))


def shrink(model: Interned, start: Code, steps: Sequence[Taken], wanted: int) -> list[Taken]:
    """Return a run without the steps that a wanted clause breaks without, too: no single step more can be left out."""
    best = _replayed(model, start, steps, wanted)
    if best is None:
        raise ValueError("these steps break none of the wanted clauses")
    length = len(best)
    while length:
        place = 0
        while place < len(best):
            shorter = _replayed(model, start, best[:place] + best[place + length :], wanted)
            if shorter is None:
                place += 1
            else:
                best = shorter
        length = min(length // 2, len(best)) if length > 1 else 0
    return best


def _trace(model: Interned, start: Code, run: Sequence[Taken], broken: int) -> Trace:
    states = [model.decode(start), *(model.decode(after) for _, _, after in run)]
    steps = tuple(
        TraceStep(number=number, action=action, actor=actor, before=states[number - 1], after=states[number])
        for number, (action, actor, _) in enumerate(run, start=1)
    )
    return Trace(initial=states[0], steps=steps, broken=model.clauses_in(broken))


def walk(
    asked: Config | System,
    *,
    seed: int,
    walks: int = 1_000,
    steps: int = 200,
    stop_at: tuple[Enum, ...] | None = None,
) -> Walked:
    """Walk from the initial state, each step chosen at random, until a clause of `stop_at` breaks; shrink the walk.

    Without `stop_at` any clause will do. The kind of step is chosen first, then one of its outcomes, so that a power
    loss with a hundred outcomes is not a hundred times as likely as a sync. The same seed finds the same.
    """
    chance, model = random.Random(seed), interned(asked)
    wanted = model.mask_of(model.clauses if stop_at is None else stop_at)
    start, config = model.initial(), model.system.settings
    seen, taken_in_all = {start}, 0
    for _ in range(walks):
        code, taken = start, list[Taken]()
        while len(taken) < steps and (moves := _moves(model, code)):
            kinds = list(dict.fromkeys(move[:2] for move, _ in moves))
            kind = chance.choice(kinds)
            move, broken = chance.choice([found for found in moves if found[0][:2] == kind])
            taken.append(move)
            code = move[2]
            seen.add(code)
            if broken & wanted:
                run = shrink(model, start, taken, broken & wanted)
                end = run[-2][2] if len(run) > 1 else start
                last = next(broken for move, broken in _moves(model, end) if move == run[-1] and broken & wanted)
                return Walked(
                    config=config,
                    seed=seed,
                    steps=taken_in_all + len(taken),
                    states=len(seen),
                    trace=_trace(model, start, run, last),
                    found_in=len(taken),
                )
        taken_in_all += len(taken)
    return Walked(config=config, seed=seed, steps=taken_in_all, states=len(seen), trace=None, found_in=0)
