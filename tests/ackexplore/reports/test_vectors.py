"""Test vectors: every transition is in them, and a runner in another language tells a right store from a wrong one."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck.cli.vectors import vectors as command
from ackexplore import Options, explore
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
