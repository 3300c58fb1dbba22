"""The protocol's document and its JSON Schema say what is really sent, and what is really taken."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ackcheck.grades import run_process_grade
from ackcheck.rig import Child, Exchange
from ackcheck.target import OPERATIONS, OPTIONAL, REPLIES
from ackmodel import Level

jsonschema = pytest.importorskip("jsonschema")

SPECS = Path(__file__).parents[3] / "specs"
SCHEMA = json.loads((SPECS / "protocol.schema.json").read_text(encoding="utf-8"))
TOYS = Path(__file__).parents[1] / "grades" / "toys.py"


def complaints(what: str, value: Any) -> list[str]:
    """What the part of the schema with this name has against a value."""
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{what}"}
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.no_cover
@pytest.mark.parametrize("target", ["acklab.reference.files:async_store", f"{TOYS}:Extended"])
def test_every_line_of_a_run_is_as_the_schema_says(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Exchange] = []
    receive = Child._finish

    def watched(child: Child, line: bytes) -> None:
        receive(child, line)
        seen.append(child._finished[-1])
        assert complaints("answer", json.loads(line)) == []

    monkeypatch.setattr(Child, "_finish", watched)
    report = run_process_grade(target, Level.PAGE_CACHE, seed=1, rounds=6)
    assert report.finding is None
    assert OPERATIONS - {"reset", "leave"} <= {exchange.op for exchange in seen} <= OPERATIONS
    for exchange in seen:
        assert complaints("request", {"id": exchange.id, "op": exchange.op, **exchange.arguments}) == []
        assert complaints("results", {exchange.op: exchange.result}) == []


def test_the_schema_refuses_what_the_suite_refuses() -> None:
    for op, result in {
        "pop": "OK",
        "ack": "yes",
        "dead": [-1],
        "open": {"offers": "renew"},
        "stats": [],
        "flush": "SETTLED",
    }.items():
        assert complaints("results", {op: result}), op
    assert complaints("request", {"id": 1, "op": "reset", "queue": "q"})
    assert complaints("request", {"id": 1, "op": "fly"})
    assert complaints("answer", {"id": 1})


def test_the_document_lists_every_operation_and_every_reply() -> None:
    text = (SPECS / "protocol.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text.partition("A **reply**")[0], re.M)) == OPERATIONS
    assert all(f"`{reply}`" in text for reply in REPLIES)
    assert all(f'"{method}"' in text for method in OPTIONAL)
    assert set(SCHEMA["$defs"]["results"]["properties"]) == OPERATIONS
    assert set(SCHEMA["$defs"]["reply"]["enum"]) == REPLIES
