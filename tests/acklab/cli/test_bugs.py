"""`ackcheck bugs`: the documented JSON and the exit codes."""

import json
from pathlib import Path

import pytest
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


RETRIED = "retry-fsync-after-eio-reports-success"


def test_a_pinned_run_is_played_and_is_the_same_without_any_seed() -> None:
    ran = CliRunner().invoke(bugs, [RETRIED, "--clause", "flush-rewrites", "--json", "-"])
    assert ran.exit_code == 0
    [row] = json.loads(ran.stdout)
    assert (row["clause"], row["caught"], row["cases"], row["seed"]) == ("flush-rewrites", True, 1, None)
    shown = CliRunner().invoke(bugs, [RETRIED, "--clause", "flush-rewrites"]).stdout
    assert "a pinned run" in shown
    assert "seed" not in shown


def test_a_pinned_run_can_be_saved_as_a_test(tmp_path: Path) -> None:
    ran = CliRunner().invoke(bugs, [RETRIED, "--clause", "flush-rewrites", "--save", str(tmp_path)])
    assert ran.exit_code == 0
    [saved] = tmp_path.iterdir()
    assert saved.name == "test_flush_rewrites_pinned_1.py"


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ([RETRIED, "--clause", "no-limbo"], "it has one of: survives-power-loss, flush-rewrites"),
        ([RETRIED, "--clause", "no-limb"], "did you mean 'no-limbo'"),
        (["--clause", "flush-rewrites"], "name the bug too"),
        ([RETRIED, "--clause", "flush-rewrites", "--seed", "1"], "leave it out"),
        ([RETRIED, "--clause", "flush-rewrites", "--cases", "9"], "leave it out"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_mend(arguments: list[str], mend: str) -> None:
    ran = CliRunner().invoke(bugs, arguments)
    assert ran.exit_code == 2
    assert mend in ran.stderr
