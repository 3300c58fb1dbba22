"""Hunt one bug of the zoo on real files with one seed: is it seen from outside, by which clause, how soon?

    python -m tests.hunts.bug_on_files retry-fsync-after-eio-reports-success --seed 3 --faults disk

The bug is a process, served at the level and with the commit policy that it claims, and judged by the quick profile of
one grade after another until something is found. A line of JSON says what.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence

import click
from attrs import asdict, frozen

from ackcheck.findings import GradeReport
from ackcheck.grades import run_disk_grade, run_power_grade, run_process_grade
from ackcheck.grades.stalled import stalls
from ackcheck.rig.errors import RigError
from ackcheck.suite import efforts
from acklab.reference import files as reference
from acklab.zoo import BUGS
from ackmodel import CommitPolicy, Level

GRADES: Mapping[str, Callable[..., GradeReport]] = {
    "disk": run_disk_grade,
    "process": run_process_grade,
    "power": run_power_grade,
}

RIGHT = "none (a right store)"

REPLY_TIMEOUT = 90.0
"""Seconds after which a target hangs: more than a user waits, as many hunts share a machine."""


@frozen
class Hunt:
    """One bug, hunted with one seed: what found it, or that nothing did."""

    bug: str
    seed: int
    grade: str
    """Which grade found it; empty where none did."""
    clause: str
    """Which clause it broke; or the error, where the store could not be worked with."""
    why: str
    """How it was broken, in the words of the finding or of the error."""
    seconds: float


def effort(grade: str) -> dict[str, int]:
    """Return how much of a grade the quick profile tries.

    >>> effort("disk"), effort("power")
    ({'rounds': 3}, {'rounds': 5, 'stalls': 1})
    """
    rounds = efforts("quick")[grade]
    return {"rounds": rounds} if grade == "disk" else {"rounds": rounds, "stalls": stalls(rounds)}


def hunt(name: str, seed: int, grades: Sequence[str]) -> Hunt:
    """Judge one bug by these grades in turn, until something is found."""
    bug = BUGS.get(name)
    level = bug.level if bug else Level.DISK
    commit = bug.commit if bug else CommitPolicy.ACK
    asked = {"seed": seed, "stop_at_first": True, "commit": commit, "reply_timeout": REPLY_TIMEOUT}
    target = reference.name_of(level, bug=name if bug else None)
    began = time.monotonic()
    for grade in grades:
        try:
            report = GRADES[grade](target, level, **asked, **effort(grade))
        except RigError as error:  # a store so wrong that it answers with exceptions, or not at all
            return Hunt(name, seed, grade, type(error).__name__, str(error), time.monotonic() - began)
        if (finding := report.finding) is not None:
            return Hunt(name, seed, grade, finding.clause.value, finding.why, time.monotonic() - began)
    return Hunt(name, seed, "", "", "", time.monotonic() - began)


@click.command()
@click.argument("name", type=click.Choice([RIGHT, *BUGS]))
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--faults", default=",".join(GRADES), show_default=True, help="Grades, by commas, in this order.")
def main(name: str, seed: int, faults: str) -> None:
    """Hunt one bug, and print a line of JSON."""
    found = hunt(name, seed, asked_for(faults))
    click.echo(json.dumps(asdict(found) | {"seconds": round(found.seconds, 1)}))


def asked_for(faults: str) -> list[str]:
    """Return the grades that are named, or say which there are."""
    grades = faults.split(",")
    if unknown := [name for name in grades if name not in GRADES]:
        raise click.BadParameter(f"no grade {unknown[0]!r}: there are {', '.join(GRADES)}", param_hint="--faults")
    return grades


if __name__ == "__main__":
    main()
