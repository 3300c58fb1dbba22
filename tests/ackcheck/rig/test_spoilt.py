"""Damage to a directory: each kind does what its name says, and only what a store could see is done."""

import contextlib
from pathlib import Path
from random import Random

import pytest

from ackcheck.rig import spoilt
from ackcheck.rig.spoilt import SECTOR, Contents, Damage, Kind, contents, damage, state_of

NOW = {"log": bytes(range(1, 251)) * 6, "seal": b"1500"}
OLDER = {"log": NOW["log"][:700], "seal": b"700"}


def done_in(directory: Path, kind: Kind, seed: int) -> dict[str, bytes]:
    """What a directory holds once it was damaged like that."""
    for name, data in NOW.items():
        (directory / name).write_bytes(data)
    done = damage(NOW, OLDER, (), kind, Random(seed))
    assert done is not None
    done.do(directory)
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("seed", range(8))
def test_each_kind_does_what_its_name_says_to_one_file(seed: int, tmp_path: Path) -> None:
    one = [name for name, data in done_in(tmp_path, "bit", seed).items() if data != NOW[name]]
    flipped = int.from_bytes((tmp_path / one[0]).read_bytes()) ^ int.from_bytes(NOW[one[0]])
    assert (len(one), flipped.bit_count()) == (1, 1)
    after = done_in(tmp_path, "sector", seed)
    [name] = [name for name in NOW if after[name] != NOW[name]]
    parts = range(0, len(NOW[name]), SECTOR)
    [begin] = [at for at in parts if after[name][at : at + SECTOR] != NOW[name][at : at + SECTOR]]
    assert set(after[name][begin : begin + SECTOR]) == {0}
    assert len(after[name]) == len(NOW[name])
    gone = done_in(tmp_path, "lost", seed)
    assert len(gone) == 1
    assert gone.items() <= NOW.items()
    old = done_in(tmp_path, "stale", seed)
    assert sorted(old[name] == OLDER[name] for name in NOW) == [False, True]
    assert sum(old[name] == NOW[name] for name in NOW) == 1


@pytest.mark.parametrize(
    ("now", "older", "kind"),
    [
        ({"log": b"record"}, {"log": b"rec"}, "stale"),
        ({"log": b"record", "new": b"1"}, {"log": b"record"}, "lost"),  # of which only the log was there
        ({"log": b"1"}, {"log": b"1"}, "lost"),
        ({"log": b"1", "empty": b""}, {"log": b"1", "empty": b""}, "lost"),
        ({"log": b"\0\0"}, {}, "sector"),
    ],
)
def test_what_leaves_the_directory_as_it_was_or_empty_is_not_done(
    now: dict[str, bytes], older: dict[str, bytes], kind: Kind
) -> None:
    found = [damage(now, older, (), kind, Random(seed)) for seed in range(8)]
    if "new" in now:
        assert {one.file for one in found if one} == {"log"}  # `new` without the log was never there
    else:
        assert found == [None] * 8


def test_nor_what_leaves_it_as_it_was_before_the_close_before() -> None:
    first, second = {"a": b"1"}, {"a": b"1", "b": b"2"}
    earlier = Contents(second).after(Contents(first).after(Contents())).earlier
    assert earlier == {state_of({}), state_of(first)}
    found = {one.file for seed in range(8) if (one := damage(second, second, (), "lost", Random(seed), earlier))}
    assert found == {"a"}  # without `b` it is what it was at the first close


@pytest.mark.parametrize("kind", ["lost", "stale"])
def test_a_file_that_was_replaced_as_a_whole_is_neither_lost_nor_old(kind: Kind, tmp_path: Path) -> None:
    with contextlib.ExitStack() as kept:
        for name, data in OLDER.items():
            (tmp_path / name).write_bytes(data)
        older = contents(tmp_path, kept)
        with (tmp_path / "log").open("ab") as log:
            log.write(b"more")
        (tmp_path / "seal.new").write_bytes(b"704")
        (tmp_path / "seal.new").rename(tmp_path / "seal")
        now = contents(tmp_path, kept)
    assert older is not None
    assert now is not None
    assert older.replaced_in(now) == {"seal"}
    found = [damage(now.files, older.files, older.replaced_in(now), kind, Random(seed)) for seed in range(8)]
    assert {one.file for one in found if one} == {"log"}
    assert all(found)


def test_no_link_is_followed_and_what_is_too_large_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_bytes(b"123")
    (tmp_path / "link").symlink_to("/etc/hostname")
    with contextlib.ExitStack() as kept:
        found = contents(tmp_path, kept)
        assert found is not None
        assert found.files == {"log": b"123"}
        monkeypatch.setattr(spoilt, "MOST", 2)
        assert contents(tmp_path, kept) is None


def test_a_damage_is_told_by_its_file() -> None:
    assert str(Damage("lost", "a/log", None)) == "a/log is damaged: the file is gone"
