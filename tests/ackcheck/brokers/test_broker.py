"""`ackcheck broker`: what comes of a real broker beside what is expected of it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from ackcheck.brokers.beside import Made, Wanted
from ackcheck.brokers.place import SETTINGS, SOCKET, Place, placed
from ackcheck.brokers.profile import Profile, read_profile
from ackcheck.brokers.table import made, read_runs, rows_of
from ackcheck.cli import broker as module
from ackcheck.cli.broker import broker
from ackcheck.effects import Effect
from ackcheck.findings import Finding, GradeReport
from ackcheck.hits import Fault, Hit, Hits
from ackcheck.rig import Child
from ackcheck.rig.apart import Apart
from ackcheck.rig.errors import RigError
from ackcheck.suite import LEVELS
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause, Level

LIGHT = [
    pytest.param(name, settings, marks=pytest.mark.skipif(bool(read_profile(name).missing()), reason=f"needs {tool}"))
    for name, settings, tool in (
        ("redis", {"appendfsync": "always"}, "redis-server"),
        ("beanstalkd", {"f": "0"}, "beanstalkd"),
    )
]
"""The brokers that start in a moment, in a configuration that keeps everything over a SIGKILL."""


def called(*words: str) -> Result:
    return CliRunner().invoke(broker, words)


def finding(effect: Effect, fault: Fault, levels: tuple[Level, ...] = LEVELS) -> Finding:
    clause = Clause.SURVIVES_POWER_LOSS
    return Finding(clause, "why", "power", 1, refutes=levels, case=3, fault=fault.value, effect=effect.value)


def with_findings(
    monkeypatch: pytest.MonkeyPatch, *found: Finding, missed: tuple[Fault, ...] = (), not_judged: str = ""
) -> None:
    """The suite finds these, whatever is judged, and sees all faults hit but those that missed."""
    hits = Hits(
        tuple(
            Hit(fault, "subreaper", killed=1, wrote=1, missed="nothing was refused" if fault in missed else "")
            for fault in Fault
            if not not_judged
        )
    )

    def run_suite(subject: Any, plan: Any) -> Verdict:
        report = GradeReport("power", 1, findings=list(found), hits=hits, not_judged=not_judged)
        return Verdict("it", (ModeReport(LEVELS, (report,)),))

    monkeypatch.setattr(module, "run_suite", run_suite)
    monkeypatch.setattr(module, "_version", lambda profile: "version 7")
    monkeypatch.setattr(Profile, "missing", lambda self: [])


REFUSED = finding(Effect.CANNOT_OPEN, Fault.FAILED_SYNC)
LOST_ACK = finding(Effect.RETURNED, Fault.POWER_LOSS)


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        ([REFUSED], 0, "failed sync 1 of 1: cannot open 1x"),
        ([REFUSED, LOST_ACK], 1, "power, power loss: returned, which is new"),
        ([finding(Effect.RETURNED, Fault.FAILED_SYNC)], 1, "power, failed sync: returned, which is new"),
    ],
)
def test_what_is_new_in_either_direction_is_told_by_fault(
    monkeypatch: pytest.MonkeyPatch, found: list[Finding], code: int, told: str
) -> None:
    with_findings(monkeypatch, *found)
    ran = called("redis", "--configuration", "always", "--faults", "power", "--seed", "1")
    assert told in ran.output
    assert ran.exit_code == code


def test_what_must_come_and_does_not_is_new_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch)
    ran = called("beanstalkd", "--configuration", "f0", "--faults", "power", "--seed", "1")
    assert "power, failed sync: returned was expected, and did not come" in ran.output
    assert ran.exit_code == 1


def test_every_run_is_a_row_of_the_reports_and_fails_where_something_is_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("junit", "ctrf", "markdown", "html")}
    options = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    words = ("redis", "--configuration", "always", "--faults", "power", "--seed", "1", "--runs", "2")
    with_findings(monkeypatch, REFUSED, LOST_ACK)
    assert called(*words, *options).exit_code == 1
    rows = {row.get("name"): row for row in ET.parse(places["junit"]).iter("testcase")}
    assert list(rows) == ["redis.always.power.1", "redis.always.power.2"]
    failure = rows["redis.always.power.2"].find("failure")
    assert failure is not None
    assert "power, power loss: returned, which is new" in str(failure.get("message"))
    assert "again: ackcheck broker redis --configuration always --faults power --profile quick --seed 2" in str(
        failure.text
    )
    assert json.loads(places["ctrf"].read_text())["results"]["summary"]["failed"] == 2
    assert "brokers: 0 of 2 runs came as expected" in places["markdown"].read_text()
    assert "Real brokers under faults" in places["html"].read_text()


@pytest.mark.parametrize(
    ("found", "not_judged", "code", "kind"), [([REFUSED], "", 0, None), ([], "needs root", 4, "skipped")]
)
def test_a_run_that_came_as_expected_passes_and_one_that_was_not_judged_is_skipped(
    found: list[Finding],
    not_judged: str,
    code: int,
    kind: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with_findings(monkeypatch, *found, not_judged=not_judged)
    words = ("redis", "--configuration", "always", "--faults", "power", "--seed", "1", "--junit", str(tmp_path / "r"))
    assert called(*words).exit_code == code
    [row] = ET.parse(tmp_path / "r").iter("testcase")
    assert row.get("name") == "redis.always.power"
    assert [child.tag for child in row] == ([kind] if kind else [])


def test_a_run_without_a_verdict_has_failed_in_the_reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_findings(monkeypatch)

    def run_suite(subject: Any, plan: Any) -> Verdict:
        raise RigError("the broker does not start")

    monkeypatch.setattr(module, "run_suite", run_suite)
    words = ("redis", "--configuration", "always", "--faults", "power", "--seed", "1", "--junit", str(tmp_path / "r"))
    assert called(*words).exit_code == 3
    [failure] = ET.parse(tmp_path / "r").iter("failure")
    assert failure.get("message") == "came to no verdict: RigError: the broker does not start"


def test_a_broken_promise_is_told_from_what_was_never_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("redis", "--configuration", "no", "--faults", "power", "--seed", "1")
    with_findings(monkeypatch, finding(Effect.RETURNED, Fault.POWER_LOSS, (Level.DISK,)))
    assert called(*words).exit_code == 0
    with_findings(monkeypatch, finding(Effect.RETURNED, Fault.POWER_LOSS, (Level.PAGE_CACHE, Level.DISK)))
    assert "power loss: returned, which is new" in called(*words).output


def test_what_the_documentation_allows_breaks_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("rabbitmq", "--configuration", "classic", "--faults", "power", "--seed", "1")
    with_findings(monkeypatch, LOST_ACK)
    assert called(*words).exit_code == 0
    with_findings(monkeypatch, finding(Effect.LOST, Fault.POWER_LOSS))
    assert "power loss: lost, which is new" in called(*words).output


def test_a_server_has_a_port_that_no_client_is_given() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    with placed({}) as place:
        assert not first <= place.port <= last


def test_nothing_is_expected_of_another_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, LOST_ACK)
    ran = called("redis", "--configuration", "no", "--faults", "power", "--set", "appendfsync=always")
    assert ran.exit_code == 0
    assert "redis appendfsync=always, power: " in ran.output


def test_a_fault_that_never_hit_is_not_judged_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, missed=(Fault.FAILED_SYNC,))
    ran = called("redis", "--configuration", "always", "--faults", "power", "--seed", "1")
    assert "failed sync 0 of 1: not judged" in ran.output
    assert "was expected" not in ran.output
    assert ran.exit_code == 4


def test_a_grade_that_cannot_be_run_surprises_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, not_judged="needs root")
    ran = called("redis", "--configuration", "no", "--faults", "power", "--seed", "1")
    assert "was expected" not in ran.output
    assert "not judged: needs root" in ran.output
    assert ran.exit_code == 4


def test_each_run_has_a_seed_of_its_own_and_a_command_that_repeats_a_case(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_findings(monkeypatch, REFUSED)
    words = ("redis", "--configuration", "always", "--faults", "power", "--seed", "4", "--runs", "2")
    assert called(*words, "--json", str(tmp_path / "told.json")).exit_code == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert [one["seed"] for one in told] == [4, 5]
    sync = {"tried": 1, "seen": 1, "promised": True, "outcomes": {"cannot open": 1}}
    sync["clauses"] = {"survives-power-loss": ["cannot open"]}
    assert told[1]["faults"]["failed sync"] == sync
    again = told[1]["verdict"]["findings"][0]["again"]
    assert again == "ackcheck broker redis --configuration always --faults power --profile quick --seed 5 --case 3"


def test_runs_beside_each_other_are_told_recorded_and_weighed_as_one_by_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_findings(monkeypatch, REFUSED)
    words = ("redis", "--configuration", "always", "--faults", "power", "--seed", "4")
    called(*words, "--json", str(tmp_path / "alone.json"))
    [alone] = json.loads((tmp_path / "alone.json").read_text())
    asked: list[tuple[str, ...]] = []

    def beside(wanted: list[Wanted], jobs: int) -> list[Made]:
        asked.extend(one.words for one in wanted)
        assert jobs == 8
        new = {**alone, "surprises": ["power, restart: lost, which is new"]}
        return [Made(wanted[0], 1, new, ""), Made(wanted[1], 3, None, "the machine failed")]

    monkeypatch.setattr(module, "beside", beside)
    told = tmp_path / "told.json"
    ran = called(*words, "--runs", "2", "--jobs", "8", "--json", str(told), "--record", str(tmp_path))
    assert ran.exit_code == 1
    assert asked == [(*words[:-2], "--profile", "quick", "--seed", seed) for seed in ("4", "5")]
    assert "failed sync 1 of 1: cannot open 1x" in ran.output
    assert "\n    power, restart: lost, which is new\n" in ran.output
    assert "redis always, power, seed 5: the machine failed" in ran.output
    assert len(json.loads(told.read_text())) == len((tmp_path / "redis.jsonl").read_text().splitlines()) == 1


def test_a_run_that_fails_by_itself_is_recorded_too_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_findings(monkeypatch)

    def run_suite(subject: Any, plan: Any) -> Verdict:
        raise RigError("the machine is too busy")

    monkeypatch.setattr(module, "run_suite", run_suite)
    words = ("beanstalkd", "--configuration", "f0", "--faults", "power", "--seed", "4", "--record", str(tmp_path))
    ran = called(*words)
    assert ran.exit_code == 3
    assert "beanstalkd f0, power, seed 4: failed: RigError: the machine is too busy" in ran.output
    assert "was expected" not in ran.output
    [row] = rows_of(read_runs([tmp_path / "beanstalkd.jsonl"]))
    assert row.as_expected == "not run"
    assert set(row.cells) == {"-"}
    assert "1 run failed by itself and says nothing" in made([row])


def test_a_case_is_repeated_and_its_breaks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch, REFUSED)
    ran = called("redis", "--configuration", "no", "--faults", "power", "--seed", "4", "--case", "3", "--repeat", "3")
    assert "broken in 3 of 3 runs of the case" in ran.output
    assert ran.exit_code == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reddis"], "no broker 'reddis'; did you mean 'redis'?"),
        (["redis", "--configuration", "ever"], "there are always, always-repaired, everysec, no"),
        (["redis", "--faults", "sim"], "write process or power or disk"),
        (["redis", "--set", "appendfsync"], "write KEY=VALUE"),
        (["redis", "--repeat", "2"], "--repeat needs the case: --case K"),
        (["redis", "--round", "2"], "--round needs the case: --case K"),
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


@pytest.mark.parametrize(("name", "settings"), LIGHT)
def test_a_real_broker_is_killed_and_keeps_what_it_answered(
    name: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known, short = read_profile(name), 0.01 if name == "redis" else 2.0
    with tempfile.TemporaryDirectory() as run:  # the path of a socket must be short
        monkeypatch.setenv(SOCKET, f"{run}/socket")
        monkeypatch.setenv(SETTINGS, json.dumps(settings))
        place = Place(Path(run))
        server = [word.replace("{dir}", str(tmp_path)) for word in known.server_for(settings, place)]
        adapter = Child.python(str(known.target_for(place)), tmp_path)
        with Apart(
            adapter.command,
            server=server,
            directory=tmp_path,
            environment=adapter.environment,
            reply_timeout=known.reply_timeout,
            own_network=True,
        ) as target:
            target.call("open")
            target.call("publish", queue="q", end=2)
            first, second = target.call("pop", queue="q", count=5, invisible=short)
            assert (first["offset"], second["attempt"]) == (0, 1)
            assert target.call("ack", receipt=first["receipt"]) == "OK"
            assert target.call("ack", receipt=first["receipt"]) == "SETTLED"
            assert target.call("ack", receipt="no receipt") == "INVALID"
            target.kill()
            target.start().call("open")
            target.call("publish", queue="q", end=3)
            come: set[int] = set()
            while len(come) < 2:
                come |= {one["offset"] for one in target.call("pop", queue="q", count=5, invisible=short)}
            assert come == {1, 2}
            assert target.call("close") == "OK"


def test_a_grade_may_be_judged_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with_findings(monkeypatch)
    words = ("rocketmq", "--configuration", "sync", "--seed", "1")
    told = [called(*words, *more).output for more in ((), ("--faults", "disk"), ("--faults", "rain"))]
    assert [line.partition(":")[0] for line in told[0].splitlines() if line.startswith("rocketmq sync")] == [
        "rocketmq sync, process",
        "rocketmq sync, power",
    ]
    assert "rocketmq sync, disk: " in told[1]
    assert "no grade 'rain': write process or power or disk" in told[2]
    monkeypatch.setattr(Profile, "missing", lambda self: ["java"])
    assert called(*words, "--faults", "rain").output == told[2]
