"""The core of the reference store, done everything to, comes to the states of the model and to no other."""

import pytest
from attrs import evolve

from acklab.zoo import bug_named
from ackmodel import Config
from followed import Graph, follow
from shown import Shown

MOST = 150
"""Things that are done to a store here; as many as there are take minutes."""


@pytest.mark.parametrize(
    "settings",
    [
        {"commit": "ack", "process_crashes": 1},
        {"commit": "ack", "power_losses": 1},
        {"commit": "ack", "sync_failures": 1},
        {"commit": "checkpoint", "write_failures": 1},
        {"level": "disk", "sync_failures": 1},
        {"process_crashes": 1, "power_losses": 1, "sync_failures": 1},
    ],
)
def test_the_reference_store_comes_to_states_of_the_model_only(settings: dict[str, object]) -> None:
    seen = follow(Config.of(settings), most=MOST)
    assert seen.wrong is None
    assert seen.done > 50
    assert seen.taken > 30


@pytest.mark.parametrize(
    ("bug", "fault", "shown"),
    [
        ("flushed-watermark-advances-on-fsync-error", "sync_failures", "checkpoint flushed"),
        ("retry-fsync-after-eio-reports-success", "sync_failures", "checkpoint flushed"),
        ("deferred-fsync-acks-before-durable", "sync_failures", "settled"),
        ("ack-success-despite-put-failure", "write_failures", "not settled, though its ack was answered OK"),
        ("duplicate-client-dedupe-before-persist", "write_failures", "delivered"),
        ("diskqueue-metadata-behind-data", "power_losses", ""),
        ("confirm-offset-beyond-recovered-log", "power_losses", ""),
        ("offset-file-replaced-non-atomically", "power_losses", "cannot be opened"),
    ],
)
def test_a_wrong_store_departs_from_the_model(bug: str, fault: str, shown: str) -> None:
    settings = {"commit": "ack", fault: 1}
    wrong = follow(Config.of(settings), bug_named(bug).core, most=300).wrong
    assert wrong is not None
    assert wrong.startswith("after pop, io Write log ok, ")
    assert shown in wrong


def test_a_store_may_doubt_more_than_the_model_and_believe_no_more() -> None:
    there = Shown("settled", "flushed", "cached", "async", frozenset({"checkpoint"}), frozenset({"ack"}), ("0",) * 3)
    assert there.admits(evolve(there, ack="suspect"))
    assert there.admits(evolve(there, disk=frozenset({"checkpoint", "ack"}), cache=frozenset()))
    refused = [
        evolve(there, ack="flushed"),
        evolve(there, checkpoint="suspect"),
        evolve(there, phase="delivered"),
        evolve(there, mode="sync"),
        evolve(there, disk=frozenset()),
        evolve(there, disk=frozenset(), cache=frozenset({"checkpoint", "ack"})),
        evolve(there, cache=frozenset()),
        evolve(there, offset=("1", "0", "0")),
    ]
    assert not [each for each in refused if there.admits(each)]


def test_what_was_done_has_to_have_happened_on_the_way() -> None:
    graph = Graph.of(Config(commit="ack"))
    popping = next(target for action, target in graph.moves[0] if action == "pop")
    assert set(graph.after({0}, "pop", graph.shown[popping])) == {popping}
    assert not graph.after({0}, "", graph.shown[popping])
    assert not graph.after({0}, "ask_ack", graph.shown[0])
