"""Syncs of the directory by themselves: one at a time, shared by those who come meanwhile, and what comes too late."""

from __future__ import annotations

import errno
from typing import Any

from ackstore.core.directory import Directory
from ackstore.core.effects import DONE, Effect, Failed, Handler, Result, SyncDir

EIO = Failed(errno.EIO)
OVERDUE = Failed(errno.ETIMEDOUT)


class Host:
    """Notes what is asked for, and everything that is told to anybody."""

    def __init__(self) -> None:
        self.asked: list[Handler] = []
        self.told: list[Any] = []

    def request(self, effect: Effect, then: Handler) -> int:
        assert effect == SyncDir()
        self.asked.append(then)
        return len(self.asked)

    def directory_failed(self, now: float) -> None:
        self.told.append(("host", now))

    def waiter(self, name: str) -> Handler:
        def then(result: Result, now: float) -> None:
            self.told.append((name, result, now))

        return then


def syncing(*names: str, threads: int = 2) -> tuple[Host, Directory]:
    """A directory of which these want a sync, one after the other."""
    host = Host()
    directory = Directory(host, threads)
    for name in names:
        directory.sync(host.waiter(name))
    return host, directory


def test_those_who_come_meanwhile_share_the_next() -> None:
    host, _ = syncing("a", "b", "c")
    assert len(host.asked) == 1
    host.asked[0](DONE, 5.0)
    assert host.told == [("a", DONE, 5.0)]
    assert len(host.asked) == 2
    host.asked[1](DONE, 6.0)
    assert host.told[1:] == [("b", DONE, 6.0), ("c", DONE, 6.0)]
    assert len(host.asked) == 2


def test_a_failure_is_told_to_all_and_first_to_the_host() -> None:
    host, directory = syncing("a", "b")
    host.asked[0](EIO, 5.0)
    assert host.told == [("host", 5.0), ("a", EIO, 5.0), ("b", EIO, 5.0)]
    assert (len(host.asked), directory.hanging) == (1, 0)
    directory.sync(host.waiter("c"))
    host.asked[1](DONE, 6.0)
    assert host.told[3:] == [("c", DONE, 6.0)]


def test_one_that_is_given_up_has_failed_for_all() -> None:
    host, directory = syncing("a", "b")
    directory.give_up(9.0)
    assert host.told == [("host", 9.0), ("a", OVERDUE, 9.0), ("b", OVERDUE, 9.0)]
    directory.give_up(9.5)  # there is none
    assert (len(host.told), directory.hanging) == (3, 1)


def test_a_late_success_says_nothing_of_the_next() -> None:
    host, directory = syncing("a")
    directory.give_up(9.0)
    directory.sync(host.waiter("b"))
    host.told.clear()
    host.asked[0](DONE, 10.0)
    assert (host.told, directory.hanging) == ([], 0)
    host.asked[1](DONE, 11.0)
    assert (host.told, directory.hanging) == ([("b", DONE, 11.0)], 0)


def test_a_late_failure_gives_up_the_one_that_runs() -> None:
    """It was reported once, and may be of what the running one is to cover."""
    host, directory = syncing("a")
    directory.give_up(9.0)
    directory.sync(host.waiter("b"))
    host.told.clear()
    host.asked[0](EIO, 10.0)
    assert (host.told, directory.hanging) == ([("host", 10.0), ("b", EIO, 10.0)], 1)
    host.asked[1](DONE, 11.0)
    assert (len(host.told), directory.hanging) == (2, 0)


def test_a_late_failure_where_none_runs() -> None:
    host, directory = syncing("a")
    directory.give_up(9.0)
    host.told.clear()
    host.asked[0](EIO, 10.0)
    assert (host.told, directory.hanging) == ([("host", 10.0)], 0)


def test_a_late_failure_while_others_hang() -> None:
    host, directory = syncing("a", threads=4)
    directory.give_up(8.0)
    directory.sync(host.waiter("b"))
    directory.give_up(9.0)
    directory.sync(host.waiter("c"))
    host.asked[0](EIO, 10.0)
    assert directory.hanging == 2  # that of b and that of c
    host.asked[1](DONE, 11.0)
    host.asked[2](DONE, 11.0)
    assert directory.hanging == 0


def test_it_is_full_while_all_its_threads_hang() -> None:
    host, directory = syncing(threads=3)
    seen = []
    for again in range(3):
        directory.sync(host.waiter("a"))
        seen.append((directory.hanging, directory.full))
        directory.give_up(float(again))
    seen.append((directory.hanging, directory.full))
    for then in host.asked:
        then(DONE, 9.0)
        seen.append((directory.hanging, directory.full))
    assert seen == [(0, False), (1, False), (2, False), (3, True), (2, False), (1, False), (0, False)]
