"""The table of what brokers were seen to do is made of runs alone, and the one that is published is the one made."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.brokers.table import BEGIN, END, BadRuns, html, markdown, put_into, read_runs, rows_of
from ackcheck.cli.brokertable import brokertable

BROKERS = Path(__file__).parents[3] / "specs" / "brokers"
RUNS = sorted((BROKERS / "runs").glob("*.jsonl"))


def run(seed: int = 1, grade: str = "power", **faults: tuple[int, dict[str, int]]) -> dict[str, Any]:
    """A run of a broker, with how often each fault hit (of five) and what came."""
    named = {name.replace("_", " "): told for name, told in faults.items()}
    stated = {
        name: {"tried": 5, "seen": seen, "promised": True, "outcomes": outcomes}
        for name, (seen, outcomes) in named.items()
    }
    told = {"broker": "b", "title": "A <broker>", "version": "7", "configuration": "c", "claims": "disk"}
    made = {"command": "ackcheck broker b", "began": "2026-11-28T10:00:00", "profile": "quick", "failed": ""}
    machine = {"kernel": "6.18", "file_systems": {grade: "ext4"}}
    return {**told, **made, "grade": grade, "seed": seed, "repaired": 0, "machine": machine, "faults": stated}


def test_a_cell_counts_runs_and_hits() -> None:
    runs = [run(seed, power_loss=(5, {"returned": 2} if seed < 3 else {})) for seed in (1, 2, 3)]
    [row] = rows_of(runs)
    assert row.cells[3] == "**returned** in 2 of 3 runs (15)"


def test_what_never_hit_is_not_judged_and_what_was_never_promised_is_not_kept() -> None:
    [row] = rows_of([run(failed_sync=(0, {}), power_loss=(5, {}))])
    assert row.cells[5] == "not judged (0 of 5 hit)"
    told = run(power_loss=(5, {}))
    told["faults"]["power loss"]["promised"] = False
    [row] = rows_of([told])
    assert row.cells[3] == "nothing promised, nothing seen (5 in 1 run)"


def test_power_losses_on_images_or_while_syncs_are_held_stand_apart() -> None:
    held = run(power_loss=(6, {}), stalled_sync=(1, {"returned": 1}))
    [row] = rows_of([held])
    assert row.cells[2:5] == ["-", "kept (6 in 1 run)", "**returned** in 1 of 1 run (1)"]
    [row] = rows_of([run(power_loss=(5, {})), run(grade="disk", power_loss=(3, {"lost (no promise)": 1}))])
    assert row.cells[3] == "kept (5 in 1 run)"
    assert row.cells[6] == "lost\\* in 1 of 1 run (3)"


def test_a_row_counts_the_runs_in_which_came_what_is_expected() -> None:
    new = {**run(2, power_loss=(5, {"lost": 1})), "surprises": ["power, power loss: lost, which is new"]}
    broken = {**run(3, power_loss=(0, {})), "failed": "no room"}
    told = [{**run(1, power_loss=(5, {})), "surprises": []}, new, broken]
    assert rows_of(told)[0].as_expected == "1 of 2"
    assert "| c | disk | 1 of 2 | - |" in markdown(told)
    assert "<td>disk</td><td>1 of 2</td>" in html(told)
    assert "\n1 run failed by itself and says nothing" in markdown(told)
    assert "\n2 runs failed by themselves and say nothing" in markdown([*told, broken])
    known = {**run(4, failed_sync=(2, {})), "broker": "beanstalkd", "configuration": "f0", "surprises": []}
    assert rows_of([known])[0].as_expected == "0 of 1"  # a return must come of that


def test_a_configuration_that_nobody_ran_is_a_row_that_says_so() -> None:
    told = [{**run(power_loss=(5, {})), "broker": "nsq", "configuration": "default"}]
    assert "| to-disk | page-cache | not run | - | - | - | - | - | - | - | - |" in markdown(told)
    assert '<th scope="row">to-disk</th><td>page-cache</td><td>not run</td>'.replace('"', "") in html(told)


def test_the_page_escapes_what_it_is_told() -> None:
    page = html([run(power_loss=(5, {"cannot open": 1}))])
    assert "A &lt;broker&gt;" in page
    assert '<td class="broken">cannot open in 1 of 1 run (5)</td>' in page


@pytest.mark.parametrize("text", ["[1]", "no json", '{"broker": "b"}'])
def test_what_is_no_run_is_refused_with_its_mend(text: str, tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text(text)
    with pytest.raises(BadRuns, match="give a file that `ackcheck broker --json` wrote"):
        read_runs([tmp_path / "runs.jsonl"])
    called = CliRunner().invoke(brokertable, [str(tmp_path / "runs.jsonl")])
    assert called.exit_code == 2


def test_the_command_writes_pages(tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text(json.dumps([run(power_loss=(5, {}))]))
    (tmp_path / "page.md").write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    words = [str(tmp_path / "runs.json"), "--into", str(tmp_path / "page.md"), "--html", str(tmp_path / "page.html")]
    assert CliRunner().invoke(brokertable, words).exit_code == 0
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "| c | disk | 1 of 1 | - | - | - | kept (5 in 1 run) | - | - | - | - |" in page
    assert "<table>" in (tmp_path / "page.html").read_text()
    with pytest.raises(BadRuns, match="no place for the table"):
        put_into("a page", "a table")


@pytest.mark.skipif(not RUNS, reason="needs runs")
def test_the_published_table_is_the_one_that_its_runs_make() -> None:
    page = (BROKERS / "README.md").read_text(encoding="utf-8")
    assert put_into(page, markdown(read_runs(RUNS))) == page
