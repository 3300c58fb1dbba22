"""The levels of a search: the newest as it is, those before it packed again, in memory or on disk.

A trace is read backwards from the levels, so all are kept; but once a level is expanded, nobody looks at it before the
end. Its states lie in order, more or less, so of each only the difference from the one before is written, seven bits a
byte: 1 to 4 bytes where the state takes 8. When memory runs short the packed ones go to a file that has no name, in
the folder that TMPDIR names, and ends with the process. Longer states are kept as they are.

>>> import numpy as np
>>> levels = Levels(low=3)
>>> for numbers in ([4], [1, 9, 70_000], [5, 2]):
...     levels.append(np.array([[1 << 63 | number << 3] for number in numbers], dtype=np.uint64))
>>> levels.nbytes, levels.spill(), levels.nbytes     # one byte, five, and two words
(22, 6, 16)
>>> [int(state) >> 3 & 0xFFFFF for (state,) in levels[1].tolist()]
[1, 9, 70000]
>>> levels.close()
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import define, field, frozen

from ackexplore.table.kernels import ONE, U64, U, kernel
from ackexplore.table.layout import OCCUPIED, Words

BLOCK = 1 << 15
LONGEST = 10
"""The most bytes that a difference takes."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
Each: TypeAlias = Callable[[Callable[[Any, int], Any], Sequence[Any]], list[Any]]
"""Does some work for each of some things, perhaps in threads; see `ackexplore.table.engine`."""


@kernel
def write_differences(states: Words, low: U64, written: Bytes) -> int:
    """Write each state as its difference from the one before, either way; return how many bytes that takes."""
    at, before = 0, U(0)
    for index in range(states.shape[0]):
        state = (states[index, 0] & ~OCCUPIED) >> low
        step = (state - before) << ONE if state >= before else ((before - state) << ONE) | ONE
        before = state
        while step >= U(128):
            written[at] = np.uint8((step & U(127)) | U(128))
            step >>= U(7)
            at += 1
        written[at] = np.uint8(step)
        at += 1
    return at


@kernel
def read_differences(written: Bytes, low: U64, states: Words) -> None:
    """Read what `write_differences` wrote."""
    at, before = 0, U(0)
    for index in range(states.shape[0]):
        step, shift = U(0), U(0)
        while written[at] >= 128:
            step |= (U(written[at]) & U(127)) << shift
            shift += U(7)
            at += 1
        step |= U(written[at]) << shift
        at += 1
        before = before - (step >> ONE) if step & ONE else before + (step >> ONE)
        states[index, 0] = OCCUPIED | (before << low)


@frozen(eq=False)
class _Block:
    """Some states of a level: packed in memory, or, if `data` is None, so many bytes of the file from `start` on."""

    states: int
    nbytes: int
    data: Bytes | None
    start: int = 0


def _in_turn(work: Callable[[Any, int], Any], things: Sequence[Any]) -> list[Any]:
    return [work(thing, 0) for thing in things]


@define(eq=False)
class Levels:
    """The levels so far, by number; `low` is how many of the lowest bits of a state of one word are not used."""

    low: int
    words: int = 1
    each: Each = _in_turn
    newest: Words | None = field(init=False, default=None)
    nbytes: int = field(init=False, default=0)
    """The memory they take."""
    spilled: int = field(init=False, default=0)
    """The bytes on disk."""
    _blocks: list[list[_Block]] = field(init=False, factory=list)
    _file: IO[bytes] | None = field(init=False, default=None)

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self._blocks) + (self.newest is not None)

    def __getitem__(self, number: int) -> Words:
        """Return a level as it was; the newest is -1."""
        if number in (-1, len(self) - 1) and self.newest is not None:
            return self.newest
        blocks = self._blocks[number]
        level = np.empty((sum(block.states for block in blocks), self.words), dtype=np.uint64)
        start = 0
        for block in blocks:
            self._unpack(block, level[start : start + block.states])
            start += block.states
        return level

    def __iter__(self) -> Iterator[Words]:
        """Go through the levels, from the first."""
        return (self[number] for number in range(len(self)))

    @property
    def sizes(self) -> list[int]:
        """How many states each level has."""
        packed = [sum(block.states for block in blocks) for blocks in self._blocks]
        return packed if self.newest is None else [*packed, len(self.newest)]

    def append(self, level: Words) -> None:
        """Take a new level; the one before it is packed."""
        if self.newest is not None:
            self.pack()
        self.newest = level
        self.nbytes += level.nbytes

    def pack(self) -> None:
        """Pack the newest level: from now on there is none as it was."""
        level = self.newest
        assert level is not None
        parts = [level[start : start + BLOCK] for start in range(0, len(level), BLOCK)]
        blocks = self.each(lambda part, _: self._packed(part), parts)
        self._blocks.append(blocks)
        self.nbytes += sum(block.nbytes for block in blocks) - level.nbytes
        self.newest = None

    def _packed(self, states: Words) -> _Block:
        if self.words > 1:
            data = states.copy().view(np.uint8).reshape(-1)
        else:
            written = np.empty(LONGEST * len(states), dtype=np.uint8)
            data = written[: write_differences(states, U(self.low), written)].copy()
        return _Block(len(states), data.nbytes, data)

    def _unpack(self, block: _Block, to: Words) -> None:
        data = block.data
        if data is None:
            assert self._file is not None
            data = np.frombuffer(os.pread(self._file.fileno(), block.nbytes, block.start), dtype=np.uint8)
        if self.words > 1:
            to[:] = data.view(np.uint64).reshape(to.shape)
        else:
            read_differences(data, U(self.low), to)

    def spill(self) -> int:
        """Write what is packed and still in memory to disk; return how many bytes of memory that gave back."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="ackcheck-levels-")  # noqa: SIM115 - closed by `close`
        before = self.nbytes
        for blocks in self._blocks:
            for number, block in enumerate(blocks):
                if block.data is not None:
                    self._file.write(block.data.data)
                    blocks[number] = _Block(block.states, block.nbytes, None, self.spilled)
                    self.spilled += block.nbytes
                    self.nbytes -= block.nbytes
        self._file.flush()
        return before - self.nbytes

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
