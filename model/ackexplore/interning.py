"""The model with its values numbered, and every question put to it at most once.

A global state is one `Shared` and N `Message` values. There are few distinct values and few distinct pairs of them,
but many combinations: so both engines number ("intern") the values, ask the model for the steps of each distinct pair
once, and work on the numbers. The model stays the only source: nothing here knows a rule.

A judgement is asked for once for all shared parts that `System.judged` makes equal.

With `symmetric` (sound where `System.apart` says so) messages are taken for alike: each is numbered as the first like
it, and the sorted of all orders stands for all.

A state becomes a *code*, a tuple of ints: the number of its shared part, then one number a message. Clauses become
bits of a mask: bit i stands for `Interned.clauses[i]`.

>>> from ackmodel import Config
>>> model = interned(Config(messages=2))
>>> start = model.encode(Config(messages=2).initial())
>>> start
(0, 0, 1)
>>> [(model.actions[action], broken) for action, shared, message, broken in model.local(0, 0)]
[('pop', 0)]
>>> model.calls, model.local(0, 0) is model.local(0, 0), model.calls
(1, True, 1)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import Enum
from itertools import product
from math import factorial
from types import FunctionType
from typing import Any, TypeAlias

from attrs import define, field

from ackexplore.system import BroadcastStep, System, system_of
from ackmodel import Config

MOST_CLAUSES = 31
"""A mask lies in a column of signed 32 bits."""

Code: TypeAlias = tuple[int, ...]
"""A state: the number of its shared part, then of each message."""

LocalSteps: TypeAlias = tuple[tuple[int, int, int, int], ...]
"""Local steps: (action, shared after, message after, clauses broken by the step)."""

Casts: TypeAlias = tuple[tuple[int, int, int], ...]
"""Broadcast steps: (action, shared after, number of the broadcast)."""

Outcomes: TypeAlias = tuple[tuple[int, int], ...]
"""What one message may become in a broadcast: (message after, clauses broken by the step)."""


Move: TypeAlias = tuple[int, int | None, Code, int]
"""One transition: (action, message that acted or None, code after, clauses broken by the step)."""


@define(eq=False)
class Interned:
    """One system's values, steps and judgements, numbered as they turn up.

    `calls` counts how often the model was asked for steps (local, broadcast or outcomes): the price of an exploration
    in plain Python. Numbers are given in the order of first use, so they differ between engines; counts do not.
    """

    system: System
    symmetric: bool = False
    clauses: tuple[Any, ...] = field(init=False)
    """The clause that each bit of a mask stands for."""
    shareds: list[Any] = field(factory=list, init=False)
    messages: list[Any] = field(factory=list, init=False)
    actions: list[str] = field(factory=list, init=False)
    calls: int = field(default=0, init=False)
    at_stake: Counter[Enum] = field(factory=Counter, init=False)
    """For each clause, the distinct pairs judged in which it was at stake."""
    _shared_ids: dict[Hashable, int] = field(factory=dict, init=False)
    _judged: list[int] = field(factory=list, init=False)
    _judged_ids: dict[Hashable, int] = field(factory=dict, init=False)
    _judged_shareds: list[Any] = field(factory=list, init=False)
    _message_ids: dict[Hashable, int] = field(factory=dict, init=False)
    _action_ids: dict[str, int] = field(factory=dict, init=False)
    _local: dict[tuple[int, int], LocalSteps] = field(factory=dict, init=False)
    _casts: dict[int, Casts] = field(factory=dict, init=False)
    _broadcasts: list[tuple[int, int, int, BroadcastStep]] = field(factory=list, init=False)
    _functions: dict[Hashable, int] = field(factory=dict, init=False)
    _same_some: list[int] = field(factory=list, init=False)
    _same_outcomes: list[int] = field(factory=list, init=False)
    _some: dict[tuple[int, int], bool] = field(factory=dict, init=False)
    _becomes: dict[tuple[int, int], tuple[int, ...]] = field(factory=dict, init=False)
    _outcomes: dict[tuple[int, int], Outcomes] = field(factory=dict, init=False)
    _broken: dict[tuple[int, int], int] = field(factory=dict, init=False)
    _broken_by: dict[tuple[int, int, int, int, int], int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.clauses = self.system.clauses
        if len(self.clauses) > MOST_CLAUSES:
            raise ValueError(f"{len(self.clauses)} clauses are too many: at most {MOST_CLAUSES} are judged at once")

    # --- masks ------------------------------------------------------------------------------------------------------

    def mask_of(self, clauses: Iterable[Enum]) -> int:
        """Return the mask of some clauses.

        >>> from ackmodel import Clause
        >>> model = interned(Config())
        >>> model.clauses_in(model.mask_of([Clause.NO_LIMBO]))
        (<Clause.NO_LIMBO: 'no-limbo'>,)
        """
        return sum(1 << self.clauses.index(clause) for clause in clauses)

    def clauses_in(self, mask: int) -> tuple[Any, ...]:
        """Return the clauses of a mask, in the order of the system."""
        return tuple(clause for bit, clause in enumerate(self.clauses) if mask >> bit & 1)

    # --- values and their numbers -----------------------------------------------------------------------------------

    def shared_id(self, shared: Hashable) -> int:
        """Return the number of a shared part, a new one if it was not seen before."""
        number = self._shared_ids.setdefault(shared, len(self.shareds))
        if number == len(self.shareds):
            self.shareds.append(shared)
            bare = self.system.judged(shared)
            judged = self._judged_ids.setdefault(bare, len(self._judged_shareds))
            if judged == len(self._judged_shareds):
                self._judged_shareds.append(bare)
            self._judged.append(judged)
        return number

    def message_id(self, message: Hashable) -> int:
        """Return the number of a message, a new one if it was not seen before."""
        number = self._message_ids.setdefault(message, len(self.messages))
        if number == len(self.messages):
            self.messages.append(message)
        return number

    def action_id(self, action: str) -> int:
        """Return the number of an action, a new one if it was not seen before."""
        number = self._action_ids.setdefault(action, len(self.actions))
        if number == len(self.actions):
            self.actions.append(action)
        return number

    def initial(self) -> Code:
        """Return the code of the state in which everything begins."""
        return self.encode(self.system.initial())

    def encode(self, state: tuple[Any, tuple[Any, ...]]) -> Code:
        """Return the code of a state of the model."""
        shared, messages = state
        return (
            self.shared_id(shared),
            *(self.message_id(self.stand_in(message, place)) for place, message in enumerate(messages)),
        )

    def decode(self, code: Code) -> tuple[Any, tuple[Any, ...]]:
        """Return the state of the model that a code stands for."""
        messages = (self.messages[number] for number in code[1:])
        if self.symmetric:
            messages = (self.system.placed(message, place) for place, message in enumerate(messages))
        return self.shareds[code[0]], tuple(messages)

    # --- symmetry ---------------------------------------------------------------------------------------------------

    def stand_in(self, message: Any, place: int) -> Any:
        """Return the message that stands for all like it: with symmetry, the first of them."""
        return self.system.placed(message, place % self.system.apart) if self.symmetric else message

    def canonical(self, code: Code) -> Code:
        """Return the code that stands for all that differ in the order of alike messages: with symmetry, the sorted."""
        if not self.symmetric:
            return code
        apart, messages = self.system.apart, list(code[1:])
        for first in range(apart):
            messages[first::apart] = sorted(messages[first::apart])
        return (code[0], *messages)

    def orbit(self, code: Code) -> int:
        """Return how many states a canonical code stands for.

        >>> model = interned(Config(messages=3, uncommitted=True), symmetric=True)
        >>> start = model.initial()
        >>> popped = next(successors(model, start))[2]
        >>> model.orbit(popped), model.orbit(start)
        (3, 1)
        """
        if not self.symmetric:
            return 1
        orbit, apart = 1, self.system.apart
        for first in range(apart):
            alike = [code for code in code[1 + first :: apart] if self.system.interchangeable(self.messages[code])]
            orbit *= factorial(len(alike))
            for times in Counter(alike).values():
                orbit //= factorial(times)
        return orbit

    # --- steps ------------------------------------------------------------------------------------------------------

    def local(self, shared: int, message: int) -> LocalSteps:
        """Return the local steps of a message beside a shared part, judged."""
        key = (shared, message)
        if key not in self._local:
            self._local[key] = tuple(self.ask_local(shared, message))
        return self._local[key]

    def ask_local(self, shared: int, message: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield what `local` returns, asking the model, and remembering nothing."""
        self.calls += 1
        before, old = self.shareds[shared], self.messages[message]
        for step in self.system.local_steps(before, old):
            action, shared_after = self.action_id(step.action), self.shared_id(step.shared)
            message_after = self.message_id(step.message)
            yield (
                action,
                shared_after,
                message_after,
                self.broken_by(action, shared, message, shared_after, message_after),
            )

    def casts(self, shared: int) -> Casts:
        """Return the broadcast steps out of a shared part; `some` and `outcomes` tell what becomes of the messages."""
        if shared not in self._casts:
            self.calls += 1
            casts = []
            for broadcast in self.system.broadcast_steps(self.shareds[shared]):
                action, after = self.action_id(broadcast.action), self.shared_id(broadcast.shared)
                casts.append((action, after, len(self._broadcasts)))
                self._broadcasts.append((shared, after, action, broadcast))
                self._same_some.append(self._function_id(broadcast.some))
                self._same_outcomes.append(self._function_id(broadcast.outcomes))
            self._casts[shared] = tuple(casts)
        return self._casts[shared]

    def some(self, cast: int, message: int) -> bool:
        """Return whether a message makes the broadcast possible."""
        key = (self._same_some[cast], message)
        if key not in self._some:
            self._some[key] = self._broadcasts[cast][3].some(self.messages[message])
        return self._some[key]

    def outcomes(self, cast: int, message: int) -> Outcomes:
        """Return what a message may become in a broadcast, judged."""
        key = (cast, message)
        if key not in self._outcomes:
            self._outcomes[key] = tuple(self.ask_outcomes(cast, message))
        return self._outcomes[key]

    def ask_outcomes(self, cast: int, message: int) -> Iterator[tuple[int, int]]:
        """Yield what `outcomes` returns, judging anew; the model is asked once for broadcasts that do the same."""
        shared, shared_after, action, broadcast = self._broadcasts[cast]
        key = (self._same_outcomes[cast], message)
        if key not in self._becomes:
            self.calls += 1
            self._becomes[key] = tuple(map(self.message_id, broadcast.outcomes(self.messages[message])))
        for after in self._becomes[key]:
            yield after, self.broken_by(action, shared, message, shared_after, after)

    def _function_id(self, function: Callable[..., object]) -> int:
        return self._functions.setdefault(what_it_does(function), len(self._functions))

    # --- judgements -------------------------------------------------------------------------------------------------

    def broken(self, shared: int, message: int) -> int:
        """Return the mask of the clauses that a message breaks beside a shared part."""
        key = (self._judged[shared], message)
        if key not in self._broken:
            bare = self._judged_shareds[key[0]]
            self._broken[key] = self.mask_of(self.system.broken_in_state(bare, self.messages[message]))
            self.at_stake.update(self.system.at_stake(bare, self.messages[message]))
        return self._broken[key]

    def broken_by(self, action: int, shared: int, message: int, shared_after: int, message_after: int) -> int:
        """Return the mask of the clauses that a message breaks in a step."""
        key = (action, self._judged[shared], message, self._judged[shared_after], message_after)
        if key not in self._broken_by:
            before = (self._judged_shareds[key[1]], self.messages[message])
            after = (self._judged_shareds[key[3]], self.messages[message_after])
            self._broken_by[key] = self.mask_of(self.system.broken_by_step(self.actions[action], before, after))
        return self._broken_by[key]

    def broken_state(self, code: Code) -> int:
        """Return the mask of the clauses that any message of a state breaks."""
        shared, broken = code[0], 0
        for message in code[1:]:
            broken |= self.broken(shared, message)
        return broken


def interned(asked: Config | System, *, symmetric: bool = False) -> Interned:
    """Return the values of a system, or of the model of this project in a configuration."""
    return Interned(system_of(asked), symmetric=symmetric)


def what_it_does(function: Callable[..., object]) -> Hashable:
    """Return a value that is equal for two functions of the model that do the same.

    The model makes a new function for each broadcast; most differ in nothing. Two functions of the same code, module,
    defaults and closed-over values do the same, since functions of the model are pure.

    >>> def adder(n):
    ...     return lambda x: x + n
    >>> what_it_does(adder(1)) == what_it_does(adder(1)), what_it_does(adder(1)) == what_it_does(adder(2))
    (True, False)
    """
    if not isinstance(function, FunctionType):
        return function
    closed_over = tuple(
        what_it_does(cell.cell_contents) if isinstance(cell.cell_contents, FunctionType) else cell.cell_contents
        for cell in function.__closure__ or ()
    )
    defaults = (function.__defaults__, tuple((function.__kwdefaults__ or {}).items()))
    return (function.__code__, function.__module__, defaults, closed_over)


def successors(model: Interned, code: Code) -> Iterator[Move]:
    """Yield every transition out of a state, as `ackmodel.moves` does, but in numbers and judged."""
    shared, messages = code[0], code[1:]
    for index, message in enumerate(messages):
        for action, shared_after, message_after, broken in model.local(shared, message):
            yield action, index, (shared_after, *messages[:index], message_after, *messages[index + 1 :]), broken
    for action, shared_after, cast in model.casts(shared):
        if not any(model.some(cast, message) for message in messages):
            continue
        for combination in product(*(model.outcomes(cast, message) for message in messages)):
            broken = 0
            for _, breaks in combination:
                broken |= breaks
            yield action, None, (shared_after, *(after for after, _ in combination)), broken
