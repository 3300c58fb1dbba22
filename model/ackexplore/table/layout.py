"""How a state is packed into 64-bit words.

A state is a row of small numbers: field 0 is the shared part, field i + 1 message i. Each field gets as many bits as
its largest number needs so far, and lies within one word; when a field outgrows its bits, everything is packed anew.
The shared part lies above the messages, so that sorting states brings those with equal shared parts together. Bit 63 of
word 0 is always set, so that no packed state is zero, and zero can mean "empty" in a hash table.

>>> import numpy as np
>>> layout = Layout(widths=(3, 5, 5))
>>> packed = layout.pack(np.array([[1, 2, 3]]))
>>> layout.words, packed.shape, layout.unpack(packed).tolist()
(1, (1, 1), [[1, 2, 3]])
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

Words = npt.NDArray[np.uint64]
"""Packed states: (states, words)."""

Numbers = npt.NDArray[np.int64]
"""Unpacked states: (states, fields)."""

OCCUPIED = np.uint64(1 << 63)
WORD_BITS = 63


def _places(widths: tuple[int, ...], word_bits: int) -> tuple[tuple[int, int], ...]:
    """Return the (word, shift) of each field, from the top: what does not fit a word begins the next."""
    places, word, used = [], 0, 0
    for width in widths:
        if used + width > word_bits:
            word, used = word + 1, 0
        used += width
        places.append((word, word_bits - used))
    return tuple(places)


@frozen(kw_only=True)
class Layout:
    """The bits of each field, and from them the places. `word_bits` is smaller than 63 only in tests."""

    widths: tuple[int, ...]
    word_bits: int = WORD_BITS
    places: tuple[tuple[int, int], ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        if not all(0 < width <= self.word_bits for width in self.widths):
            raise ValueError(f"a field of {max(self.widths)} bits does not fit a word of {self.word_bits}")
        object.__setattr__(self, "places", _places(self.widths, self.word_bits))

    @property
    def words(self) -> int:
        """How many 64-bit words a state takes."""
        return self.places[-1][0] + 1

    @property
    def table(self) -> npt.NDArray[np.uint64]:
        """The fields for the kernels: (fields, 3) of word, shift and mask."""
        rows = [(word, shift, (1 << width) - 1) for (word, shift), width in zip(self.places, self.widths, strict=True)]
        return np.array(rows, dtype=np.uint64)

    def fits(self, counts: Iterable[int]) -> bool:
        """Tell whether the numbers 0 .. count - 1 of each field fit its bits."""
        return all(count <= 1 << width for count, width in zip(counts, self.widths, strict=True))

    def grown(self, counts: Iterable[int]) -> Layout:
        """Return a layout with a spare bit for every field that `counts` has outgrown."""
        widths = tuple(
            width if count <= 1 << width else count.bit_length() + 1
            for count, width in zip(counts, self.widths, strict=True)
        )
        return Layout(widths=widths, word_bits=self.word_bits)

    def pack(self, numbers: Numbers) -> Words:
        """Return states (n, fields) as words (n, words)."""
        packed = np.zeros((len(numbers), self.words), dtype=np.uint64)
        packed[:, 0] = OCCUPIED
        for column, (word, shift) in enumerate(self.places):
            packed[:, word] |= numbers[:, column].astype(np.uint64) << np.uint64(shift)
        return packed

    def repack(self, packed: Words, into: Layout) -> Words:
        """Return states packed by this layout as packed by another."""
        result = np.zeros((len(packed), into.words), dtype=np.uint64)
        result[:, 0] = OCCUPIED
        places = zip(self.places, self.widths, into.places, strict=True)
        for (word, shift), width, (new_word, new_shift) in places:
            numbers = (packed[:, word] >> np.uint64(shift)) & np.uint64((1 << width) - 1)
            result[:, new_word] |= numbers << np.uint64(new_shift)
        return result

    def unpack(self, packed: Words) -> Numbers:
        """Return words (n, words) as states (n, fields)."""
        columns = [
            (packed[:, word] >> np.uint64(shift)) & np.uint64((1 << width) - 1)
            for (word, shift), width in zip(self.places, self.widths, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int64)
