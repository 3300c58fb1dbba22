"""The simulated disk, case by case, and against a reference that keeps one truth for each byte."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackcheck.sim.disk import Disk

NOTHING, EVERYTHING = (lambda parts: 0), (lambda parts: parts)


def disk_with(content: bytes = b"") -> Disk:
    """A disk with one file, `a`, whose name and content survive a power loss."""
    disk = Disk()
    disk.create("a")
    disk.sync_directory()
    disk.write("a", 0, content)
    disk.sync("a")
    return disk


def test_what_is_written_is_readable_at_once_and_lost_with_the_power() -> None:
    disk = disk_with(b"old")
    disk.write("a", 0, b"new!")
    assert disk.read("a") == b"new!"
    assert disk.unsynced == 1
    disk.lose_power(NOTHING)
    assert (disk.read("a"), disk.unsynced) == (b"old", 0)


def test_a_write_may_survive_torn() -> None:
    disk = disk_with(b"old")
    disk.write("a", 0, b"NEW")
    disk.lose_power(lambda parts: parts - 1)
    assert disk.read("a") == b"NEd"


def test_of_two_writes_the_later_alone_may_survive_over_a_hole() -> None:
    disk = disk_with()
    disk.write("a", 0, b"first")
    disk.write("a", 5, b"second")
    disk.lose_power(lambda parts: parts if parts == 6 else 0)
    assert disk.read("a") == bytes(5) + b"second"


def test_a_sync_covers_what_was_written_before_it_began() -> None:
    disk = disk_with()
    disk.write("a", 0, b"before")
    begun = disk.begin_sync("a")
    disk.write("a", 6, b" after")
    disk.end_sync(begun, ok=True)
    assert disk.unsynced == 1
    disk.lose_power(NOTHING)
    assert disk.read("a") == b"before"


def test_a_failed_sync_makes_phantoms_that_no_later_sync_saves() -> None:
    disk = disk_with()
    disk.write("a", 0, b"lost")
    disk.end_sync(disk.begin_sync("a"), ok=False)
    disk.sync("a")
    assert disk.read("a") == b"lost"
    disk.lose_power(EVERYTHING)
    assert disk.read("a") == b""


@pytest.mark.parametrize(("lost_since", "left"), [(False, bytes(4) + b"kept"), (True, b"")])
def test_a_failed_sync_may_take_what_was_written_while_it_ran(lost_since: bool, left: bytes) -> None:
    disk = disk_with()
    disk.write("a", 0, b"lost")
    begun = disk.begin_sync("a")
    disk.write("a", 4, b"kept")
    disk.end_sync(begun, ok=False, lost_since=lost_since)
    disk.sync("a")
    disk.lose_power(NOTHING)
    assert disk.read("a") == left


def test_a_phantom_does_not_reappear_from_under_what_was_written_over_it() -> None:
    disk = disk_with()
    disk.write("a", 0, b"phantom")
    disk.end_sync(disk.begin_sync("a"), ok=False)
    disk.write("a", 0, b"PHAN")
    disk.sync("a")
    assert disk.read("a") == b"PHANtom"
    disk.lose_power(NOTHING)
    assert disk.read("a") == b"PHAN"


def test_a_name_survives_only_with_the_directory_and_renames_are_atomic() -> None:
    disk = disk_with(b"old")
    disk.create("b")
    disk.write("b", 0, b"new")
    disk.sync("b")
    disk.rename("b", "a")
    assert (disk.names(), disk.read("a")) == (["a"], b"new")
    asked: list[int] = []

    def only_the_second(parts: int) -> int:
        asked.append(parts)
        return len(asked) == 2

    disk.lose_power(only_the_second)
    assert (disk.names(), disk.read("a")) == (["a"], b"new")
    assert asked == [1, 1]


def test_a_failed_sync_of_the_directory_loses_no_name() -> None:
    disk = Disk()
    disk.create("a")
    disk.end_sync(disk.begin_sync(None), ok=False)
    disk.sync_directory()
    disk.lose_power(NOTHING)
    assert disk.names() == ["a"]


def test_a_name_made_while_the_directory_was_synced_is_not_covered() -> None:
    disk = Disk()
    begun = disk.begin_sync(None)
    disk.create("a")
    disk.end_sync(begun, ok=True)
    disk.lose_power(NOTHING)
    assert disk.names() == []


def test_an_unlinked_name_comes_back_unless_that_was_synced() -> None:
    disk = disk_with(b"old")
    disk.unlink("a")
    assert disk.names() == []
    disk.lose_power(NOTHING)
    assert disk.read("a") == b"old"
    disk.unlink("a")
    disk.sync_directory()
    disk.lose_power(EVERYTHING)
    assert disk.names() == []


@pytest.mark.parametrize("action", ["read", "unlink", "begin_sync"])
def test_what_is_not_there_is_said_as_a_real_directory_says_it(action: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        getattr(Disk(), action)("nothing")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "nothing")


SIZE = 8
PLACES, LENGTHS, CHOICES = st.integers(0, SIZE - 1), st.integers(1, 4), st.booleans()
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PLACES, LENGTHS),
        st.tuples(st.just("begin"), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(["ok", "fail", "fail since"]), PLACES, st.just(0)),
    ),
    max_size=14,
)


class Naive:
    """Each write a dict of bytes, and where it is: "dirty", "phantom" or "disk"; the newest write of a byte is read."""

    def __init__(self) -> None:
        self.writes: list[dict[int, int]] = []
        self.where: list[str] = []
        self.syncs: list[int] = []

    def cached(self) -> dict[int, int]:
        return {place: byte for write in self.writes for place, byte in write.items()}

    def may_be_durable(self, place: int) -> set[int]:
        """What a power loss may leave of a byte: the newest that is on the disk, or any dirty one after it."""
        left = {0}
        for write, where in zip(self.writes, self.where, strict=True):
            if place in write and where == "disk":
                left = {write[place]}
            elif place in write and where == "dirty":
                left.add(write[place])
        return left

    def end(self, which: int, *, ok: bool, since: bool) -> None:
        covered = self.syncs.pop(which)
        for number in range(len(self.writes) if since else covered):
            if self.where[number] == "dirty":
                self.where[number] = "disk" if ok else "phantom"


@settings(max_examples=150, deadline=None)
@given(STEPS, st.lists(st.integers(0, 4), min_size=20, max_size=20))
def test_it_agrees_with_one_truth_a_byte(steps: list[tuple[str, int, int]], survivals: list[int]) -> None:
    disk, naive = disk_with(), Naive()
    syncs = []
    for number, (action, place, length) in enumerate(steps, 1):
        if action == "write":
            disk.write("a", place, bytes([number]) * length)
            naive.writes.append(dict.fromkeys(range(place, place + length), number))
            naive.where.append("dirty")
        elif action == "begin":
            syncs.append(disk.begin_sync("a"))
            naive.syncs.append(len(naive.writes))
        elif syncs:
            which, ok, since = place % len(syncs), action == "ok", action == "fail since"
            disk.end_sync(syncs.pop(which), ok=ok, lost_since=since)
            naive.end(which, ok=ok, since=since)
        cached = naive.cached()
        content = disk.read("a").ljust(2 * SIZE, b"\0")
        assert [cached.get(byte, 0) for byte in range(2 * SIZE)] == list(content)
    chosen = iter(survivals)
    disk.lose_power(lambda parts: min(next(chosen), parts))
    content = disk.read("a").ljust(2 * SIZE, b"\0")
    for byte in range(2 * SIZE):
        assert content[byte] in naive.may_be_durable(byte), (byte, content)


def test_it_tells_what_a_power_loss_took() -> None:
    disk = Disk()
    disk.create("old")
    disk.sync_directory()
    disk.write("old", 0, b"failed")
    disk.end_sync(disk.begin_sync("old"), ok=False)
    disk.write("old", 6, b"torn")
    disk.create("new")
    disk.write("new", 0, b"all")
    disk.rename("new", "renamed")
    disk.create("gone")
    disk.unlink("gone")
    assert disk.lose_power(lambda parts: 1 if parts > 1 else 0) == [
        "the entry of new",
        "the rename of new to renamed",
        "the entry of gone",
        "the unlinking of gone",
        "6 of 6 bytes of old @0, after a failed sync",
        "3 of 4 bytes of old @6",
        "2 of 3 bytes of renamed @0",
    ]
    assert disk.lose_power(lambda parts: 0) == []


def test_a_file_that_was_replaced_may_come_back() -> None:
    disk = Disk()
    for data in (b"one", b"two"):
        disk.create("new")
        disk.write("new", 0, data)
        disk.rename("new", "old")
    fates = iter([1, 0, 0, 0])
    told = disk.lose_power(lambda parts: next(fates) if parts == 1 else 0)
    assert disk.names() == ["new"]
    assert "3 of 3 bytes of new @0" in told
