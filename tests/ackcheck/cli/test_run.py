"""`ackcheck run`: the documented JSON, the exit codes, and what a target that is not there, or not right, gets."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ackcheck.cli.run import run
from ackcheck.rig import RigError
from ackcheck.suite import efforts
from ackmodel import Clause

pytestmark = pytest.mark.usefixtures("children_unmeasured")

TOYS = Path(__file__).parents[1] / "grades" / "toys.py"
TARGETS = """
from acklab.reference.stepped import Reference
from acklab.zoo import bug_named

NOTHING = 1

def broken():
    return Reference(core_class=bug_named("old-segment-not-fsynced-on-rotation").core)

def no_config():
    raise LookupError("no config")

class Raises(Reference):
    def pop(self, *arguments):
        raise LookupError("no queue")

class OnFiles:
    def open(self, directory):
        raise LookupError("no directory")
    def publish(self, queue, end): ...
    def pop(self, queue, count, invisible): ...
    def ack(self, receipt): ...
    def ack_many(self, receipts): ...
    def flush(self): ...
    def stats(self): ...
    def close(self): ...
"""


@pytest.fixture
def targets(tmp_path: Path) -> Path:
    path = tmp_path / "my_targets.py"
    path.write_text(TARGETS, encoding="utf-8")
    return path


@pytest.fixture
def few_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cases on files and eight simulated ones, and not as many as the quick profile has."""
    monkeypatch.setattr("ackcheck.cli.run.efforts", lambda _profile: {**dict.fromkeys(efforts("quick"), 2), "sim": 8})


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(run, ["--seed", "1", "--level", "page-cache", *arguments])


def judged(*arguments: str) -> tuple[int, Any]:
    result = ran(*arguments, "--json", "-")
    return result.exit_code, json.loads(result.stdout)  # anything else on the standard output would not parse


@pytest.mark.no_cover
def test_a_broken_target_is_exit_code_1_and_its_finding_is_told(targets: Path, tmp_path: Path, few_cases: None) -> None:
    out = tmp_path / "verdict.json"
    result = ran(f"{targets}:broken", "--faults", "sim", "--json", str(out))
    assert result.exit_code == 1
    for told in ("survives-power-loss is broken", "client", "page cache", "test_replay", "keeps no level"):
        assert told in result.stdout, told
    verdict = json.loads(out.read_text(encoding="utf-8"))
    assert set(verdict) == {
        *("seed", "profile", "target", "outcome", "level", "promises", "levels", "clauses", "never_ran"),
        *("cut", "not_judged", "findings", "runs"),
        *("command", "began", "machine"),
    }
    assert (verdict["seed"], verdict["profile"], verdict["level"]) == (1, "quick", None)
    assert [clause["id"] for clause in verdict["clauses"]] == [clause.value for clause in Clause]
    by_status = {clause["status"]: clause for clause in verdict["clauses"]}
    assert {"kept", "broken"} <= set(by_status)
    broken = [clause["id"] for clause in verdict["clauses"] if clause["status"] == "broken"]
    assert "survives-power-loss" in broken
    assert by_status["kept"]["times_checked"] > 0
    [report] = verdict["runs"]
    assert report["findings"] >= 1
    found = next(each for each in verdict["findings"] if each["clause"] == "survives-power-loss")
    assert "page-cache" in found["refutes"]
    assert found["history"]


def test_a_stepped_target_has_no_files_and_a_target_on_files_no_steps(targets: Path) -> None:
    code, verdict = judged(f"{targets}:broken", "--faults", "process,power")
    assert (code, [bool(report["not_judged"]) for report in verdict["runs"]]) == (4, [True, True])
    result = ran(f"{targets}:OnFiles", "--faults", "sim")
    assert result.exit_code == 4
    assert "level page-cache: not judged" in result.stdout
    assert "mend: " in result.stdout


def test_a_ledger_is_compared_with_a_run_that_could_not_be_judged_too(targets: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text("[[expected]]\nclause = 'no-limbo'\nreason = 'r'\nexpires = 2020-01-01\n", encoding="utf-8")
    result = ran(f"{targets}:broken", "--faults", "process", "--expect", str(known))
    assert (result.exit_code, "no-limbo (r) expired on 2020-01-01" in result.stdout) == (4, True)


@pytest.mark.parametrize(
    ("name", "faults", "error"),
    [
        ("no_config", "sim", "'factory' raised LookupError: no config"),
        ("Raises", "sim", "LookupError: no queue"),
        ("OnFiles", "process", "LookupError: no directory"),
    ],
)
def test_a_target_that_raises_is_exit_code_3_with_the_error(targets: Path, name: str, faults: str, error: str) -> None:
    result = ran(f"{targets}:{name}", "--faults", faults)
    assert result.exit_code == 3
    assert error in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such_file.py:factory", "No such file"),
        ("no_such_module_here:factory", "No module named"),
        ("collections:no_such_thing", "no attribute"),
        (":factory", "names no factory"),
        ("no-such-program-here", "no program"),
    ],
)
def test_a_target_that_is_not_there_is_a_usage_error_with_a_mend(target: str, why: str) -> None:
    result = ran(target, "--faults", "sim")
    assert result.exit_code == 2
    assert why in result.stderr
    assert "file.py:factory" in result.stderr


@pytest.mark.parametrize("target", ["nowhere.py:Store", "ackcheck:NOTHING"])
def test_a_target_that_there_is_not_is_a_usage_error_to_validate_too(target: str) -> None:
    result = ran(target, "--faults", "process", "--validate")
    assert result.exit_code == 2
    assert "no target" in result.stderr


def test_what_is_no_factory_is_said(targets: Path) -> None:
    result = ran(f"{targets}:NOTHING", "--faults", "sim")
    assert result.exit_code == 2
    assert "is no factory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--faults", "sim,fire"], "no grade 'fire'"),
        (["--level", "tape"], "'tape' is not one of"),
        (["--json", "/no/such/folder/x.json"], "create it first"),
        (["--json", "/"], "is a folder"),
        (["--case", "1"], "--case needs one grade"),
        (["--case", "1", "--faults", "sim"], "--case needs one grade"),
        (["--repeat", "2"], "--repeat needs the case"),
        (["--round", "1"], "--round needs the case"),
        (["--promise", "barier=none"], "did you mean 'barrier'"),
        (["--promise", "grace"], "write name=value"),
        (["--promise", "grace=long"], "write seconds"),
        (["--disk-mib", "1"], "not in the range"),
        (["--reply-timeout", "nan"], "nan would be for ever"),
        (["--reply-timeout", "inf"], "inf would be for ever"),
        (["--findings", "/proc/found"], "name another folder"),
        (["--findings", "/dev/null/found"], "name another folder"),
        (["--save", "/proc/found"], "name another folder"),
        (["nowhere:"], "'nowhere:' names no factory; write module:factory or path/to/file.py:factory\n"),
        (["--case", "8", "--faults", "process"], "the process grade has 7 at this profile"),
        (["--filesystem", "ntfs"], "'ntfs' is not one of"),
        (["--case", "0", "--faults", "process"], "not in the range"),
    ],
)
def test_an_option_that_is_wrong_is_a_usage_error(arguments: list[str], why: str) -> None:
    result = ran(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_case_is_repeated_and_a_finding_says_how() -> None:
    result = ran(f"{TOYS}:WritesNothing", "--faults", "process", "--case", "1", "--level", "disk", "--stop-at-first")
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert "To run its case (number 1) again: ackcheck run --level disk --faults process" in told
    assert "comes is the machine's" in told


def test_a_case_is_run_as_often_as_asked_for_all_levels_at_once_and_the_breaking_line_is_marked() -> None:
    words = ["--seed", "1", "--faults", "process", "--case", "1", "--round", "1", "--repeat", "2", "--stop-at-first"]
    result = CliRunner().invoke(run, [*words, f"{TOYS}:WritesNothing"])
    assert result.exit_code == 1
    assert "broken in 2 of 2 runs of the case" in result.stdout
    assert result.stdout.count("<- here it breaks") == 1


def test_what_was_found_is_shown_where_it_cannot_be_written_down() -> None:
    words = ["--faults", "process", "--case", "1", "--round", "1", "--stop-at-first", "--json", "/dev/full"]
    result = ran(f"{TOYS}:WritesNothing", *words)
    assert (result.exit_code, result.stderr.count("<- here it breaks")) == (3, 1)
    assert "the JSON could not be written to /dev/full" in result.stderr


@pytest.mark.parametrize(
    ("later", "cut"), [(KeyboardInterrupt(), "the run was interrupted"), (RigError("no loop"), "the run failed")]
)
def test_what_was_found_before_the_end_is_not_lost(
    tmp_path: Path, few_cases: None, later: BaseException, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise later

    monkeypatch.setattr("ackcheck.grades.power.run_power_grade", fails)
    out, known = tmp_path / "verdict.json", tmp_path / "known.toml"
    known.write_text(
        "".join(f"[[expected]]\nclause = '{one}'\nreason = 'r'\n" for one in ("survives-process-crash", "written-once"))
    )
    words = ["--faults", "process,power", "--level", "disk", "--json", str(out), "--expect", str(known)]
    result = ran(f"{TOYS}:WritesNothing", *words)
    assert "Verdict" not in result.stdout
    assert f"in the ledger: written-once (r) was not waited for: {cut}" in result.stderr
    assert "expected: survives-process-crash: " in result.stderr
    assert "survives-process-crash is broken" in result.stderr
    assert "SIGKILL" in result.stderr
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert kept["cut"] == "the run was not over yet"
    assert all(found["history"] for found in kept["findings"])


def test_a_store_that_no_fault_could_have_broken_is_not_judged(few_cases: None) -> None:
    code, verdict = judged(f"{TOYS}:NeverSyncs", "--faults", "process", "--level", "disk")
    assert (code, verdict["outcome"], verdict["level"]) == (4, "not-judged", None)
    [told] = verdict["levels"]
    assert (told["status"], told["mend"]) == ("not-judged", "run it with --faults power")


def test_without_a_level_the_target_is_judged_once_for_all_of_them() -> None:
    ran = CliRunner().invoke(run, ["--seed", "1", f"{TOYS}:SavesAtClose", "--faults", "process", "--json", "-"])
    verdict = json.loads(ran.stdout)
    assert len(verdict["runs"]) == 1
    assert [told["status"] for told in verdict["levels"]] == ["kept", "broken", "broken"]
    assert (ran.exit_code, verdict["level"]) == (0, "memory")


def test_a_run_goes_on_after_a_finding_unless_it_is_told_to_stop(few_cases: None) -> None:
    code, whole = judged(f"{TOYS}:WritesNothing", "--faults", "process", "--level", "disk")
    assert (code, whole["runs"][0]["cases"], whole["cut"]) == (1, 2, "")
    assert sum(found["times"] for found in whole["findings"]) > 1
    code, stopped = judged(f"{TOYS}:WritesNothing", "--faults", "process", "--level", "disk", "--stop-at-first")
    assert (code, stopped["runs"][0]["cases"]) == (1, 1)
    assert stopped["cut"] == "--stop-at-first ended the run at its first finding"


def test_which_faults_were_seen_to_hit_is_told(tmp_path: Path, few_cases: None) -> None:
    where = tmp_path / "verdict.json"
    ran = CliRunner().invoke(run, ["--faults", "process", "--level", "disk", "--seed", "1", "--json", str(where)])
    [told] = json.loads(where.read_text())["runs"]
    crash = told["hits"]["faults"]["process crash"]
    assert crash["seen"] == crash["tried"] == told["ran"]["SIGKILL"]
    assert told["hits"]["held_by"] in (["cgroup v2"], ["subreaper"])
    assert f"process crash seen to hit {crash['seen']} of {crash['tried']}" in " ".join(ran.stdout.split())
