"""The steps of the model as flat arrays, filled in as an exploration comes upon them.

The unit is a *pair*: one shared part and one message at one place in the queue (its slot). For each distinct pair the
model is asked once, and everything about it is kept in one row:

    rows[row]      = (first local step, one past the last, first outcome pointer, clauses broken)
    masks[row]     = (bits of the casts that it makes possible, that it makes impossible, in which it has a choice)
    local[i]       = (action, shared after, message after, clauses broken)
    pointers[p+k]  .. pointers[p+k+1] are the outcomes of the pair in the k-th broadcast of its shared part
    outcomes[j]    = (message after, clauses broken)
    shared_casts[s] = (first broadcast, how many); casts[c] = (action, shared after)

Messages are numbered within their slot, which keeps the numbers, and so the packed states, small. With symmetry, the
slots of alike messages share their values, and so their rows.

>>> from ackmodel import Config
>>> tables = StepTables(Config(messages=2))
>>> tables.initial()
(0, 0, 0)
>>> tables.fill([tables.pair_key(slot=0, shared=0, message=0)])
>>> tables.local.data[: tables.local.size].tolist()      # pop: message 0 becomes value 1 of its slot
[[0, 0, 1, 0]]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, field

from ackexplore.interning import Interned, interned
from ackexplore.system import System
from ackmodel import Config

MOST_CASTS = 64
SLOT_BITS, MESSAGE_BITS = 6, 26


@define(eq=False)
class Growing:
    """An array of rows to which rows are added at the end."""

    columns: int
    kind: type[np.integer[Any]] = np.int32
    data: npt.NDArray[Any] = field(init=False)
    size: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.data = np.zeros((64, self.columns), dtype=self.kind)

    def append(self, *row: int) -> int:
        """Add a row; return its number."""
        if self.size == len(self.data):
            self.data = np.concatenate([self.data, np.zeros_like(self.data)])
        self.data[self.size] = row
        self.size += 1
        return self.size - 1

    @property
    def nbytes(self) -> int:
        """The memory it takes."""
        return int(self.data.nbytes)


@define(eq=False)
class _Slot:
    """The messages of one slot: their numbers here, and their numbers in the interned model."""

    to_model: list[int] = field(factory=list)
    from_model: dict[int, int] = field(factory=dict)

    def number(self, message: int) -> int:
        number = self.from_model.setdefault(message, len(self.to_model))
        if number == len(self.to_model):
            self.to_model.append(message)
        return number


@define(eq=False)
class StepTables:
    """The tables of one system, and the interned model that they are filled from."""

    asked: Config | System
    symmetric: bool = False
    model: Interned = field(init=False)
    messages: int = field(init=False)
    slots: list[_Slot] = field(init=False)
    rows: Growing = field(init=False, factory=lambda: Growing(4))
    masks: Growing = field(init=False, factory=lambda: Growing(3, np.uint64))
    local: Growing = field(init=False, factory=lambda: Growing(4))
    pointers: Growing = field(init=False, factory=lambda: Growing(1))
    outcomes: Growing = field(init=False, factory=lambda: Growing(2))
    shared_casts: Growing = field(init=False, factory=lambda: Growing(2))
    casts: Growing = field(init=False, factory=lambda: Growing(2))
    any_broken: bool = field(init=False, default=False)
    _most: list[int] = field(init=False, factory=lambda: [0, 0, 0])
    _cast_numbers: dict[int, tuple[int, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.model = interned(self.asked, symmetric=self.symmetric)
        self.messages = self.model.system.messages
        own = [_Slot() for _ in range(self.messages)]
        self.slots = [own[number] for number in self.stand_ins]

    # --- numbers ----------------------------------------------------------------------------------------------------

    def initial(self) -> tuple[int, ...]:
        """Return the initial state, numbered by slot."""
        shared, *messages = self.model.initial()
        return (shared, *(slot.number(message) for slot, message in zip(self.slots, messages, strict=True)))

    @property
    def stand_ins(self) -> tuple[int, ...]:
        """The slot that each slot shares its values with: with symmetry, the first alike, else itself."""
        apart = self.alike or self.messages
        return tuple(slot % apart for slot in range(self.messages))

    @property
    def alike(self) -> int:
        """With symmetry, how far apart alike messages are; else 0."""
        return self.model.system.apart if self.symmetric else 0

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Which values of each slot are of messages that may be exchanged, by slot and number; none if none may."""
        if not self.symmetric:
            return np.zeros((0, 0), dtype=np.bool_)
        free = np.zeros((self.messages, max(self.counts[1:])), dtype=np.bool_)
        for slot, values in zip(free, self.slots, strict=True):
            for number, message in enumerate(values.to_model):
                slot[number] = self.model.system.interchangeable(self.model.messages[message])
        return free

    @property
    def counts(self) -> tuple[int, ...]:
        """How many distinct values each field has so far: the shared part, then each slot."""
        return (len(self.model.shareds), *(len(slot.to_model) for slot in self.slots))

    def code(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Return the code (numbers of the interned model) of a state numbered by slot."""
        shared, *messages = map(int, numbers)
        return (shared, *(slot.to_model[message] for slot, message in zip(self.slots, messages, strict=True)))

    def numbers(self, code: tuple[int, ...]) -> tuple[int, ...]:
        """Return a state numbered by slot, from its code."""
        return (code[0], *(slot.number(message) for slot, message in zip(self.slots, code[1:], strict=True)))

    @staticmethod
    def pair_key(*, slot: int, shared: int, message: int) -> int:
        """Return the number that names a pair; never zero."""
        return (slot | message << SLOT_BITS | shared << (SLOT_BITS + MESSAGE_BITS)) + 1

    @property
    def nbytes(self) -> int:
        """The memory the tables take."""
        tables = (self.rows, self.masks, self.local, self.pointers, self.outcomes, self.shared_casts, self.casts)
        return sum(table.nbytes for table in tables)

    @property
    def at_most(self) -> int:
        """A bound on the successors of any state whose pairs have rows; far from tight."""
        local, casts, outcomes = self._most
        combinations: int = outcomes ** len(self.slots)
        return min(local * len(self.slots) + casts * combinations, 1 << 40)

    # --- filling ----------------------------------------------------------------------------------------------------

    def fill(self, keys: Iterable[int]) -> None:
        """Ask the model about pairs that have no row yet; they get the next rows, in this order."""
        for key in keys:
            name = int(key) - 1
            slot = self.slots[name & (1 << SLOT_BITS) - 1]
            message = slot.to_model[name >> SLOT_BITS & (1 << MESSAGE_BITS) - 1]
            self._fill(slot, name >> SLOT_BITS + MESSAGE_BITS, message)
        while self.shared_casts.size < len(self.model.shareds):
            self.shared_casts.append(0, 0)

    def _fill(self, slot: _Slot, shared: int, message: int) -> None:
        first = self.local.size
        for action, shared_after, after, broken in self.model.ask_local(shared, message):
            self.local.append(action, shared_after, slot.number(after), broken)
        some, barred, choice, first_pointer = 0, 0, 0, self.pointers.append(self.outcomes.size)
        for bit, cast in enumerate(self._casts_of(shared)):
            some |= self.model.some(cast, message) << bit
            first_outcome = self.outcomes.size
            for after, broken in self.model.ask_outcomes(cast, message):
                self.outcomes.append(slot.number(after), broken)
            self.pointers.append(self.outcomes.size)
            count = self.outcomes.size - first_outcome
            barred |= (count == 0) << bit
            choice |= (count > 1) << bit
            self._most[2] = max(self._most[2], count)
        broken = self.model.broken(shared, message)
        self.any_broken = self.any_broken or bool(broken)
        self.rows.append(first, self.local.size, first_pointer, broken)
        self.masks.append(some, barred, choice)
        self._most[0] = max(self._most[0], self.local.size - first)

    def _casts_of(self, shared: int) -> tuple[int, ...]:
        """Return the broadcasts of a shared part, entering them into the tables the first time."""
        if shared not in self._cast_numbers:
            casts = self.model.casts(shared)
            assert len(casts) <= MOST_CASTS, "the bits of the possible broadcasts must fit a word"
            first = self.casts.size
            self._most[1] = max(self._most[1], len(casts))
            for action, after, _ in casts:
                self.casts.append(action, after)
            while self.shared_casts.size <= shared:
                self.shared_casts.append(0, 0)
            self.shared_casts.data[shared] = (first, len(casts))
            self._cast_numbers[shared] = tuple(number for _, _, number in casts)
        return self._cast_numbers[shared]
