"""`ackcheck run`: the conformance suite against a target, and the verdict.

    ackcheck run                                  the reference store, every level, all grades of faults
    ackcheck run my_store.py:factory --level disk
    ackcheck run --faults process,power -- ./my-store --data {dir}
    ackcheck run --level disk --faults process --seed 7 --case 1    one case again, as a finding says

>>> import json
>>> from click.testing import CliRunner
>>> one_round = ["--faults", "process", "--level", "memory", "--seed", "1", "--case", "1", "--round", "0"]
>>> ran = CliRunner().invoke(run, [*one_round, "--json", "-"])
>>> ran.exit_code, json.loads(ran.stdout)["level"]
(0, 'memory')
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from attrs import fields_dict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ackcheck.cli._cluster import check_spread, cluster_options, crew_of
from ackcheck.cli._completing import by_commas, files, one_of
from ackcheck.cli._expected import ledger_in, print_expected
from ackcheck.cli._output import (
    BROKEN,
    NOT_JUDGED,
    EnvironmentFailed,
    check_folder,
    chosen,
    console_beside,
    finite,
    json_option,
    seed_option,
    write_json,
)
from ackcheck.cli._programs import save_option, save_programs
from ackcheck.cli._reports import Remembered, asked, report_options, typed, write_run_reports
from ackcheck.cli._together import given
from ackcheck.cli._validate import validated
from ackcheck.cluster import Crew
from ackcheck.disk.filesystem import FILESYSTEMS
from ackcheck.findings import Finding
from ackcheck.given import read_promises
from ackcheck.grade import PROFILES, REPLY_TIMEOUT
from ackcheck.lab import NoReference
from ackcheck.ledger import Entry
from ackcheck.levels import FLOORS
from ackcheck.origin import origin
from ackcheck.promises import BadPromise, Promises, promise_in_words, promises_of
from ackcheck.reports.record import record_of
from ackcheck.rig.errors import RigError
from ackcheck.show import finding_view, print_verdict
from ackcheck.subject import NoSuchTarget, Subject
from ackcheck.suite import LEVELS, BadRequest, Plan, Watcher, efforts, grades, run_suite
from ackcheck.verdict import Verdict
from ackmodel import Level

SETTINGS: Mapping[str, str] = {
    "disk_mib": "disk_mib",
    "reply_timeout": "reply_timeout",
    "evidence": "evidence",
    "promises_from": "promises",
    "stated": "promises",
    "filesystem": "filesystem",
    "server": "subject.server",
    "shorten": "round",
}
"""Options that not every grade heeds, and what of its job each is."""


def _grades(_ctx: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    known = tuple(grades())
    if value is None:
        return known
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(f"no grade {unknown[0]!r}: the grades are {', '.join(known)}")
    return tuple(grade for grade in known if grade in names)


def _promises(where: Path | None, stated: Sequence[str]) -> Promises | None:
    """Return what is promised by a file and in words, which count before it; None where nothing is."""
    try:
        more = dict(promise_in_words(text) for text in stated)
        if where is None:
            return promises_of(more) if more else None
        return read_promises(where, more)
    except BadPromise as error:
        raise click.BadParameter(str(error), param_hint="--promise" if where is None else "--promises") from error


def _subject(words: tuple[str, ...], server: tuple[str, ...]) -> Subject:
    if not words:
        if server:
            raise click.UsageError("--server needs a TARGET: the adapter, which speaks the protocol")
        return Subject()
    if len(words) == 1 and ":" in words[0]:
        return Subject(words[0], server)
    if shutil.which(words[0].replace("{dir}", "")) is None:
        raise click.BadParameter(
            f"no program {words[0]!r}: name a factory as module:factory or file.py:factory, or a command line after --",
            param_hint="TARGET",
        )
    return Subject(words, server)


def _command(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the words of a command that is given as one."""
    try:
        words = tuple(shlex.split(text or ""))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no command ({error}): quote it as for a shell") from error
    if text is not None and (not words or shutil.which(words[0]) is None):
        raise click.BadParameter(f"no program {(words or (text,))[0]!r}: write the server's command, in quotes")
    return words


def nobody(_verdict: Verdict) -> None:
    """Tell nobody."""


def _check_settings(ctx: click.Context, faults: tuple[str, ...]) -> None:
    """Refuse what none of the chosen grades heeds."""
    for name, setting in SETTINGS.items():
        heeding = [grade.name for grade in grades().values() if setting in grade.heeds]
        for flag in given(ctx, [name]) if not set(heeding) & set(faults) else ():
            raise click.UsageError(f"{flag} says nothing to {', '.join(faults)}: name {_one_of(heeding)} in --faults")
    if "sim" not in faults and given(ctx, ["save"]):
        raise click.UsageError(f"--save says nothing to {', '.join(faults)}: name sim in --faults")


def _one_of(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if names[1:] else names[0]


def _check_one_case(plan: Plan, subject: Subject, repeat: int, *, shorten: bool) -> None:
    """Refuse a case that the plan has not got, and what there is only with a case."""
    if plan.case is None:
        if plan.round is not None or repeat > 1:
            raise click.UsageError(f"{'--repeat' if plan.round is None else '--round'} needs the case: --case K")
        return
    if len(plan.faults) != 1 or not grades()[plan.faults[0]].cases:
        raise click.UsageError("--case needs one grade: --faults process, or --faults power")
    if subject.ours and len(plan.levels) != 1:
        raise click.UsageError("--case of the reference store, which has a mode a level, needs one: --level L")
    if shorten and plan.round is not None:
        raise click.UsageError("--shorten says nothing beside --round: a round by itself is as short as it gets")
    try:
        plan.check_case()
    except BadRequest as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def _progress_shown(console: Console) -> Iterator[Watcher]:
    """Show a bar a mode and grade."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[tuple[str, str], Any] = {}

        def watch(mode: str, grade: str, done: int, most: int) -> None:
            key = (mode, grade)
            if key not in tasks:
                tasks[key] = progress.add_task(f"level {mode}, {grade}" if mode else grade, total=most)
            progress.update(tasks[key], completed=min(done, most), total=most)

        yield watch


def _judged(
    subject: Subject, plan: Plan, write: Callable[[Verdict], None], expect: Sequence[Entry] | None, crew: Crew
) -> Verdict:
    """Run the suite. That something broke is said at once, and `write` gets the verdict so far, so that it is there
    whatever comes after; the findings themselves are shown once: with the verdict, or, beside what was expected, where
    there will be none."""
    shown = Console(stderr=True)
    found: list[Finding] = []

    def told(verdict: Verdict) -> None:
        for finding in verdict.findings[len(found) :]:
            shown.print(f"[bold red]{finding.clause.value}[/] is broken ({finding.grade})", highlight=False)
        if len(verdict.findings) > len(found):
            found[:] = verdict.findings
            write(verdict)

    try:
        with _progress_shown(shown) as watch:
            return run_suite(subject, plan, watch, told, crew)
    except (NoSuchTarget, NoReference) as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from error
    except RigError as error:
        _show(shown, found, expect, "the run failed")
        why = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        raise EnvironmentFailed("\n".join(why)) from error
    except BaseException as error:  # an interrupt, a full disk under the JSON, or what nobody has foreseen
        interrupted = isinstance(error, KeyboardInterrupt)
        _show(shown, found, expect, "the run was interrupted" if interrupted else "the run failed")
        raise


def _findings_beside(json_to: str | None) -> Path | None:
    """Return the folder of the findings where none was named: beside the JSON, if that is a file."""
    return Path(f"{json_to}.findings") if json_to not in (None, "-") else None


def _different(verdicts: Sequence[Verdict]) -> list[Finding]:
    """Return what was found in any run of a case, and each once."""
    found = {(one.clause, one.why): one for verdict in verdicts for one in verdict.findings}
    return list(found.values())


def _show(console: Console, found: Sequence[Finding], expect: Sequence[Entry] | None, cut: str) -> None:
    """Show what was found in a run that was cut short, of which there will be no verdict."""
    for finding in found:
        console.print(finding_view(finding), crop=False)
    print_expected(console, expect or (), found if expect is not None else (), cut)


@click.command(cls=Remembered)
@click.argument("target", nargs=-1, metavar="[TARGET]", shell_complete=files)
@click.option("--level", "level", type=click.Choice([level.value for level in LEVELS]), help="Judge this level only.")
@click.option(
    "--faults",
    "faults",
    callback=_grades,
    shell_complete=by_commas(grades),
    help="Grades, by commas: sim, process, power, and others; by default all.",
)
@click.option("--case", type=click.IntRange(1), help="Repeat this case only, of a grade on real files.")
@click.option("--round", "only_round", type=click.IntRange(0), help="And of it this round only; 0 is what ends a case.")
@click.option(
    "--repeat", type=click.IntRange(1), default=1, help="Run that case so often, and say how often it breaks."
)
@click.option("--shorten", is_flag=True, help="Run the round of each finding again by itself, for a shorter history.")
@click.option(
    "--disk-mib", type=click.IntRange(16, 65536), help="MiB of the disks under TARGET in the grades that cut them."
)
@click.option(
    "--reply-timeout",
    default=REPLY_TIMEOUT,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    metavar="SECONDS",
    help="When a target on real files hangs.",
)
@click.option(
    "--findings",
    "evidence",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a folder for each finding on real files: history, wire log, standard error, directory, machine.",
)
@click.option(
    "--promises",
    "promises_from",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A TOML file of what TARGET promises, whatever it says of itself.",
)
@click.option(
    "--promise",
    "stated",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=one_of(lambda: [f"{name}=" for name in fields_dict(Promises)]),
    help="The same of one promise, as grace=6; also several times.",
)
@click.option(
    "--expect",
    "expect",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=ledger_in,
    help="A ledger (TOML) of findings that are expected.",
)
@click.option(
    "--filesystem",
    type=click.Choice(sorted(FILESYSTEMS)),
    help="Of the disk grade, by default each in turn, and of the disk that holds syncs in the others: ext4.",
)
@click.option("--validate", is_flag=True, help="Try every call once first, and hold each line against the schema.")
@cluster_options
@save_option()
@click.option("--stop-at-first", is_flag=True, help="End at the first finding; else go on to the end of the profile.")
@click.option(
    "--server",
    callback=_command,
    metavar="CMD",
    shell_complete=files,
    help="Start, kill and restart this server, in whose command {dir} is the directory; TARGET, its adapter, lives on.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True, help="How much.")
@seed_option()
@json_option("the verdict")
@report_options("junit", "ctrf", "markdown", "html")
@click.pass_context
def run(  # noqa: PLR0913 - an argument an option
    ctx: click.Context,
    /,
    *,
    target: tuple[str, ...],
    level: str | None,
    faults: tuple[str, ...],
    profile: str,
    case: int | None,
    only_round: int | None,
    repeat: int,
    shorten: bool,
    disk_mib: int | None,
    reply_timeout: float,
    evidence: Path | None,
    promises_from: Path | None,
    stated: tuple[str, ...],
    expect: tuple[Entry, ...] | None,
    filesystem: str | None,
    validate: bool,
    cluster: str | None,
    local: int | None,
    save: Path | None,
    stop_at_first: bool,
    server: tuple[str, ...],
    seed: int | None,
    json_to: str | None,
) -> None:
    """Judge TARGET: module:factory, file.py:factory, or a command line after `--`, where {dir} is its directory.

    Without TARGET, judge the reference store: with its merge buffer at level memory, in async mode at level page-cache,
    in sync mode at level disk. Exit codes: 0 kept, 1 broken, 2 usage, 3 the target or the machine failed, 4 not judged.
    """
    subject = _subject(target, server)
    plan = Plan(
        (Level(level),) if level else LEVELS,
        faults,
        efforts(profile),
        chosen(seed),
        case,
        reply_timeout,
        FLOORS[profile],
        stop_at_first,
        _findings_beside(json_to) if evidence is None else evidence,
        _promises(promises_from, stated),
        only_round,
        disk_mib,
        shorten,
        filesystem,
    )
    for option, place in (("--findings", plan.evidence), ("--save", save)):
        if place is not None:
            check_folder(option, place)
    _check_settings(ctx, faults)
    check_spread(faults, cluster, local)
    _check_one_case(plan, subject, repeat, shorten=shorten)
    console = console_beside(json_to)

    made = origin(typed(ctx, plan.seed), faults)

    def write(verdict: Verdict, *, ended: bool = False) -> None:
        told = {"seed": plan.seed, "profile": profile, **made, **verdict.as_json()}
        if json_to and (ended or json_to != "-"):
            write_json(json_to, told)
        if asked(ctx):
            write_run_reports(ctx, record_of(told))

    with validated(subject, validate, reply_timeout), crew_of(cluster, local) as crew:
        verdicts = [_judged(subject, plan, write if number == 0 else nobody, expect, crew) for number in range(repeat)]
    verdict = next((one for one in verdicts if one.findings), verdicts[0])
    print_verdict(console, verdict)
    save_programs(save, verdict.findings)
    if repeat > 1:
        made["repeated"] = {"runs": repeat, "broken": sum(bool(one.findings) for one in verdicts)}
        console.print("broken in {broken} of {runs} runs of the case".format(**made["repeated"]), highlight=False)
    console.print(f"seed {plan.seed}, profile {profile}")
    write(verdict, ended=True)
    code = {"kept": 0, "broken": BROKEN, "not-judged": NOT_JUDGED}[verdict.outcome]
    if expect is not None:
        beside = print_expected(console, expect, _different(verdicts), verdict.cut)
        code = code if verdict.outcome == "not-judged" else beside
    if code:
        ctx.exit(code)
