"""What is certain, what is seen, and what a cut may leave, block by block."""

import itertools

from ackcheck.disk.blocks import ALL, BLOCK, MOST_UNFLUSHED, SECTOR, Blocks, Choice, digest

SIZE = 64 * BLOCK


def full(letter: str) -> bytes:
    return letter.encode() * BLOCK


def test_flush_covers_what_was_written_before_it_began_and_no_more() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    mark = blocks.mark()
    blocks.write(BLOCK, full("b"))
    blocks.flushed(mark)
    assert (blocks.certain(0, 1), blocks.certain(BLOCK, 1), blocks.unflushed) == (b"a", b"\0", 1)


def test_flushes_that_end_in_another_order_than_they_began_bring_each_write_once() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    first = blocks.mark()
    blocks.write(0, full("b"))
    second = blocks.mark()
    blocks.flushed(second)
    blocks.flushed(first)
    assert (blocks.certain(0, 1), blocks.unflushed) == (b"b", 0)


def test_full_log_lets_the_oldest_writes_through() -> None:
    blocks = Blocks(SIZE)
    blocks._unflushed = MOST_UNFLUSHED - BLOCK
    blocks.write(0, full("a"))
    assert blocks.certain(0, 1) == b"\0"
    blocks.write(BLOCK, full("b"))
    assert (blocks.certain(0, 1), blocks.certain(BLOCK, 1), blocks.written_back) == (b"a", b"b", 2)


def test_after_the_cut_flushes_part_epochs_and_change_nothing() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    blocks.cut()
    blocks.write(BLOCK, full("b"))
    blocks.flushed(blocks.mark())
    blocks.flushed(blocks.mark())
    blocks.write(0, full("c"))
    epochs = blocks.epochs()
    assert blocks.certain(0, 1) == b"\0"
    assert [{block: [v[:1] for v in versions] for block, versions in epoch.items()} for epoch in epochs] == [
        {0: [b"\0", b"a"], 1: [b"\0", b"b"]},
        {0: [b"a", b"c"]},
    ]


def test_write_across_blocks_and_of_part_of_one_makes_whole_versions() -> None:
    blocks = Blocks(SIZE)
    blocks.write(BLOCK - SECTOR, b"x" * (BLOCK + SECTOR))
    blocks.write(SECTOR, b"y" * SECTOR)
    (epoch,) = blocks.epochs()
    assert {block: len(versions) for block, versions in epoch.items()} == {0: 3, 1: 2}
    assert epoch[0][2] == b"\0" * SECTOR + b"y" * SECTOR + b"\0" * (BLOCK - 3 * SECTOR) + b"x" * SECTOR


def test_write_that_changes_nothing_is_no_version() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, bytes(BLOCK))
    assert blocks.epochs() == []


def test_images_are_shown_whatever_was_made_of_the_one_before() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    blocks.write(BLOCK, full("b"))
    blocks.cut()
    blocks.flushed(blocks.mark())
    blocks.write(2 * BLOCK, full("c"))
    epochs = blocks.epochs()
    seen = []
    choices = [Choice(0, {0: (1, ALL)}), Choice(1), Choice(2), Choice(0, {1: (1, ALL)}), Choice(0)]
    for choice in choices:
        blocks.show(choice)
        seen.append(b"".join(blocks.read(n * BLOCK, 1) for n in range(4)))
        blocks.write(3 * BLOCK, full("r"))  # what recovery writes goes with its image
        blocks.write(0, full("r"))
    assert seen == [b"a\0\0\0", b"ab\0\0", b"abc\0", b"\0b\0\0", b"\0\0\0\0"]
    assert digest(epochs[0][0][1]) == digest(full("a"))


def test_torn_block_has_the_sectors_of_its_mask() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    blocks.flushed(blocks.mark())
    blocks.write(0, full("b"))
    blocks.cut()
    for mask in (0b1, 0b11110000, ALL):
        blocks.show(Choice(0, {0: (1, mask)}))
        shown = blocks.read(0, BLOCK)[::SECTOR].decode()
        assert shown == "".join("ab"[mask >> sector & 1] for sector in range(8))


def test_disk_that_goes_on_from_an_image_has_it_for_certain_and_can_be_cut_again() -> None:
    blocks = Blocks(SIZE)
    blocks.write(0, full("a"))
    blocks.write(BLOCK, full("b"))
    blocks.cut()
    blocks.adopt(Choice(0, {1: (1, ALL)}))
    assert [blocks.certain(n * BLOCK, 1) for n in (0, 1)] == [b"\0", b"b"]
    assert [blocks.read(n * BLOCK, 1) for n in (0, 1)] == [b"\0", b"b"]
    blocks.write(0, full("c"))
    assert blocks.unflushed == 1
    blocks.flushed(blocks.mark())
    assert blocks.certain(0, 1) == b"c"
    assert blocks.epochs() == []


def test_every_subset_of_an_epoch_is_one_of_its_choices() -> None:
    written = [(0, "a"), (1, "b"), (0, "c")]
    blocks = Blocks(SIZE)
    for block, letter in written:
        blocks.write(block * BLOCK, full(letter))
    blocks.cut()
    (epoch,) = blocks.epochs()
    shown = set()
    for versions in itertools.product(*[range(len(epoch[block])) for block in (0, 1)]):
        blocks.show(Choice(0, {block: (v, ALL) for block, v in enumerate(versions) if v}))
        shown.add(blocks.read(0, 1) + blocks.read(BLOCK, 1))
    possible = set()
    for size in range(len(written) + 1):
        for subset in itertools.combinations(written, size):
            held = {0: "\0", 1: "\0"} | dict(subset)
            possible.add((held[0] + held[1]).encode())
    assert shown == possible
