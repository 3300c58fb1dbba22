"""The reference store as a target: its factories, its replies, and what it shows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from ackcheck.grades.answers import shown_by
from ackcheck.rig.serve import load_factory
from ackcheck.suite import LEVELS
from ackcheck.target import LOGS, MAX_ATTEMPTS, SEGMENT_BYTES, Delivery, Target
from acklab.reference import files as reference
from acklab.reference.files import SERVED, StoreTarget
from acklab.reference.outstanding import OUTSTANDING
from acklab.zoo import BUGS
from ackmodel import Level
from ackmodel.observe import events
from ackmodel.spec import stages
from ackstore import Reply, Stage, StoreClosed


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_has_a_factory(level: Level) -> None:
    made = load_factory(reference.name_of(level))()
    assert isinstance(made, Target)
    assert isinstance(made, StoreTarget)
    assert made.config.mode == reference.SERVED_AT[level.value].mode


def test_levels_are_named_as_in_the_model() -> None:
    assert set(reference.SERVED_AT) == {level.value for level in LEVELS}


def test_replies_and_stages_are_the_words_of_the_model() -> None:
    assert {reply.value for reply in Reply} == {reply.value for reply in events.Reply}
    assert {stage.name for stage in Stage} - {"COMMITTED"} == {stage.name for stage in stages.Stage} - {"NONE"}


@pytest.mark.parametrize("level", LEVELS)
def test_the_environment_names_the_level(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(reference.LEVEL, level.value)
    assert reference.target().config.mode == reference.SERVED_AT[level.value].mode


def test_without_it_the_level_is_page_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(reference.LEVEL, raising=False)
    assert reference.target().config.mode == "async"


def test_another_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(reference.LEVEL, "moon")
    with pytest.raises(ValueError, match="set it to memory or page-cache or disk"):
        reference.target()


@pytest.mark.parametrize("name", list(BUGS))
def test_every_bug_of_the_zoo_is_a_factory(name: str) -> None:
    made = load_factory(reference.name_of(Level.DISK, bug=name))()
    assert made.core_class is BUGS[name].core
    assert made.config.mode == reference.SERVED_AT[BUGS[name].level.value].mode
    assert made.config.commit == BUGS[name].commit.value


def test_a_bug_that_is_not_there_is_no_factory() -> None:
    with pytest.raises(AttributeError, match="the zoo no bug of that name"):
        load_factory("acklab.reference.files:no-such-bug")


def popped(store: StoreTarget, queue: str, count: int = 1, invisible: float = 30.0) -> list[Delivery]:
    given = store.pop(queue, count, invisible)
    assert not isinstance(given, str), given
    return given


def test_a_pop_that_is_refused_says_so(tmp_path: Path) -> None:
    store = StoreTarget(evolve(SERVED, max_outstanding=1))
    store.open(tmp_path)
    store.publish("orders", 2)
    assert [given["offset"] for given in popped(store, "orders")] == [0]
    assert store.pop("orders", 1, 30.0) == "BUSY"
    store.close()


@pytest.mark.parametrize("make", [reference.memory_store, reference.async_store, reference.sync_store])
def test_the_environment_names_the_attempts(make: Callable[[], StoreTarget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_ATTEMPTS, "3")
    assert make().max_attempts == 3
    monkeypatch.setenv(MAX_ATTEMPTS, "")
    assert make().max_attempts is None
    monkeypatch.setenv(MAX_ATTEMPTS, "many")
    with pytest.raises(ValueError, match="set it to an integer of at least 1"):
        make()


@pytest.mark.parametrize("make", [reference.memory_store, reference.async_store, reference.sync_store])
def test_the_environment_names_the_logs(make: Callable[[], StoreTarget], monkeypatch: pytest.MonkeyPatch) -> None:
    assert make().config.logs == 1
    monkeypatch.setenv(LOGS, "3")
    assert make().config.logs == 3
    assert load_factory(reference.name_of(Level.DISK, bug="nack-half-applied"))().config.logs == 3
    assert load_factory(f"{reference.__name__}:several-logs-share-one-mark-file")().config.logs == 3
    monkeypatch.setenv(LOGS, "1")
    assert load_factory(f"{reference.__name__}:several-logs-share-one-mark-file")().config.logs == 2
    monkeypatch.setenv(LOGS, "0")
    with pytest.raises(ValueError, match="ACKCHECK_LOGS is '0': set it to an integer of at least 1"):
        make()


@pytest.mark.parametrize("make", [reference.memory_store, reference.async_store, reference.sync_store])
def test_the_environment_names_how_long_a_segment_is(
    make: Callable[[], StoreTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make().config.segment_bytes == SERVED.segment_bytes
    monkeypatch.setenv(SEGMENT_BYTES, "1048576")
    assert make().config.segment_bytes == 1 << 20
    assert load_factory(reference.name_of(Level.DISK, bug="nack-half-applied"))().config.segment_bytes == 1 << 20
    monkeypatch.setenv(SEGMENT_BYTES, "")
    assert make().config.segment_bytes == SERVED.segment_bytes


def test_a_bug_takes_the_attempts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_ATTEMPTS, "2")
    assert load_factory(reference.name_of(Level.DISK, bug="nack-half-applied"))().max_attempts == 2


def test_a_delivery_is_renewed_given_back_and_dead_and_a_queue_begins_again(tmp_path: Path) -> None:
    store = StoreTarget(evolve(SERVED, max_attempts=1))
    store.open(tmp_path)
    store.publish("orders", 3)
    first, second = popped(store, "orders", 2)
    assert (store.renew(first["receipt"], 60.0), store.release(second["receipt"])) == ("OK", "OK")
    assert store.ack(second["receipt"]) in ("EXPIRED", "SETTLED")
    assert [given["offset"] for given in popped(store, "orders", 3)] == [2]
    assert store.flush() == "OK"
    assert store.dead("orders") == [1]
    assert store.reset("orders", 0) == "OK"
    assert store.ack(first["receipt"]) == "EXPIRED"
    assert (store.dead("orders"), len(popped(store, "orders", 3))) == ([], 3)
    store.close()


def test_what_the_store_raises_goes_through(tmp_path: Path) -> None:
    store = reference.sync_store()
    store.open(tmp_path)
    assert store.close() == "OK"
    with pytest.raises(StoreClosed):
        store.ack("r1")


def test_queues_are_shown_as_they_were_named(tmp_path: Path) -> None:
    store = reference.sync_store()
    store.open(tmp_path)
    store.publish("orders", 1)
    (given,) = popped(store, "orders")
    assert store.ack(given["receipt"]) == "OK"
    shown = shown_by(store.stats())
    assert shown.offsets["orders"].committed == 1
    assert set(shown.outstanding) == set(OUTSTANDING)
    store.close()
