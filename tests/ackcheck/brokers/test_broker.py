"""`ackcheck broker`: the verdict on a real broker beside what is expected of it."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ackcheck.brokers.profile import Profile, read_profile
from ackcheck.cli import broker as module
from ackcheck.cli.broker import SOCKET, broker
from ackcheck.findings import Finding, GradeReport
from ackcheck.rig import Child
from ackcheck.rig.apart import Apart
from ackcheck.suite import LEVELS
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause


def called(*words: str) -> Result:
    return CliRunner().invoke(broker, words)


def with_findings(monkeypatch: pytest.MonkeyPatch, *clauses: Clause, not_judged: str = "") -> None:
    """The suite finds these, whatever is judged."""
    found = [Finding(clause, "why", "power", 1, refutes=LEVELS) for clause in clauses]

    def run_suite(subject: Any, plan: Any) -> Verdict:
        return Verdict("it", (ModeReport(LEVELS, (GradeReport("power", 1, findings=found, not_judged=not_judged),)),))

    monkeypatch.setattr(module, "run_suite", run_suite)
    monkeypatch.setattr(module, "_version", lambda profile: "version 7")
    monkeypatch.setattr(Profile, "missing", lambda self: [])


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        ([Clause.SURVIVES_POWER_LOSS], 0, "survives-power-loss 1x"),
        ([Clause.SURVIVES_POWER_LOSS, Clause.NO_LIMBO], 1, "no-limbo broke, which is new"),
        ([], 1, "survives-power-loss was expected to break, and did not"),
    ],
)
def test_what_is_new_in_either_direction_is_told(
    monkeypatch: pytest.MonkeyPatch, found: list[Clause], code: int, told: str
) -> None:
    with_findings(monkeypatch, *found)
    ran = called("redis", "--configuration", "no", "--faults", "power", "--seed", "1")
    assert told in ran.output
    assert ran.exit_code == code


def test_nothing_is_expected_of_another_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, Clause.NO_LIMBO)
    ran = called("redis", "--configuration", "no", "--faults", "power", "--set", "appendfsync=always")
    assert ran.exit_code == 0
    assert "redis appendfsync=always, power: no-limbo 1x" in ran.output


def test_where_nothing_was_at_stake_it_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch)
    ran = called("redis", "--configuration", "no", "--faults", "process", "--seed", "1")
    assert "not judged" in ran.output
    assert ran.exit_code == 4


def test_a_grade_that_cannot_be_run_surprises_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, not_judged="needs root")
    ran = called("redis", "--configuration", "no", "--faults", "power", "--seed", "1")
    assert "was expected to break" not in ran.output
    assert ran.exit_code == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reddis"], "no broker 'reddis'; there are"),
        (["redis", "--configuration", "ever"], "there are always, everysec, no"),
        (["redis", "--faults", "sim"], "write process or power"),
        (["redis", "--set", "appendfsync"], "write KEY=VALUE"),
    ],
)
def test_bad_usage_is_told_what_to_write(monkeypatch: pytest.MonkeyPatch, words: list[str], told: str) -> None:
    with_findings(monkeypatch)
    ran = called(*words)
    assert ran.exit_code == 2
    assert told in " ".join(ran.output.replace("│", " ").split())


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    ran = called("redis")
    assert "needs redis-server (Debian: redis-server)" in ran.output
    assert ran.exit_code == 4


@pytest.mark.skipif(bool(read_profile("redis").missing()), reason="needs redis-server")
def test_a_real_redis_is_killed_and_keeps_what_it_answered(tmp_path: Path) -> None:
    redis = read_profile("redis")
    (tmp_path / "data").mkdir()
    with tempfile.TemporaryDirectory() as run:  # the path of a socket must be short
        command = redis.server_for({"appendfsync": "always"}, Path(run))
        server = [word.replace("{dir}", str(tmp_path / "data")) for word in command]
        adapter = Child.python(redis.target, tmp_path / "data")
        environment = {**adapter.environment, SOCKET: f"{run}/socket"}
        with Apart(adapter.command, server=server, directory=tmp_path / "data", environment=environment) as target:
            target.call("open")
            target.call("publish", queue="q", end=2)
            first, second = target.call("pop", queue="q", count=5, invisible=0.01)
            assert (first["offset"], second["attempt"]) == (0, 1)
            assert target.call("ack", receipt=first["receipt"]) == "OK"
            assert target.call("ack", receipt=first["receipt"]) == "SETTLED"
            assert target.call("ack", receipt="no receipt") == "INVALID"
            target.kill()
            target.start().call("open")
            target.call("publish", queue="q", end=3)
            come: dict[int, int] = {}
            while len(come) < 2:
                come |= {
                    one["offset"]: one["attempt"] for one in target.call("pop", queue="q", count=5, invisible=0.01)
                }
            assert come.keys() == {1, 2}
            assert come[1] > 1
