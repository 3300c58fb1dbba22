"""What all commands share: places to write to, an interrupt in the middle, and what fits into 80 columns."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner
from rich.console import Console

from ackcheck.cli import main
from ackcheck.cli._ending import INTERRUPTED
from ackcheck.cli._output import EnvironmentFailed
from ackcheck.cli._programs import save_programs
from ackcheck.findings import Finding, GradeReport
from ackcheck.history import Line
from ackcheck.promises import promises_of
from ackcheck.show import LEGEND, finding_view, print_verdict, ran_table
from ackcheck.verdict import ModeReport, Verdict
from ackexplore.needed import RuleFinding
from ackexplore.reports.show import findings_view
from acklab.cli.bugs import catches_table
from acklab.zoo import BUGS
from acklab.zoo.hunt import Catch
from ackmodel import Clause, Config, Level
from ackmodel.spec.rules import RULES
from ackstore.words.errors import StoreBroken


def printed(what: Any, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(what)
    return capture.get().splitlines()


@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("ackcheck.cli.run.run_suite", ["run", "--faults", "process"]),
        ("acklab.zoo.hunt.run_sim_grade", ["bugs", "nack-half-applied"]),
        ("ackcheck.cli._exploring.explore_model", ["explore"]),
        ("acklab.cli.bench.race", ["bench"]),
    ],
)
def test_an_interrupt_is_exit_code_130_and_no_verdict(
    where: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == INTERRUPTED == 130
    assert "interrupted: no verdict" in ran.stderr


@pytest.mark.parametrize(("cause", "code"), [(KeyboardInterrupt(), 130), (ValueError(), 3)])
def test_an_interrupt_within_the_store_is_one_too(
    cause: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreBroken("the store is broken") from cause

    monkeypatch.setattr("acklab.cli.bench.race", broken)
    assert CliRunner().invoke(main, ["bench"]).exit_code == code


def test_a_file_that_cannot_be_written_to_is_refused_before_the_work() -> None:
    ran = CliRunner().invoke(main, ["explore", "--json", "/proc/no-file-is-made-here.json"])
    assert ran.exit_code == 2
    assert "cannot be written to" in ran.stderr
    assert "name another file" in ran.stderr


def test_looking_whether_it_can_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("what was there", encoding="utf-8")
    for place in (old, new):
        assert CliRunner().invoke(main, ["explore", "--messages", "0", "--json", str(place)]).exit_code == 2
    assert old.read_text(encoding="utf-8") == "what was there"
    assert not new.exists()


def test_a_disk_that_is_full_at_the_end_is_exit_code_3() -> None:
    ran = CliRunner().invoke(main, ["explore", "--json", "/dev/full"])
    assert ran.exit_code == 3
    assert "could not be written to /dev/full: No space left on device" in ran.stderr


LINES = (Line(0, "client", "pop 2 of orders, invisible 30 s"), Line(1, "page cache", "write log @40: EIO"))


def test_a_history_names_its_lanes_where_there_is_no_room_for_columns() -> None:
    finding = Finding(Clause.NO_LIMBO, "it did not come", "sim", 1, LINES)
    narrow, wide = printed(finding_view(finding), 80), printed(finding_view(finding), 120)
    assert any(" page cache  write log @40: EIO" in line for line in narrow)
    assert any("client  store  page cache  disk  offset" in line for line in wide)
    assert sum("●" in line for line in wide) == len(LINES)


def test_the_names_of_bugs_and_clauses_are_whole_at_80_columns() -> None:
    catches = [Catch(bug, Finding(bug.breaks[0], "", "sim", 1), 9, 1.0) for bug in BUGS.values()]
    lines = printed(catches_table(catches), 80)
    for bug in BUGS.values():
        assert any(line.strip().startswith(bug.name) for line in lines), bug.name
        assert any(f" {bug.breaks[0].value};" in line for line in lines)


def test_so_are_those_of_rules_and_what_falls_is_told() -> None:
    nothing: Mapping[Clause, Any] = {}
    findings = [
        RuleFinding(
            rule=rule,
            config=Config(),
            states=0,
            counterexamples=nothing,
            lassos=nothing,
            missing=rule.falls,
            broken_with_rule=(),
        )
        for rule in RULES.values()
    ]
    lines = printed(findings_view(findings), 80)
    assert max(map(len, lines)) <= 80
    for rule in RULES.values():
        assert any(line.startswith(rule.name) for line in lines), rule.name
    assert sum("NOT BROKEN" in line for line in lines) == sum(len(rule.falls) for rule in RULES.values())


def test_what_really_ran_is_told_once_a_grade_and_what_was_not_judged_with_its_reason() -> None:
    levels = tuple(
        ModeReport(
            (level,),
            (
                GradeReport("sim", 7, cases=1, operations=1500, ran=Counter({"crash": 1000, "fill_up": 0})),
                GradeReport("power", 7, not_judged="needs root"),
                GradeReport("soak", 7, figures={"MiB resident": 57.5}),
            ),
        )
        for level in Level
    )
    with (console := Console(width=80)).capture() as capture:
        print_verdict(console, Verdict("a store", levels))
    said = capture.get()
    assert any("[yellow]fill_up 0[/]" in str(cell) for cell in ran_table(Verdict("a store", levels)).columns[1].cells)
    assert said.count("crash 3,000 · fill_up 0") == 1
    assert said.count("1,500") == 3
    assert said.count("not judged: grade power: needs root") == 1
    assert said.count("MiB resident 57.5") == 3
    assert max(map(len, said.splitlines())) <= 80


def test_each_promise_that_is_not_the_strictest_is_printed_and_stands_in_the_json() -> None:
    report = GradeReport("process", 4, cases=1, promises=promises_of({"barrier": "none", "grace": 6}))
    verdict = Verdict("a store", (ModeReport((Level.DISK,), (report,)),))
    with (console := Console(width=120)).capture() as capture:
        print_verdict(console, verdict)
    said = [line.rpartition(": ")[2].strip() for line in capture.get().splitlines() if "not the strictest" in line]
    assert said == ["grace = 6", "barrier = none"]
    assert verdict.as_json()["promises"] == {"grace": 6, "barrier": "none"}


def test_the_line_that_runs_a_case_again_is_one_line() -> None:
    again = (
        "ackcheck run --faults power --profile standard --seed 4 --case 3 --server 'a --b {dir}' -- ./adapter "
        + "x" * 90
    )
    finding = Finding(Clause.NO_LIMBO, "it did not come", "power", 4, (Line(0, "client", "pop"),), case=3, again=again)
    console = Console(width=60)
    with console.capture() as capture:
        report = GradeReport("power", 4, cases=1, findings=[finding])
        print_verdict(console, Verdict("a store", (ModeReport((Level.DISK,), (report,)),)))
    said = capture.get()
    assert f"    {again}" in [line.rstrip() for line in said.splitlines()]
    assert " ".join(said.split()).count(LEGEND) == 1  # and what the signs of a history mean, once


def test_programs_are_saved_over_no_file(tmp_path: Path) -> None:
    finding = Finding(Clause.NO_LIMBO, "it did not come", "sim", 7, test="assert True\n")
    save_programs(tmp_path / "new", [finding, evolve(finding, test="")])
    assert [path.read_text() for path in (tmp_path / "new").iterdir()] == ["assert True\n"]
    with pytest.raises(EnvironmentFailed, match="is there already"):
        save_programs(tmp_path / "new", [finding])
