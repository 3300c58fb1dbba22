"""`ackcheck bugs`: the documented JSON and the exit codes."""

import json
from pathlib import Path

from click.testing import CliRunner

from acklab.cli.bugs import bugs
from acklab.zoo import bug_named
from ackmodel import Clause

QUICK, SLOW = "old-segment-not-fsynced-on-rotation", "ack-persist-fallback-missing-then-counter-leak"


def test_a_caught_bug_is_exit_code_0_and_its_keys_are_the_documented_ones() -> None:
    ran = CliRunner().invoke(bugs, [QUICK, "--seed", "1", "--json", "-"])
    assert ran.exit_code == 0
    [row] = json.loads(ran.stdout)  # and nothing else is on the standard output
    assert {"name", "caught", "clause", "cases", "seconds"} <= set(row)
    assert (row["name"], row["caught"]) == (QUICK, True)
    assert Clause(row["clause"]) in bug_named(QUICK).breaks
    assert row["cases"] >= 1
    assert row["seconds"] > 0


def test_a_bug_that_is_not_caught_is_exit_code_1(tmp_path: Path) -> None:
    out = tmp_path / "bugs.json"
    ran = CliRunner().invoke(bugs, [SLOW, "--seed", "1", "--cases", "1", "--json", str(out)])
    assert ran.exit_code == 1
    assert "not caught" in ran.stdout
    [row] = json.loads(out.read_text(encoding="utf-8"))
    assert (row["caught"], row["clause"]) == (False, None)


def test_a_named_bug_is_told_with_its_history() -> None:
    ran = CliRunner().invoke(bugs, [QUICK, "--seed", "1"], env={"COLUMNS": "140"})
    assert ran.exit_code == 0
    for told in ("When a segment is full", " is broken", "page cache", "Redis", "seed 1"):
        assert told in ran.stdout, told


def test_an_unknown_bug_is_a_usage_error_with_a_hint() -> None:
    ran = CliRunner().invoke(bugs, ["old-segment-not-synced-on-rotation"])
    assert ran.exit_code == 2
    assert "did you mean" in ran.stderr
