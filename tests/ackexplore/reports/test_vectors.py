"""Test vectors: every transition is in them, and a runner in another language tells a right store from a wrong one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.cli.vectors import vectors as command
from ackexplore import Options, explore
from ackexplore.reports.played import difference
from ackexplore.reports.vectors import vectors
from ackmodel import Config

RUNNER = Path(__file__).with_name("vectors_runner.mjs")


def test_the_tours_take_every_transition_and_each_step_leads_on() -> None:
    result = explore(Config(process_crashes=1), Options(engine="graph"))
    told = vectors(result, longest=40)
    assert told["covered"] == {"transitions": result.edges, "of": result.edges}
    taken = set()
    for tour in told["tours"]:
        at = 0
        for action, actor, after in tour:
            taken.add((at, action, actor, after))
            at = after
    assert len(taken) == result.edges
    assert told["faults"] == ["process_crash"]
    assert vectors(result, longest=40) == told


def test_out_of_range_and_too_large_are_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "v.json")
    for options, why in ((["--messages", "0"], "messages"), (["--messages", "2", "--max-states", "9"], "more than 9")):
        refused = CliRunner().invoke(command, [out, *options])
        assert refused.exit_code == 2
        assert why in refused.stderr
    assert CliRunner().invoke(command, ["-"]).exit_code == 2
    assert not Path(out).exists()


def test_the_runner_has_a_hundred_lines_as_the_specification_says() -> None:
    assert len(RUNNER.read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_runner_in_node_keeps_a_right_store_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    out = tmp_path / "vectors.json"
    told = CliRunner().invoke(command, [str(out), "--power-losses", "1"])
    assert told.exit_code == 0, told.output
    assert json.loads(out.read_text(encoding="utf-8"))["format"] == 1
    kept = subprocess.run(["node", RUNNER, out], capture_output=True, text=True, check=False)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    refused = subprocess.run(["node", RUNNER, out, "break"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "(recover): checkpoint: flushed" in refused.stdout
    player = ["--", "node", str(RUNNER), "-", "1"]
    kept_by_lines = CliRunner().invoke(command, [str(out), *player])
    assert kept_by_lines.exit_code == 0, kept_by_lines.output
    assert "629 of 629 transitions, and no difference" in kept_by_lines.output
    refused_by_lines = CliRunner().invoke(command, [str(out), *player, "break"])
    assert refused_by_lines.exit_code == 1
    assert "(recover): checkpoint: flushed; the model has checkpoint: suspect" in refused_by_lines.output


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_runner_has_as_many_messages_as_the_vectors(tmp_path: Path) -> None:
    out = tmp_path / "vectors.json"
    assert CliRunner().invoke(command, [str(out), "--messages", "2"]).exit_code == 0
    kept = subprocess.run(["node", RUNNER, out], capture_output=True, text=True, check=False)
    assert kept.returncode == 0, kept.stdout + kept.stderr


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("{'tour': 0, 'seen': []}", "it has "),
        ("{'tour': 1, 'seen': []}", "it names tour 1"),
        ("['?']", "is no answer"),
        ("sys.exit('out of memory')", "it ended; it wrote last: out of memory"),
    ],
)
def test_a_program_that_answers_something_else_is_told_what_was_wanted(tmp_path: Path, answer: str, why: str) -> None:
    out = tmp_path / "vectors.json"
    assert CliRunner().invoke(command, [str(out)]).exit_code == 0
    program = f"import json, sys\nfor line in sys.stdin: print(json.dumps({answer}), flush=True)"
    ran = CliRunner().invoke(main, ["vectors", str(out), "--", sys.executable, "-c", program])
    assert ran.exit_code == (1 if why == "it has " else 3)
    assert why in ran.output
    assert "no verdict" not in ran.output  # it is no failure of the suite's own


def test_a_file_without_vectors_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"format": 7}', encoding="utf-8")
    for name, why in (("other.json", "holds no vectors of format 1"), ("gone.json", "cannot be read")):
        refused = CliRunner().invoke(command, [str(tmp_path / name), "--", "true"])
        assert refused.exit_code == 2
        assert why in refused.stderr
        assert "write it with" in refused.stderr


def changed(told: dict[str, Any], change: str) -> dict[str, Any]:
    """Return vectors that are not those of the model."""
    told = json.loads(json.dumps(told))
    if change == "a state":
        told["states"][2]["store"][0] = "power: down"
    elif change == "a step":
        told["tours"][0][1][2] = 0
    elif change == "states left out":
        told["states"] = told["states"][:20]
        told["tours"] = [[told["tours"][0][0]]]
    elif change == "config":
        told["config"]["level"] = "tape"
    elif change == "no config":
        told["config"] = None
    elif change == "shape of a step":
        told["tours"][3][0] = ["pop", 0, 10**6]
    elif change == "shape of a state":
        told["states"][1]["disk"] = None
    elif change == "no tours":
        told["tours"] = []
    else:
        told["faults"] = "power_loss"
    return told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("a state", "its states are not those that the model has"),
        ("a step", "the model has no step"),
        ("states left out", "it has 20 states, and the model more"),
        ("config", "Level must be one of"),
        ("no config", "`config` says nothing"),
        ("shape of a step", "tour 3 is no list of steps"),
        ("shape of a state", "`states` is no list"),
        ("no tours", "`tours` is no list"),
        ("faults", "`faults` is no list"),
    ],
)
def test_a_file_that_is_not_of_the_model_is_refused_before_it_is_played(tmp_path: Path, change: str, why: str) -> None:
    told = vectors(explore(Config(), Options(engine="graph")), longest=60)
    (tmp_path / "v.json").write_text(json.dumps(changed(told, change)), encoding="utf-8")
    refused = CliRunner().invoke(command, [str(tmp_path / "v.json"), "--", "true"])
    assert refused.exit_code == 2, refused.output
    assert why in refused.stderr


def test_what_a_file_says_that_it_covers_is_counted_and_not_believed(tmp_path: Path) -> None:
    told = vectors(explore(Config(), Options(engine="graph")), longest=60)
    assert told["covered"] == {"transitions": 97, "of": 97}
    part = told | {"tours": told["tours"][:1]}
    (tmp_path / "v.json").write_text(json.dumps(part), encoding="utf-8")
    blind = "print(json.dumps({'tour': t['tour'], 'seen': [None] * len(t['steps'])}), flush=True)"
    program = f"import json, sys\nfor line in sys.stdin: t = json.loads(line); {blind}"
    ran = CliRunner().invoke(command, [str(tmp_path / "v.json"), "--", sys.executable, "-c", program])
    assert ran.exit_code == 0, ran.output
    assert "12 of 97 transitions" in ran.output
    (tmp_path / "v.json").write_text(json.dumps(part | {"model": "0"}), encoding="utf-8")
    ran = CliRunner().invoke(command, [str(tmp_path / "v.json"), "--", sys.executable, "-c", program])
    assert "12 transitions (of how many is not known" in ran.output


def test_lanes_of_a_cache_or_disk_are_whole_and_of_the_store_only_what_is_shown() -> None:
    told = vectors(explore(Config(), Options(engine="graph")), longest=60)
    tour = next(n for n, each in enumerate(told["tours"]) if any(told["states"][s]["disk"] for *_, s in each))
    states = [told["states"][after] for *_, after in told["tours"][tour]]
    assert difference(told, tour, [{"store": state["store"][:1]} for state in states]) is None
    assert "is missing from disk" in str(difference(told, tour, [{"disk": []} for _ in states]))
    assert "there is no lane disc" in str(difference(told, tour, [{"disc": []} for _ in states]))
