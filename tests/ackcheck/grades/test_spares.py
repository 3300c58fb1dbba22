"""Targets that are started ahead: when, and that none is left."""

import sys
from pathlib import Path

import pytest

from ackcheck.grades.campaign import child_of
from ackcheck.grades.spares import Spares
from ackcheck.rig.child import Child
from ackcheck.rig.contained import process
from ackcheck.rig.errors import NotForked
from ackcheck.rig.nursery import Nursery

TOYS = Path(__file__).with_name("toys.py")


def test_the_next_one_runs_before_it_is_asked_for(tmp_path: Path) -> None:
    child = child_of(f"{TOYS}:Toy", tmp_path, reply_timeout=30.0)
    with Nursery(child.served) as child.nursery, Spares(child) as ahead:
        one, other = ahead.take(), ahead.take()
        assert ahead._next is not None
        last = ahead._next.result(30)
        pids = [one.pid, other.pid, last.pid]
        assert len(set(pids)) == 3
        assert {one.nursery for one in (one, other, last)} != {None}
        assert one.call("open", directory=str(tmp_path)) is not None
    assert child.pid is None
    assert all(process(pid or 0) is None for pid in pids)


def test_one_that_cannot_be_forked_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise NotForked("importing it starts threads")

    monkeypatch.setattr(Nursery, "fork", refuse)
    started = child_of(f"{TOYS}:Toy", tmp_path, reply_timeout=30.0)
    with Nursery(started.served) as started.nursery, Spares(started) as ahead:
        child = ahead.take()
        assert child.nursery is None
        assert child.call("open", directory=str(tmp_path)) is not None


def test_who_knows_the_directory_is_not_started_before_it_is_there(tmp_path: Path) -> None:
    child = child_of([sys.executable, "-c", "pass", "{dir}"], tmp_path, reply_timeout=1.0)
    with Spares(child) as ahead:
        assert (ahead.take().pid, ahead._next) == (None, None)


def test_a_program_in_any_language_is_started_ahead(tmp_path: Path) -> None:
    with Spares(Child(["cat"], directory=tmp_path)) as ahead:
        assert process(ahead.take().pid or 0) is not None
        assert ahead._next is not None
