"""Which subset survives is chosen by seed, from the files that are there."""

import random
from pathlib import Path

import pytest

from ackcheck.rig.writeback import NOTHING, Range, Writeback, choose_writeback, sync_range


def choose(seed: int, directory: Path) -> Writeback:
    return choose_writeback(random.Random(seed), directory)


def test_a_seed_is_a_choice(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(100_000))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "offsets").write_bytes(b"1")
    plans = [choose(seed, tmp_path) for seed in range(60)]
    assert plans == [choose(seed, tmp_path) for seed in range(60)]
    assert NOTHING in plans
    assert Writeback(metadata=True) in plans
    assert {name for plan in plans for name in plan.files} == {"log", "sub/offsets"}
    spans = [span for plan in plans for span in plan.ranges]
    assert Range("sub/offsets", 0, 4096) in spans
    assert all(span.start % 4096 == 0 and span.start < 100_000 for span in spans)
    assert any(plan.ranges and not plan.metadata for plan in plans)


def test_nothing_to_choose_from(tmp_path: Path) -> None:
    assert all(choose(seed, tmp_path) == NOTHING for seed in range(20))


def test_a_range_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file, pytest.raises(OSError, match="sync_file_range"):
        sync_range(file.fileno(), -1, 10)
