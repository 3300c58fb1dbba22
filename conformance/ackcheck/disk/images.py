"""What a power cut may leave: from what was written in each epoch, the images to be judged, and which are equal.

Between two flushes a disk may have kept any of the blocks written, in any of their versions, and not the others. Where
that makes few images, all of them are planned; where it makes many, first those that tell the files apart (each file's
blocks alone lost, alone kept, in every epoch: representatives, as Pathfinder has them, find more than more images do),
then prefixes in the order of writing, random subsets and torn blocks, by seed.

>>> epochs = [{1: ["0", "a"], 2: ["0", "b", "c"]}, {1: ["a", "d"]}]
>>> plan = planned(epochs, {1: "log", 2: "offsets"}, seed=1)
>>> plan.total, plan.complete, [image.kind for image in plan.images][:2]
(7, True, ['none', 'subset'])
>>> len({image.content for image in plan.images if not image.torn}), len(plan.images)
(7, 23)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final

from attrs import Factory, define, field, frozen

from ackcheck.disk.blocks import ALL, Choice

FEW: Final = 256
"""Images up to which all of them are planned."""

TORN: Final = 16
"""Images with a torn block beside all that have whole blocks only."""

METADATA: Final = "the file system's own"
"""The label of a block that lies in no file."""

Digests = Mapping[int, Sequence[str]]
"""Of each block the versions of an epoch, first the one before it."""

Content = frozenset[tuple[int, str]]
"""What an image holds where anything was written: equal for equal images."""


@frozen
class Image:
    """One state that the cut may have left: why it was chosen, how it is made, and what it holds."""

    kind: str
    choice: Choice = field(hash=False)
    content: Content = field(hash=True, repr=False)

    @property
    def torn(self) -> bool:
        """Whether a block of it has some sectors of one version and some of another."""
        return any(mask != ALL for _, mask in self.choice.blocks.values())


@frozen
class Plan:
    """The images to be judged, how many of whole blocks there are in all, and whether these are among them."""

    images: tuple[Image, ...]
    total: int
    complete: bool
    equal: int
    """How many choices were left out because another makes the same image."""


def planned(
    epochs: Sequence[Digests], labels: Mapping[int, str], *, seed: int | str, most: int = FEW, torn: bool = True
) -> Plan:
    """Choose the images of a cut: all of whole blocks, up to `most` (and `FEW`), or that many by seed.

    `labels` says of a block which file it lies in. `torn`: whether blocks of files may be torn at their sectors; where
    all of whole blocks are chosen, `TORN` of those come after them, as far as `most` allows.
    """
    total = 1 + sum(math.prod(len(set(versions)) for versions in epoch.values()) - 1 for epoch in epochs)
    maker = _Maker(epochs, labels)
    complete = total <= min(most, FEW)
    source = maker.every() if complete else maker.some(Random(f"images/{seed}"), torn=torn)
    chosen: dict[Content, Image] = {}
    equal = 0
    for image in itertools.islice(source, most * 8):
        if len(chosen) >= most and not complete:
            break
        equal += image.content in chosen
        chosen.setdefault(image.content, image)
    if complete and torn:
        room = min(most, len(chosen) + TORN)
        for image in itertools.islice(maker.torn(Random(f"torn/{seed}")), TORN * 8):
            if len(chosen) < room:
                chosen.setdefault(image.content, image)
    return Plan(tuple(chosen.values()), total, complete, equal)


class _Maker:
    def __init__(self, epochs: Sequence[Digests], labels: Mapping[int, str]) -> None:
        self._epochs = epochs
        self._labels = labels
        # What is there before each epoch, where anything is ever written.
        before: dict[int, str] = {}
        for epoch in epochs:
            for block, versions in epoch.items():
                before.setdefault(block, versions[0])
        self._before = [dict(before)]
        for epoch in epochs:
            before = before | {block: versions[-1] for block, versions in epoch.items()}
            self._before.append(before)

    def image(self, kind: str, epoch: int, blocks: Mapping[int, tuple[int, int]]) -> Image:
        content = dict(self._before[epoch])
        for block, (version, mask) in blocks.items():
            old, new = self._epochs[epoch][block][version - 1 : version + 1]
            content[block] = new if mask == ALL else f"{old}/{new}/{mask:x}"
        return Image(kind, Choice(epoch, dict(blocks)), frozenset(content.items()))

    def every(self) -> Iterator[Image]:
        """Yield all images, epoch by epoch."""
        yield self.image("none", 0, {})
        for number, epoch in enumerate(self._epochs):
            ways = [_distinct(versions) for versions in epoch.values()]
            for chosen in itertools.product(*ways):
                blocks = {block: (version, ALL) for block, version in zip(epoch, chosen, strict=True) if version}
                if blocks:
                    yield self.image("all" if self._whole(number, blocks) else "subset", number, blocks)

    def some(self, random: Random, *, torn: bool) -> Iterator[Image]:
        """Yield images without end: representatives first, then by chance."""
        yield self.image("none", 0, {})
        yield self.image("all", len(self._epochs), {})
        yield from self._representatives()
        kinds = ["prefix", "subset", "subset", "torn"] if torn else ["prefix", "subset", "subset"]
        while True:
            number = random.randrange(len(self._epochs))
            kind = random.choice(kinds)
            yield self.image(kind, number, self._by_chance(random, kind, number))

    def torn(self, random: Random) -> Iterator[Image]:
        """Yield images with a torn block of a file, without end; none where no file was written."""
        numbers = [number for number, epoch in enumerate(self._epochs) if epoch.keys() & self._labels.keys()]
        while numbers:
            number = random.choice(numbers)
            yield self.image("torn", number, self._by_chance(random, "torn", number))

    def _representatives(self) -> Iterator[Image]:
        """Yield, of each epoch, its end, and what differs in the blocks of one file only."""
        for number, epoch in reversed(list(enumerate(self._epochs))):
            whole = self._last(number, list(epoch))
            if number + 1 < len(self._epochs):
                yield self.image("epoch", number, whole)
            files: dict[str, list[int]] = {}
            for block in epoch:
                files.setdefault(self._labels.get(block, METADATA), []).append(block)
            for name, blocks in sorted(files.items()):
                only = self._last(number, blocks)
                yield self.image(f"without {name}", number, {b: how for b, how in whole.items() if b not in only})
                yield self.image(f"only {name}", number, only)

    def _by_chance(self, random: Random, kind: str, number: int) -> dict[int, tuple[int, int]]:
        epoch = self._epochs[number]
        blocks = list(epoch)  # in the order in which they were first written
        if kind == "prefix":
            return self._last(number, blocks[: random.randrange(len(blocks) + 1)])
        share = random.choice((0.1, 0.5, 0.9))
        chosen = {
            block: (random.choice((len(epoch[block]) - 1, random.randrange(1, len(epoch[block])))), ALL)
            for block in blocks
            if random.random() < share
        }
        in_files = [block for block in blocks if block in self._labels]
        if kind == "torn" and in_files:
            block = random.choice(in_files)
            mask = random.choice(((1 << random.randrange(1, 8)) - 1, random.randrange(1, ALL)))
            chosen[block] = (random.randrange(1, len(epoch[block])), mask)
        return chosen

    def _last(self, number: int, blocks: Sequence[int]) -> dict[int, tuple[int, int]]:
        return {block: (len(self._epochs[number][block]) - 1, ALL) for block in blocks}

    def _whole(self, number: int, blocks: Mapping[int, tuple[int, int]]) -> bool:
        return number == len(self._epochs) - 1 and blocks == self._last(number, list(self._epochs[number]))


def _distinct(versions: Sequence[str]) -> list[int]:
    """Return the versions that differ in content, the earliest of each."""
    return [number for number, name in enumerate(versions) if name not in versions[:number]]


@define
class Folder:
    """Folds images that are equal in all that was read of one of them: recovery cannot tell them apart.

    >>> one, two = (Image("subset", Choice(0), frozenset({(1, "a"), (2, name)})) for name in "bc")
    >>> folder = Folder(); folder.judged(one, frozenset({1, 7}))
    >>> folder.folds(two), folder.folds(Image("none", Choice(0), frozenset({(1, "z"), (2, "b")})))
    (True, False)
    """

    _seen: list[tuple[Content, frozenset[int]]] = Factory(list)

    def judged(self, image: Image, read: frozenset[int]) -> None:
        """Note what was read while an image was judged."""
        self._seen.append((image.content, read))

    def folds(self, image: Image) -> bool:
        """Tell whether an image would show the same as one that was judged."""
        return any(not any(block in read for block, _ in image.content ^ content) for content, read in self._seen)
