"""Recorded histories: what is judged, what is passed over, and that memory holds only what is in flight."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from ackcheck.cli.trace import trace
from ackcheck.trace import judge
from ackcheck.trace.judge import Judge, TooMuchUnderWay
from ackcheck.trace.lines import Asked, Entry, read_line
from ackcheck.trace.recording import Recording
from ackmodel import Clause, Level

SPECS = Path(__file__).parents[3] / "specs"


class Recorder:
    """Writes a history as a client would record it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at, self.id = 0.0, 0

    def add(self, **told: Any) -> None:
        self.at += 0.25
        self.lines.append(json.dumps({"at": self.at, **told}))

    def call(self, op: str, result: Any, **arguments: Any) -> None:
        self.id += 1
        self.add(asked={"id": self.id, "op": op, **arguments})
        self.add(answered={"id": self.id, "result": result})

    def pop(self, offset: int, receipt: str, invisible: float = 30) -> None:
        delivery = {"receipt": receipt, "offset": offset, "attempt": 1, "deadline": 0}
        self.call("pop", [delivery], queue="q", count=1, invisible=invisible)

    def acked_and_back(self, fault: str, *, flush: bool) -> None:
        """An ack, a barrier perhaps, a fault, and the message again."""
        self.pop(0, "r1")
        self.call("ack", "OK", receipt="r1")
        if flush:
            self.call("flush", "OK")
        self.add(fault=fault)
        self.at += 60
        self.pop(0, "r2")


def judged(lines: list[str], *options: str) -> tuple[Result, Any]:
    result = CliRunner().invoke(trace, ["-", "--json", "-", *options], input="\n".join(lines))
    return result, json.loads(result.stdout) if result.stdout.startswith("{") else None


@pytest.mark.parametrize(
    ("fault", "flush", "level", "clause"),
    [
        ("process-crash", False, "page-cache", "survives-process-crash"),
        ("power-loss", False, "page-cache", None),
        ("power-loss", True, "page-cache", "survives-power-loss"),
        ("power-loss", False, "disk", "survives-power-loss"),
        ("restart", False, "memory", "no-return"),
        ("process-crash", False, "memory", None),
    ],
)
def test_what_must_survive_a_fault_is_what_the_level_promises(
    fault: str, flush: bool, level: str, clause: str | None
) -> None:
    recorder = Recorder()
    recorder.acked_and_back(fault, flush=flush)
    result, told = judged(recorder.lines, "--level", level)
    found = [finding["clause"] for finding in told["findings"]]
    assert found in ([clause], ["close-drains"]) if fault == "restart" else found == ([clause] if clause else [])
    assert result.exit_code == (1 if clause else 0)
    if clause:
        assert told["findings"][0]["line"] == len(recorder.lines)


def test_a_gap_and_what_began_before_the_record_make_no_finding() -> None:
    recorder = Recorder()
    recorder.call("ack", "OK", receipt="from before")
    recorder.pop(0, "r1")
    recorder.call("ack", "OK", receipt="r1")
    recorder.add(gap="rotated")
    recorder.call("ack", "SETTLED", receipt="r1")
    recorder.pop(0, "r2")  # may have been reset meanwhile, who knows
    _result, told = judged(recorder.lines)
    assert told["findings"] == []
    assert told["actions"]["ack"] == {"came": 3, "fitted": 1, "not_judged": 2}


def test_it_goes_on_after_a_finding_and_counts_what_fitted() -> None:
    recorder = Recorder()
    for _ in range(2):
        recorder.acked_and_back("process-crash", flush=False)
        recorder.add(gap="next")
    _result, told = judged(recorder.lines)
    assert [finding["clause"] for finding in told["findings"]] == ["survives-process-crash"] * 2
    assert told["actions"]["process-crash"] == {"came": 2, "fitted": 2, "not_judged": 0}
    assert told["actions"]["pop"]["came"] == 4
    assert told["actions"]["pop"]["fitted"] == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("3", "no object"),
        ("{}", "at is None"),
        ('{"at": 1}', "none of asked, answered, fault, gap"),
        ('{"at": 1, "asked": {"op": "pop"}}', "with id and op"),
        ('{"at": 1, "asked": {"id": 1, "op": "rain"}}', "op is 'rain'"),
        ('{"at": 1, "asked": {"id": 1, "op": "pop", "queue": 7, "invisible": 1}}', "queue is 7"),
        ('{"at": 1, "asked": {"id": 1, "op": "pop", "queue": "q", "invisible": "x"}}', "invisible is 'x'"),
        ('{"at": 1, "answered": {"id": 1}}', "result or error"),
        ('{"at": 1e999, "gap": ""}', "at is inf"),
        ('[1, ">", "{\\"id\\": 1, \\"op"]', "cut off"),
        ('{"at": 1, "gap": "' + "x" * (1 << 20) + '"}', "at most 1048576"),
        ("\x00\xff", "no JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_no_finding_and_the_others_are_judged(line: str, why: str) -> None:
    recorder = Recorder()
    recorder.acked_and_back("power-loss", flush=False)
    result, told = judged([line, *recorder.lines])
    assert result.exit_code == 3
    assert told["unreadable"]["count"] == 1
    assert told["unreadable"]["first"][0]["line"] == 1
    assert why in told["unreadable"]["first"][0]["why"]
    assert told["actions"]["pop"]["fitted"] == 2


def test_a_result_that_does_not_fit_its_request_is_a_line_that_cannot_be_read() -> None:
    recorder = Recorder()
    recorder.pop(0, "r1")
    recorder.call("ack", "YES", receipt="r1")
    recorder.call("pop", 7, queue="q", count=1, invisible=1)
    _result, told = judged(recorder.lines)
    assert [each["line"] for each in told["unreadable"]["first"]] == [4, 6]


def test_gzip_and_a_file_are_read_as_a_pipe_is(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.acked_and_back("process-crash", flush=False)
    text = "\n".join(recorder.lines).encode()
    (tmp_path / "h.jsonl").write_bytes(text)
    (tmp_path / "h.gz").write_bytes(gzip.compress(text))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(text)[:-20])
    for name, code in (("h.jsonl", 1), ("h.gz", 1), ("cut.gz", 3), ("none", 3)):
        assert CliRunner().invoke(trace, [str(tmp_path / name)]).exit_code == code, name


def long_history(count: int) -> Iterator[Entry]:
    recorder = Recorder()
    for offset in range(count):
        recorder.pop(offset, f"r{offset}")
        recorder.call("ack", "OK", receipt=f"r{offset}")
        recorder.call("flush", "OK")
        recorder.call("stats", {"queues": {"q": {"committed": offset + 1, "persisted": offset + 1}}})
        yield from map(read_line, recorder.lines)
        recorder.lines.clear()


def test_memory_holds_what_is_in_flight_and_no_more() -> None:
    judge, recording = Judge(Level.PAGE_CACHE), Recording(Judge(Level.PAGE_CACHE))
    for entry in long_history(60):
        judge.take(entry)
        recording.take_entries([entry])
        assert judge.in_flight <= 3
        assert recording.in_flight <= 3
    for each in (judge, recording.judge):
        assert each.findings == []
        assert each.counts["ack"].fitted == 60


def test_a_record_without_answers_ends_before_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "MOST_UNANSWERED", 5)
    taken = Judge(Level.DISK)
    for number in range(5):
        taken.take(Asked(0.0, number, "flush", {}))
    with pytest.raises(TooMuchUnderWay, match="write a gap"):
        taken.take(Asked(0.0, 9, "flush", {}))


def span(operation: str, message: str, at: int, **more: Any) -> dict[str, Any]:
    told = {"messaging.operation.type": operation, "messaging.destination.name": "q", "messaging.message.id": message}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]
    return {
        "startTimeUnixNano": str(at * 10**9),
        "endTimeUnixNano": str(at * 10**9 + 5),
        "attributes": attributes,
        **more,
    }


def test_opentelemetry_spans_show_a_return_and_a_redelivery_is_none() -> None:
    spans = [span("receive", "a", 1), span("receive", "b", 2), span("settle", "a", 3), span("receive", "b", 4)]
    spans += [span("settle", "b", 5, status={"code": 2}), span("receive", "b", 6), span("publish", "c", 7)]
    batch = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    result, told = judged([batch], "--format", "otel")
    assert (result.exit_code, told["findings"]) == (0, [])
    result, told = judged([batch, json.dumps(span("receive", "a", 8))], "--format", "otel")
    assert [finding["clause"] for finding in told["findings"]] == [Clause.NO_RETURN.value]
    result, told = judged([json.dumps({"attributes": [], "name": "x"}), "{"], "--format", "otel")
    assert result.exit_code == 3


def test_a_record_of_nats_shows_an_ack_that_a_crash_took() -> None:
    lines = (Path(__file__).parent / "nats.jsonl").read_text(encoding="utf-8").splitlines()
    result, told = judged(lines, "--format", "nats", "--level", "memory")
    assert (result.exit_code, told["findings"]) == (0, [])
    assert told["actions"]["ack"] == {"came": 21, "fitted": 21, "not_judged": 0}
    _result, told = judged(lines, "--format", "nats", "--level", "page-cache")
    assert [(one["clause"], one["line"]) for one in told["findings"]] == [("survives-process-crash", len(lines))]
    no_times = [re.sub('"timestamp": "[^"]*"', '"timestamp": "soon"', line) for line in lines]
    result, told = judged(no_times, "--format", "nats")
    assert (result.exit_code, told["unreadable"]["count"]) == (3, 21)


def test_the_lines_of_the_page_fit_the_schema_and_are_read() -> None:
    schema = json.loads((SPECS / "trace.schema.json").read_text(encoding="utf-8"))
    lines = re.findall(r"^    (\{.*\})$", (SPECS / "trace.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 6
    for line in lines:
        jsonschema.validate(json.loads(line), schema)
        read_line(line)
