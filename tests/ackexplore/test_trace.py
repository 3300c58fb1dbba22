"""Traces: only what changed is told, in the model's own words, and the JSON has it all."""

import json

from attrs import evolve

from ackexplore import Options, changes_between, explore, state_json, trace_json
from ackmodel import Config, Message, Offset, Phase, Promise, Record, Shared, Stage, Truth


def test_equal_states_have_no_changes() -> None:
    state = Config(messages=2).initial()
    assert changes_between(state, state) == ()


def test_nested_fields_are_named_one_by_one() -> None:
    before = (Shared(), (Message(index=0), Message(index=1)))
    after = (
        Shared(offset=Offset(volatile=1)),
        (Message(index=0), Message(index=1, phase=Phase.DUE, promise=Promise.SURVIVES_POWER_LOSS, asked=True)),
    )
    assert [(c.where, c.field, c.before, c.after) for c in changes_between(before, after)] == [
        ("message 1", "phase", "waiting", "due"),
        ("message 1", "asked", "no", "yes"),
        ("message 1", "promise", "nothing", "survives-power-loss"),
        ("store", "offset volatile", "0", "1"),
    ]


def test_a_record_is_told_as_belief_and_truth() -> None:
    shared, (message,) = Config().initial()
    lost = evolve(message, ack=Record(Stage.FLUSHED, Truth.PHANTOM))
    [change] = changes_between((shared, (message,)), (shared, (lost,)))
    assert (change.field, change.before, change.after) == ("ack", "none", "flushed / phantom")


def test_pending_bytes_that_exist_are_not_hidden() -> None:
    shared, (message,) = Config().initial()
    odd = evolve(message, ack=Record(Stage.NONE, Truth.DISK))
    [change] = changes_between((shared, (message,)), (shared, (odd,)))
    assert change.after == "none / disk"


def test_json_has_every_field_and_survives_a_round_trip() -> None:
    trace = explore(Config(rules={"commit-after-flush": False}), Options(stop_at="commit-is-safe")).counterexample
    assert trace is not None
    told = trace_json(trace)
    assert json.loads(json.dumps(told)) == told
    assert told["length"] == 3
    assert told["broken"] == ["commit-is-safe"]
    assert [step["action"] for step in told["steps"]] == ["pop", "write_checkpoint", "commit"]
    assert told["steps"][2]["changes"] == [
        {"where": "store", "field": "offset volatile", "before": "0", "after": "1"},
    ]
    assert told["steps"][-1]["after"] == state_json(trace.final)
    assert told["initial"]["shared"]["offset"] == {"volatile": 0, "cached": 0, "disk": 0}
    assert told["initial"]["messages"][0]["ack"] == {"stage": "none", "truth": "nowhere"}
