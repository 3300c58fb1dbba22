"""A search that was killed goes on, and ends in the same counts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ackexplore import BadCheckpoint, Options, Result, UnknownEngine, explore
from ackexplore.table.checkpoint import load, save
from ackexplore.table.engine import Search
from ackexplore.table.kernels import Bits, Tables, scan
from ackexplore.table.layout import Words
from ackmodel import Clause, Config

CONFIG = Config(messages=2, process_crashes=1, rules={"commit-after-flush": False})
CHILD = """
import sys
from pathlib import Path
from ackexplore import Options, explore
from ackmodel import Config

config = Config(messages=2, process_crashes=1, rules={"commit-after-flush": False})
explore(config, Options(engine="table", checkpoint=Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def whole() -> Result:
    return explore(CONFIG, Options(engine="table"))


def same(one: Result, other: Result) -> None:
    for name in ("states", "edges", "depth", "violations", "hits", "reached", "at_stake", "complete"):
        assert getattr(one, name) == getattr(other, name), name
    assert [*map(len, one.counterexamples.values())] == [*map(len, other.counterexamples.values())]


@pytest.mark.no_cover
def test_after_a_kill_it_goes_on_to_the_same_counts(tmp_path: Path, whole: Result) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment)
    while not (tmp_path / "level-00012.npy").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    saved = json.loads((tmp_path / "search.json").read_text())
    assert 11 <= len(saved["search"]["levels"]) - 1 < whole.depth
    same(explore(CONFIG, Options(engine="table", checkpoint=tmp_path, resume=True)), whole)
    same(explore(CONFIG, Options(engine="auto", checkpoint=tmp_path, resume=True)), whole)


@pytest.mark.no_cover
@pytest.mark.parametrize("levels", [2, 17])
def test_from_any_level_it_ends_in_the_same_counts(tmp_path: Path, whole: Result, levels: int) -> None:
    search = Search(CONFIG, Options(threads=1))
    search.start()
    save(search, tmp_path)
    for _ in range(levels):
        search.advance()
        save(search, tmp_path)
    search.close()
    same(explore(CONFIG, Options(engine="table", threads=2, checkpoint=tmp_path, resume=True)), whole)


def test_a_resumed_search_has_a_place_for_every_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel reads a place in the index for each value of each slot, with no look at where the index ends."""
    search = Search(CONFIG)
    search.start()
    save(search, tmp_path)
    for _ in range(12):
        search.advance()
        save(search, tmp_path)
    search.close()
    resumed = Search(CONFIG)
    spare = []

    def scan_within(states: Words, low: int, high: int, tables: Tables, missing: Bits) -> int:
        shareds, *messages = resumed.pairs.steps.counts
        for (first, stride, _), count in zip(tables.places.tolist(), messages, strict=True):
            spare.append(len(tables.pair_rows) - (first + (shareds - 1) * stride + count))
        assert min(spare) >= 0
        return int(scan(states, low, high, tables, missing))

    monkeypatch.setattr("ackexplore.table.pairs.scan", scan_within)
    load(resumed, tmp_path)
    resumed.close()
    assert spare


def test_a_stop_may_be_put_on_the_way(tmp_path: Path, whole: Result) -> None:
    stopped = explore(CONFIG, Options(engine="table", stop_at=Clause.COMMIT_IS_SAFE, checkpoint=tmp_path))
    assert stopped.depth == 3
    same(explore(CONFIG, Options(engine="table", checkpoint=tmp_path, resume=True)), whole)


def test_a_level_without_its_index_is_written_again(tmp_path: Path, whole: Result) -> None:
    search = Search(CONFIG)
    search.start()
    save(search, tmp_path)
    search.close()
    (tmp_path / "level-00001.npy").write_bytes(b"half a le")
    same(explore(CONFIG, Options(engine="table", checkpoint=tmp_path, resume=True)), whole)


def test_what_cannot_be_gone_on_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="holds no checkpoint: begin one without --resume"):
        explore(Config(), Options(engine="table", checkpoint=tmp_path, resume=True))
    explore(Config(), Options(engine="table", checkpoint=tmp_path))
    with pytest.raises(BadCheckpoint, match="holds a checkpoint: resume it"):
        explore(Config(), Options(engine="table", checkpoint=tmp_path))
    with pytest.raises(BadCheckpoint, match=r"is of another config: .*; use the same again"):
        explore(Config(messages=2), Options(engine="table", checkpoint=tmp_path, resume=True))
    with pytest.raises(UnknownEngine, match="graph engine keeps no checkpoint"):
        explore(Config(), Options(engine="graph", checkpoint=tmp_path))


def test_damage_is_told(tmp_path: Path) -> None:
    explore(Config(), Options(engine="table", checkpoint=tmp_path))
    for damage in (b"no array", b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"):
        (tmp_path / "level-00003.npy").write_bytes(damage)
        with pytest.raises(BadCheckpoint, match=r"level-00003.npy cannot be read \(it holds no whole array"):
            load(Search(Config()), tmp_path)
    (tmp_path / "level-00003.npy").write_bytes((tmp_path / "level-00005.npy").read_bytes())
    with pytest.raises(BadCheckpoint, match=r"level-00003.npy does not hold the states it should"):
        load(Search(Config()), tmp_path)
    index = (tmp_path / "search.json").read_text()
    for text in ("{", "[]", "3", '{"levels": []}', '{"sha256": "0", "search": {}}', "[" * 100_000):
        (tmp_path / "search.json").write_text(text)
        with pytest.raises(BadCheckpoint, match=r"search.json is damaged|is of another format"):
            load(Search(Config()), tmp_path)
    assert '"seconds": ' in index
    (tmp_path / "search.json").write_text(index.replace('"seconds": ', '"seconds": 1'))
    with pytest.raises(BadCheckpoint, match=r"search.json is damaged"):
        load(Search(Config()), tmp_path)


def test_no_bit_of_a_level_changes_unseen(tmp_path: Path) -> None:
    explore(Config(), Options(engine="table", checkpoint=tmp_path))
    path = tmp_path / "level-00005.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match=r"level-00005.npy is damaged \(its checksum is wrong\)"):
        load(Search(Config()), tmp_path)
