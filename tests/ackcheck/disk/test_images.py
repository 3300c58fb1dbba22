"""Which images are planned, that none is missing, and which are folded."""

import math

import pytest

from ackcheck.disk.blocks import ALL, Choice
from ackcheck.disk.images import FEW, TORN, Folder, Image, planned


def epochs_of(*sizes: int) -> list[dict[int, list[str]]]:
    """Epochs in which this many blocks were written, each epoch its own."""
    return [{100 * e + b: ["0", f"{e}.{b}"] for b in range(size)} for e, size in enumerate(sizes)]


def test_all_of_few_and_each_once() -> None:
    plan = planned(epochs_of(3, 2), {}, seed=1)
    assert (plan.total, plan.complete, len(plan.images)) == (8 + 4 - 1, True, 11)
    assert len({image.content for image in plan.images}) == 11
    assert [image.kind for image in plan.images].count("all") == 1


def test_versions_that_are_equal_are_one_image() -> None:
    plan = planned([{1: ["a", "b", "a", "c"]}], {}, seed=1)
    assert (plan.total, len(plan.images)) == (3, 3)


def test_nothing_written_is_one_image() -> None:
    plan = planned([], {}, seed=1)
    assert [image.kind for image in plan.images] == ["none"]
    assert plan.complete


def test_many_are_sampled_by_seed_with_each_file_alone_lost_and_alone_kept_first() -> None:
    epochs = epochs_of(6, 12)
    labels = {100: "log", 101: "log", 0: "offsets"}
    plan = planned(epochs, labels, seed=7, most=40)
    assert plan.total == 1 + (2**6 - 1) + (2**12 - 1) > FEW
    assert (plan.complete, len(plan.images)) == (False, 40)
    kinds = [image.kind for image in plan.images]
    assert kinds[:2] == ["none", "all"]
    assert {"without log", "only log", "without offsets", "only offsets", "epoch"} <= set(kinds[:12])
    without = next(image for image in plan.images if image.kind == "without log")
    assert set(without.choice.blocks) == set(epochs[1]) - {100, 101}
    assert plan == planned(epochs, labels, seed=7, most=40)
    assert plan != planned(epochs, labels, seed=8, most=40)


def test_blocks_of_files_are_torn_beside_all_of_few_too() -> None:
    epochs, labels = epochs_of(2, 2), {1: "log", 100: "log"}
    plan = planned(epochs, labels, seed=1)
    torn = [image for image in plan.images if image.torn]
    assert (plan.total, plan.complete, len(plan.images) - len(torn)) == (7, True, 7)
    assert len({image.content for image in torn}) == len(torn) == TORN
    assert {block for image in torn for block, (_, mask) in image.choice.blocks.items() if mask != ALL} == set(labels)
    assert all(image.kind == "torn" for image in torn)
    assert len(planned(epochs, labels, seed=1, most=9).images) == 9
    assert not any(image.torn for image in planned(epochs, labels, seed=1, torn=False).images)
    assert not any(image.torn for image in planned(epochs, {}, seed=1).images)


def test_only_blocks_of_files_are_torn_and_none_where_that_is_not_wanted() -> None:
    epochs, labels = epochs_of(16), {3: "log"}
    torn = [
        block
        for seed in range(5)
        for image in planned(epochs, labels, seed=seed).images
        for block, (_, mask) in image.choice.blocks.items()
        if mask != ALL
    ]
    assert set(torn) == {3}
    assert all(image.kind != "torn" for image in planned(epochs, labels, seed=1, torn=False).images)


@pytest.mark.parametrize("sizes", [(1,), (9,), (8, 7), (3, 3, 3)])
def test_total_is_what_there_is(sizes: tuple[int, ...]) -> None:
    plan = planned(epochs_of(*sizes), {}, seed=1)
    assert plan.total == 1 + sum(2**size - 1 for size in sizes)
    assert len(plan.images) == (plan.total if plan.total <= FEW else FEW)
    assert math.isfinite(plan.equal)


def test_image_is_folded_only_where_all_that_was_read_is_equal() -> None:
    def image(**content: str) -> Image:
        return Image("subset", Choice(0), frozenset((int(block[1:]), name) for block, name in content.items()))

    folder = Folder()
    assert not folder.folds(image(b1="a"))
    folder.judged(image(b1="a", b2="b"), frozenset({1, 9}))
    assert folder.folds(image(b1="a", b2="c"))
    assert not folder.folds(image(b1="z", b2="b"))
    assert not folder.folds(image(b1="a", b2="b", b9="c"))
