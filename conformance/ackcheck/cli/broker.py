"""`ackcheck broker`: a real broker under every fault, and whether it does what is expected of it.

    ackcheck broker                                     every broker that this machine can run
    ackcheck broker redis --configuration everysec --faults power --seed 7 --runs 10
    ackcheck broker redis --set appendfsync=no          another setting, of which nothing is expected

>>> from click.testing import CliRunner
>>> CliRunner().invoke(broker, ["reddis"]).exit_code
2
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
from attrs import Factory, define, evolve, frozen
from click.shell_completion import CompletionItem
from rich.console import Console

from ackcheck.brokers.beside import Wanted, beside
from ackcheck.brokers.expectation import Configuration
from ackcheck.brokers.judged import Judged
from ackcheck.brokers.place import Place, placed
from ackcheck.brokers.profile import BadProfile, Profile, names, read_profile
from ackcheck.brokers.table import html, run_of
from ackcheck.cli._completing import by_commas, one_of
from ackcheck.cli._output import (
    BROKEN,
    ENVIRONMENT,
    NOT_JUDGED,
    EnvironmentFailed,
    check_folder,
    chosen,
    console_beside,
    json_option,
    seed_option,
    write_json,
)
from ackcheck.cli._reports import Remembered, asked, report_options, typed, write_reports, write_text
from ackcheck.cli._together import given, refuse, refuse_others
from ackcheck.findings import Finding
from ackcheck.grade import PROFILES
from ackcheck.levels import FLOORS
from ackcheck.reports.sheet import sheet_of_brokers
from ackcheck.rig.errors import RigError
from ackcheck.signs import clean
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS, SEEDS, BadRequest, Plan, efforts, run_suite
from ackcheck.verdict import Verdict


@frozen
class Effort:
    """How much is tried: a profile; or of it one case, and of that one round."""

    profile: str = "quick"
    case: int | None = None
    round: int | None = None
    evidence: Path | None = None
    """Where a folder is written for each finding; None: nowhere."""


def _configurations_named(ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the configurations of the broker that was named, or of all."""
    named = ctx.params.get("name") or next((word for word in ctx.args if word in names()), None)  # not yet parsed
    found = {one.name for known in _profiles(named) for one in known.configurations}
    return [CompletionItem(name) for name in sorted(found) if name.startswith(begun)]


@click.command(cls=Remembered)
@click.argument("name", required=False, shell_complete=one_of(names))
@click.option("--build", is_flag=True, help="Only fetch and build what is not a package, into build/brokers.")
@click.option(
    "--configuration",
    "only",
    shell_complete=_configurations_named,
    help="Run this one only; by default all that the profile has.",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another setting; then nothing is expected.")
@click.option(
    "--faults",
    shell_complete=by_commas(lambda: dict.fromkeys(grade for one in _profiles(None) for grade in one.grades)),
    help="Grades, by commas; by default those of the broker's profile.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True, help="How much.")
@click.option("--runs", type=click.IntRange(1), default=1, help="So many runs, with seeds in a row.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at once; most of each is waiting."
)
@click.option("--case", type=click.IntRange(1), help="This case of a run only, as a finding says.")
@click.option("--round", "only_round", type=click.IntRange(0), help="And of it this round only; 0 is what ends a case.")
@click.option(
    "--repeat", type=click.IntRange(1), default=1, help="Run that case so often, and say how often it breaks."
)
@click.option(
    "--findings",
    "evidence",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a folder for each finding: history, wire log, the broker's own log, its directory, machine.",
)
@click.option(
    "--record",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIR",
    help="Add a line for each run to DIR/NAME.jsonl, from which `ackcheck brokertable` makes its table.",
)
@seed_option()
@json_option("the verdicts")
@report_options("junit", "ctrf", "markdown", "html")
@click.pass_context
def broker(  # noqa: PLR0913 - an argument an option
    ctx: click.Context,
    /,
    *,
    name: str | None,
    build: bool,
    only: str | None,
    changes: tuple[str, ...],
    faults: str | None,
    profile: str,
    runs: int,
    jobs: int,
    case: int | None,
    only_round: int | None,
    repeat: int,
    evidence: Path | None,
    record: Path | None,
    seed: int | None,
    json_to: str | None,
) -> None:
    """Judge the broker NAME, or all of them, in every configuration, and compare it with what is expected.

    Exit codes: 0 as expected, 1 something is new, 2 usage, 3 the broker or the machine failed, 4 not judged.
    """
    _check(ctx, name, build=build)
    if case is None and (only_round is not None or repeat > 1):
        raise click.UsageError(f"{'--repeat' if only_round is None else '--round'} needs the case: --case K")
    if evidence is not None:
        check_folder("--findings", evidence)
    seed, console = chosen(seed), console_beside(json_to)
    effort = Effort(profile, case, only_round, evidence)
    other = [*(("--configuration", only) if only else ()), *(word for one in changes for word in ("--set", one))]
    runs_made = _Runs(console, effort, json_to, record, jobs, tuple(other) if changes else ())
    missing, wanted = False, list[Run]()
    for known in _profiles(name):
        if build:
            _build(console, known)
            continue
        configurations, grades = _configurations(known, only, changes), _grades(known, faults)
        if absent := known.missing():
            _say(console, f"{known.name}: not judged: needs {', '.join(absent)}")
            missing = True
            continue
        _say(console, f"{known.name}: {_version(known)}")
        for configuration in configurations:
            for grade in grades:
                _check_case(_plan(grade, effort, seed))
                seeds = [(seed + number) % SEEDS for number in range(runs)] * repeat
                wanted += [Run(known, configuration, grade, one) for one in seeds]
    if build:
        return
    runs_made.make_all(wanted)
    console.print(f"seed {seed}, profile {profile}")
    if repeat > 1:
        console.print(f"broken in {runs_made.broken} of {len(wanted)} runs of the case", highlight=False)
    if json_to:
        write_json(json_to, runs_made.told)
    write_reports(ctx, sheet_of_brokers(runs_made.told, typed(ctx, seed)))
    if "html" in asked(ctx):
        write_text(asked(ctx)["html"], html(runs_made.told))
    if code := runs_made.exit_code or (NOT_JUDGED if missing and not runs_made.told else 0):
        ctx.exit(code)


def _check(ctx: click.Context, name: str | None, *, build: bool) -> None:
    """Refuse options that say nothing, or not what they seem to, beside others."""
    if build:
        refuse_others(ctx, "--build", ("name", "build"))
    if name is None and given(ctx, ["changes"]):
        raise click.UsageError("--set needs the broker whose setting it is: name it")
    if given(ctx, ["case"]):
        refuse(ctx, ["record"], "--case", "the table is of whole runs")


@frozen
class Run:
    """A run that is wanted: a broker, how it is configured, which faults, and the seed."""

    broker: Profile
    configuration: Configuration
    grade: str
    seed: int

    @property
    def name(self) -> str:
        """What it is called, and not its seed."""
        return f"{self.broker.name} {self.configuration.name}, {self.grade}"


@define
class _Runs:
    """All runs of a command: each is told when it is over, and one that fails by itself ends none of the others."""

    console: Console
    effort: Effort
    json_to: str | None
    record: Path | None
    jobs: int
    changes: tuple[str, ...]
    """The words that choose other settings; of these nothing is expected."""
    told: list[dict[str, Any]] = Factory(list)
    broken: int = 0
    """How many found something."""
    codes: set[int] = Factory(set)
    """What they say, as exit codes."""

    def make_all(self, wanted: list[Run]) -> None:
        """Make these runs, as many at once as was asked for."""
        if self.jobs == 1:
            for run in wanted:
                self.make(run)
            return
        runs = {Wanted(self.words(run), run.seed): run for run in wanted}
        for made in beside([Wanted(self.words(run), run.seed) for run in wanted], self.jobs):
            self.codes.add(made.code)
            if made.told is None:
                _say(self.console, f"{runs[made.wanted].name}, seed {made.wanted.seed}: {made.said.strip()}")
            else:
                self.tell(made.told)

    def words(self, run: Run) -> tuple[str, ...]:
        """Return the words of `ackcheck broker` for this run by itself, without its seed."""
        which = self.changes or ("--configuration", run.configuration.name)
        more = {"--case": self.effort.case, "--round": self.effort.round, "--findings": self.effort.evidence}
        given = [word for name, value in more.items() if value is not None for word in (name, str(value))]
        return (run.broker.name, *which, "--faults", run.grade, "--profile", self.effort.profile, *given)

    def make(self, run: Run) -> None:
        """Make one run in this process."""
        one = _judged(run, self.effort, pinned=not self.changes)
        surprises = self.surprises(one)
        self.codes.add(ENVIRONMENT if one.failed else BROKEN if surprises else NOT_JUDGED if one.reasons else 0)
        self.tell({"version": _version(run.broker), **one.as_json(), "surprises": surprises})

    def tell(self, told: dict[str, Any]) -> None:
        """Say what a run came to, and keep it."""
        self.told.append(told)
        self.broken += bool(told["verdict"]["findings"])
        _say(self.console, told["told"], *(f"    {surprise}" for surprise in told["surprises"]))
        if self.json_to and self.json_to != "-":
            write_json(self.json_to, self.told)
        if self.record is not None:
            _record(self.record, told)

    def surprises(self, one: Judged) -> list[str]:
        """Return what is new of a run; one case alone need not show what a whole run does."""
        if self.effort.case is None:
            return one.surprises
        return [f"{finding.clause.value}: {finding.why}" for finding in one.verdict.findings]

    @property
    def exit_code(self) -> int:
        """What all of them say together: the first of these that any says."""
        return next(
            (code for code in (BROKEN, ENVIRONMENT, NOT_JUDGED) if code in self.codes), max(self.codes, default=0)
        )


def _record(folder: Path, told: dict[str, Any]) -> None:
    with (folder / f"{told['broker']}.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(run_of(told)) + "\n")


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _profiles(name: str | None) -> list[Profile]:
    try:
        return [read_profile(one) for one in ([name] if name else names())]
    except BadProfile as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error


def _configurations(profile: Profile, only: str | None, changes: tuple[str, ...]) -> list[Configuration]:
    found = [one for one in profile.configurations if only in (None, one.name)]
    if not found:
        known = ", ".join(one.name for one in profile.configurations)
        raise click.BadParameter(f"no configuration {only!r}; there are {known}", param_hint="--configuration")
    if not changes:
        return found
    wrong = [change for change in changes if not change.partition("=")[0] or "=" not in change]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r}: write KEY=VALUE, as appendfsync=no", param_hint="--set")
    settings = {**found[0].settings, **{change.partition("=")[0]: change.partition("=")[2] for change in changes}}
    return [evolve(found[0], name=" ".join(changes), settings=settings)]


def _grades(profile: Profile, faults: str | None) -> list[str]:
    asked = [grade.strip() for grade in faults.split(",")] if faults else list(profile.faults)
    for grade in asked:
        if grade not in profile.grades:
            raise click.BadParameter(f"no grade {grade!r}: write {' or '.join(profile.grades)}", param_hint="--faults")
    return asked


def _plan(grade: str, effort: Effort, seed: int) -> Plan:
    return Plan(LEVELS, (grade,), efforts(effort.profile), seed, case=effort.case, round=effort.round)


def _check_case(plan: Plan) -> None:
    try:
        plan.check_case()
    except BadRequest as error:
        raise click.UsageError(str(error)) from error


def _judged(run: Run, effort: Effort, *, pinned: bool) -> Judged:
    """Run the suite on a broker in one configuration, under one grade of faults."""
    broker, configuration, grade = run.broker, run.configuration, run.grade
    with placed(configuration.settings) as place:
        subject = Subject(
            broker.target_for(place),
            broker.server_for(configuration.settings, place),
            broker.words_for(broker.repair, place) if configuration.repair else (),
            own_network=True,
        )
        plan = evolve(
            _plan(grade, effort, run.seed),
            reply_timeout=broker.reply_timeout,
            floor=FLOORS[effort.profile],
            evidence=effort.evidence,
            promises=configuration.promises,
            disk_mib=broker.disk_mib,
        )
        try:
            verdict = run_suite(subject, plan)
        except RigError as error:
            why = clean("\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]))
            nothing = Verdict(broker.name, ())
            return Judged(broker, configuration, grade, run.seed, effort.profile, nothing, pinned, failed=why)
    judged = Judged(broker, configuration, grade, run.seed, effort.profile, verdict, pinned)
    for report in verdict.reports:  # the suite's own command names a socket that is gone
        report.findings = [_with_command(judged, finding) for finding in report.findings]
    return judged


def _with_command(judged: Judged, finding: Finding) -> Finding:
    return finding if finding.case is None else evolve(finding, again=judged.command(case=finding.case))


def _version(broker: Profile) -> str:
    """Return what the server says of its version, on one line."""
    command = broker.words_for(broker.version, Place(Path(tempfile.gettempdir())))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def _build(console: Console, known: Profile) -> None:
    """Run the commands that fetch and build a broker, where it has any; what is built already is built again."""
    if not known.build:
        _say(console, f"{known.name}: nothing to build")
        return
    known.built.mkdir(parents=True, exist_ok=True)
    for step in known.build:
        command = known.words_for(step, Place(known.built))
        _say(console, f"{known.name}: {' '.join(command)}")
        try:
            subprocess.run(command, cwd=known.folder, check=True)
        except FileNotFoundError:
            _say(console, f"{known.name}: not built: there is no {command[0]}; install it")
            return
        except subprocess.CalledProcessError as error:
            raise EnvironmentFailed(f"{known.name} could not be built: {error}") from error
