"""What would be passed over in silence is refused, with the mend: options beside others, rounds that a case has not."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ackcheck.cli import main
from ackcheck.findings import GradeReport
from ackcheck.grade import ON_FILES, Job
from ackcheck.grades import damage, disk, power, process
from ackcheck.grades.stalled import stalls
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS, Plan, efforts, grades

ONE = ("--level", "disk", "--faults")
"""A run of the reference store in one mode; the grade follows."""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explore", "--serve", "--json", "-"), "--json says nothing beside --serve: leave one of them out"),
        (("explore", "--serve", "--html", "f"), "--html says nothing beside --serve"),
        (("explore", "--serve", "--junit", "f"), "--junit says nothing beside --serve"),
        (("explore", "--serve", "--clause", "any"), "--clause says nothing beside --serve"),
        (("explore", "--serve", "--engine", "table"), "--engine says nothing beside --serve"),
        (("explore", "--serve", "--max-states", "9"), "--max-states says nothing beside --serve"),
        (("explore", "--serve", "--liveness"), "--liveness says nothing beside --serve"),
        (("explore", "--serve", "--rules"), "--serve says nothing beside --rules"),
        (("explore", "--rules", "--checkpoint", "d"), "--checkpoint says nothing beside --rules"),
        (("explore", "--rules", "--without", "no-such-rule"), "--without says nothing beside --rules"),
        (("explore", "--port", "80"), "--port is for --serve: add it"),
        (("explore", "--engine", "graph", "--memory", "1G"), "--memory says nothing beside --engine graph"),
        (("explore", "--json", "f", "--html", "./f"), "writes to f too: name another file"),
        (("vectors", "f", "--messages", "2", "--", "true"), "--messages says nothing beside a command"),
        (("vectors", "f", "--longest", "9", "--", "true"), "--longest says nothing beside a command"),
        (("vectors", "f", "--reply-timeout", "1"), "--reply-timeout says nothing beside OUT alone"),
        (("trace", "-", "--format", "otel", "--commit", "checkpoint"), "--commit says nothing beside --format otel"),
        (("trace", "-", "--format", "nats", "--commit", "ack"), "--commit says nothing beside --format nats"),
        (("broker", "redis", "--build", "--seed", "1"), "--seed says nothing beside --build"),
        (("broker", "--build", "--json", "-"), "--json says nothing beside --build"),
        (("broker", "--set", "f=0"), "--set needs the broker whose setting it is: name it"),
        (
            ("broker", "redis", "--case", "1", "--record", "."),
            "--record says nothing beside --case: the table is of whole",
        ),
        (("broker", "redis", "--findings", "/proc/f"), "name another folder"),
        (("bugs", "--json", "f", "--junit", "f"), "--json writes to f too: name another file"),
        (("disk", "--mount", __file__, "--filesystem", "xfs"), "--filesystem says nothing beside --mount"),
        (("disk", "--profile", "--json", "no/such/f"), "create it first"),
        (
            ("run", "--faults", "sim", "--findings", "d"),
            "--findings says nothing to sim: name process, power, disk or dam",
        ),
        (
            ("run", "--faults", "sim", "--reply-timeout", "9"),
            "--reply-timeout says nothing to sim: name process, power",
        ),
        (("run", "--faults", "sim", "--shorten"), "--shorten says nothing to sim: name process, power or damage in"),
        (("run", "--faults", "sim", "--promise", "grace=9"), "--promise says nothing to sim: name process"),
        (("run", "--faults", "sim", "--disk-mib", "99"), "--disk-mib says nothing to sim: name process, power or disk"),
        (("run", "--faults", "sim", "--server", "true", "true"), "--server says nothing to sim: name process"),
        (
            ("run", "--faults", "damage", "--filesystem", "xfs"),
            "--filesystem says nothing to damage: name process, power",
        ),
        (("run", "--faults", "process,power", "--save", "d"), "--save says nothing to process, power: name sim"),
        (("run", "--json", "f", "--html", "f"), "writes to f too: name another file"),
        (("run", *ONE, "process", "--case", "1", "--round", "99"), "case 1 of the process grade has 6 at this profile"),
        (("run", *ONE, "process", "--case", "7", "--round", "2"), "case 7 of the process grade has 1 at this profile"),
        (("run", *ONE, "power", "--case", "3", "--round", "6"), "case 3 of the power grade has 5 at this profile"),
        (
            ("run", *ONE, "power", "--case", "2", "--round", "0"),
            "case 2 of the power grade is of one piece: leave --round",
        ),
        (
            ("run", *ONE, "disk", "--case", "1", "--round", "1"),
            "case 1 of the disk grade is of one piece: leave --round",
        ),
        (("run", *ONE, "damage", "--case", "1", "--round", "4"), "case 1 of the damage grade has 3 at this profile"),
        (("run", *ONE, "process", "--case", "1", "--round", "1", "--shorten"), "--shorten says nothing beside --round"),
    ],
)
def test_what_would_be_passed_over_in_silence_is_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, words)
    assert (ran.exit_code, told in " ".join(ran.stderr.split())) == (2, True), ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_case_of_a_broker_is_one_that_its_grade_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*words: str) -> Result:
        return CliRunner().invoke(main, ["broker", "redis", "--configuration", "no", "--faults", *words])

    monkeypatch.setattr("ackcheck.brokers.profile.Profile.missing", lambda _: [])
    monkeypatch.setattr("ackcheck.cli.broker._version", lambda _: "7")
    for words, told in (
        (("process", "--case", "8"), "the process grade has 7 at this profile"),
        (("power", "--case", "1", "--round", "2"), "leave --round out"),
    ):
        ran = called(*words)
        assert (ran.exit_code, told in ran.stderr) == (2, True), ran.stderr


def test_a_null_device_is_no_file_that_two_options_write() -> None:
    words = ["explore", "--json", "/dev/null", "--junit", "/dev/null"]
    assert CliRunner().invoke(main, words).exit_code == 0


def test_a_grade_heeds_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an option is refused that counts, or taken that does not."""

    class Watched:
        def __init__(self, whole: Any, within: str = "") -> None:
            self.whole, self.within = whole, within

        def __getattr__(self, name: str) -> Any:
            seen.add(self.within + name)
            value = getattr(self.whole, name)
            return Watched(value, "subject.") if name == "subject" else value

    settings = ON_FILES | {"disk_mib", "filesystem"}
    for module, name in ((process, "process"), (power, "power"), (disk, "disk"), (damage, "damage")):
        seen: set[str] = set()
        taken: dict[str, Any] = {}
        monkeypatch.setattr(
            module, f"run_{name}_grade", lambda *_, taken=taken, **told: taken.update(told) or GradeReport("", 1)
        )
        job = Job(Subject(("true",), ("false",)), LEVELS, 1, 1, disk_mib=99, filesystem="xfs")
        grades()[name].run(Watched(job))  # type: ignore[arg-type]
        heard = seen & settings | ({"subject.server"} if "subject.served" in seen else set())
        assert heard - ({"round"} if name == "disk" else set()) == grades()[name].heeds, name
    assert not grades()["sim"].heeds


@pytest.mark.parametrize("profile", ["quick", "standard", "deep"])
def test_every_round_that_a_case_has_is_one_that_is_run(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rounds that a case may be asked for are those that a run of the whole profile comes to, or more."""
    plan = Plan(LEVELS, ("process",), efforts(profile), 1)
    for name in ("process", "power", "damage"):
        most = [
            Plan(LEVELS, (name,), plan.effort, 1, case=case).rounds(name) for case in range(1, plan.cases(name) + 1)
        ]
        held = stalls(plan.effort[name]) if name != "damage" else 0
        assert sum(most[plan.effort[name] + power.failing(plan.effort[name]) * (name == "power") :]) == held
        assert max(most) == min(plan.effort[name], damage.CLOSES_A_CASE if name == "damage" else process.KILLS_A_CASE)
    assert Plan(LEVELS, ("sim",), plan.effort, 1, case=1).rounds("sim") == 0
