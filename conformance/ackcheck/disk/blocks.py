"""What the disk holds: what is certainly on it (the base), what reads see, and between them the log of what came since.

A write goes into what is seen and into the log; a flush that ends well brings into the base what the log held when the
flush began. After `cut` the base stands still: what comes is kept in order, with a mark at each flush, and says what
a power cut would have to choose from.

>>> blocks = Blocks(64 * 1024)
>>> blocks.write(4096, b"new" * 512)
>>> blocks.read(4096, 3), blocks.certain(4096, 3)
(b'new', b'\\x00\\x00\\x00')
>>> blocks.flushed(blocks.mark())
>>> blocks.certain(4096, 3)
b'new'

A *version* of a block is what one write more has made of it. An image takes one version of each block: the blocks of
earlier epochs (what lies between two flushes) in their last one, those of the epoch in whichever a `Choice` names.

>>> blocks.write(4096, b"one" * 512); blocks.write(8192, b"two" * 512); blocks.cut()
>>> [sorted(epoch) for epoch in blocks.epochs()]
[[1, 2]]
>>> blocks.show(Choice(0, {2: (1, ALL)}))
>>> blocks.read(4096, 3), blocks.read(8192, 3)
(b'new', b'two')
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from attrs import Factory, frozen

BLOCK: Final = 4096
"""Bytes that a disk writes whole, unless it tears them."""

SECTOR: Final = 512
"""Bytes that even a torn write has whole."""

ALL: Final = (1 << BLOCK // SECTOR) - 1
"""The mask of all sectors of a block."""

MOST_UNFLUSHED: Final = 256 << 20
"""Bytes that the log may hold; beyond it the oldest writes reach the base by themselves, as in any disk's cache."""

Epoch = dict[int, list[bytes]]
"""The versions of each block written between two flushes: first what was there before, then what each write made."""


@frozen
class Choice:
    """An image: everything before an epoch, and of it some blocks in some version, all or some sectors of them."""

    epoch: int
    blocks: Mapping[int, tuple[int, int]] = Factory(dict)
    """Of a block: which version, from 1 on, and the mask of the sectors that have it; others have the one before."""


class Blocks:
    """The bytes of a disk of `size` bytes, in memory; `base` is the descriptor of one that is to be started from."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._base, self._seen = _Memory(size, "base"), _Memory(size, "seen")
        self._log: list[tuple[int, bytes]] = []
        self._begun = 0  # writes that have left the log: a mark counts from the first write of all
        self._unflushed = 0
        self._is_cut = False
        self._is_sealed = False
        self._after: list[tuple[int, bytes] | None] = []  # of a disk that was cut: writes in order, None for a flush
        self._epochs: list[Epoch] = []
        self._touched: set[int] = set()
        self.written_back = 0
        """Writes that reached the base without a flush, because the log was full."""

    # --- while it runs -----------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes as they are seen."""
        return os.pread(self._seen.fd, size, offset)

    def certain(self, offset: int, size: int) -> bytes:
        """Return bytes as they are certainly on the disk."""
        return os.pread(self._base.fd, size, offset)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Take a write."""
        self._seen.map[offset : offset + len(data)] = data
        if self._is_sealed:
            self._touched.update(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1))
        elif self._is_cut:
            self._after.append((offset, bytes(data)))
        else:
            self._log.append((offset, bytes(data)))
            self._unflushed += len(data)
            if self._unflushed > MOST_UNFLUSHED:
                self._write_back()

    def rot(self, offset: int, bit: int) -> None:
        """Turn one bit over, wherever the byte is kept."""
        for side in (self._base, self._seen):
            side.map[offset] = side.map[offset] ^ (1 << bit)

    def mark(self) -> int:
        """Return what a flush that begins now has to bring to the base, for `flushed`."""
        return self._begun + len(self._log)

    def flushed(self, mark: int) -> None:
        """End a flush well: everything before its mark is certain now."""
        if self._is_cut:
            if not self._is_sealed:
                self._after.append(None)
            return
        self._apply(max(0, mark - self._begun))

    @property
    def unflushed(self) -> int:
        """How many writes wait for a flush."""
        return len(self._log)

    def _write_back(self) -> None:
        half = len(self._log) // 2 + 1
        self._apply(half)
        self.written_back += half

    def _apply(self, count: int) -> None:
        target = self._base.map
        for offset, data in self._log[:count]:
            target[offset : offset + len(data)] = data
            self._unflushed -= len(data)
        del self._log[:count]
        self._begun += count

    # --- after a power cut -------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Let the base stand still from now on; what comes is what the cut may leave, as far as it came in order."""
        if not self._is_cut:
            self._is_cut = True
            self._after.extend(self._log)
            self._log.clear()
            self._unflushed = 0

    def epochs(self) -> list[Epoch]:
        """End what the cut disk keeps; return what was written in each epoch. Writes from now on are of an image."""
        if not self._is_sealed:
            self.cut()
            self._is_sealed = True
            self._epochs = _epochs_of(self._base, self._after)
            self._touched = {offset // BLOCK + more for one in self._after if one for offset, more in _reach(one)}
            self._after.clear()
        return self._epochs

    def show(self, choice: Choice) -> None:
        """Let an image be seen, whatever was made of the one before."""
        self.epochs()
        for block in self._touched:
            self._seen.put(block, self._base.get(block))
        self._touched = set(self._placed(self._seen, choice))

    def adopt(self, choice: Choice) -> None:
        """Go on from an image: it is what is certain, and the log begins anew."""
        self.show(choice)
        self._placed(self._base, choice)
        self._is_cut = self._is_sealed = False
        self._epochs, self._touched = [], set()

    def _placed(self, side: _Memory, choice: Choice) -> list[int]:
        """Write an image's blocks; return which they are."""
        blocks = []
        for epoch in self._epochs[: choice.epoch]:
            for block, versions in epoch.items():
                side.put(block, versions[-1])
                blocks.append(block)
        for block, (version, mask) in choice.blocks.items():
            versions = self._epochs[choice.epoch][block]
            side.put(block, torn(versions[version - 1], versions[version], mask))
            blocks.append(block)
        return blocks

    def close(self) -> None:
        """Let the memory go."""
        self._base.close()
        self._seen.close()


def torn(old: bytes, new: bytes, mask: int) -> bytes:
    """Return a block of which only the sectors of a mask are new.

    >>> torn(b"o" * BLOCK, b"n" * BLOCK, 0b101)[::SECTOR]
    b'nonooooo'
    """
    if mask == ALL:
        return new
    return b"".join(
        (new if mask >> sector & 1 else old)[sector * SECTOR : (sector + 1) * SECTOR]
        for sector in range(BLOCK // SECTOR)
    )


def digest(content: bytes) -> str:
    """Return a short name of a block's content, equal for equal ones."""
    return blake2b(content, digest_size=8).hexdigest()


def _reach(write: tuple[int, bytes]) -> list[tuple[int, int]]:
    """Return the blocks of a write, each as its offset and how many blocks on."""
    offset, data = write
    return [(offset, more) for more in range((offset % BLOCK + len(data) - 1) // BLOCK + 1)]


def _epochs_of(base: _Memory, written: list[tuple[int, bytes] | None]) -> list[Epoch]:
    """Return the versions that writes made, epoch by epoch; an epoch in which nothing was written is left out."""
    latest: dict[int, bytes] = {}
    epochs: list[Epoch] = [{}]
    for one in written:
        if one is None:
            if epochs[-1]:
                epochs.append({})
            continue
        offset, data = one
        for block in range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1):
            before = latest[block] if block in latest else base.get(block)
            start = offset - block * BLOCK
            piece = data[max(0, -start) : BLOCK - start]
            at = max(0, start)
            after = before[:at] + piece + before[at + len(piece) :]
            latest[block] = after
            if after != before:
                epochs[-1].setdefault(block, [before]).append(after)
    return [epoch for epoch in epochs if epoch]


class _Memory:
    """Bytes of a file that has no name, and takes no room for what was never written."""

    def __init__(self, size: int, name: str) -> None:
        self.fd = os.memfd_create(f"ackcheck-disk-{name}", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)

    def get(self, block: int) -> bytes:
        return os.pread(self.fd, BLOCK, block * BLOCK)

    def put(self, block: int, content: bytes) -> None:
        self.map[block * BLOCK : (block + 1) * BLOCK] = content

    def close(self) -> None:
        self.map.close()
        os.close(self.fd)
