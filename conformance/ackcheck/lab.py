"""What other packages add to the suite, found by entry point: commands, grades, the reference store, known bugs.

The suite imports no store. A package that wants to be judged by `ackcheck run` without a name, to add a grade of faults
or a command, says so in its `pyproject.toml`:

    [project.entry-points."ackcheck.commands"]
    bench = "acklab.cli.bench:bench"                    # a click command
    [project.entry-points."ackcheck.grades"]
    soak = "acklab.soak.grade:SOAK"                     # an ackcheck.grade.Grade
    [project.entry-points."ackcheck.reference"]
    store = "acklab.reference.subject:REFERENCE"        # an ackcheck.lab.Reference
    [project.entry-points."ackcheck.bugs"]
    zoo = "acklab.zoo:BUGS"                             # a mapping of names to ackcheck.lab.KnownBug
    exhibits = "acklab.zoo.exhibits:EXHIBITS"

In a checkout they are read from its own `pyproject.toml`, whether it is installed or not.

>>> sorted(named("ackcheck.commands"))
['bench', 'bugs']
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ackmodel import Clause, Level

if TYPE_CHECKING:
    from ackcheck.sim.setup import SimSetup

COMMANDS, GRADES, REFERENCE, BUGS = "ackcheck.commands", "ackcheck.grades", "ackcheck.reference", "ackcheck.bugs"
"""The groups."""


class NoReference(LookupError):
    """No package offers a reference store, and no target was named."""

    def __init__(self) -> None:
        super().__init__(
            f"no reference store is installed (entry point {REFERENCE}): name a target, as module:factory, "
            "file.py:factory, or a command line after --"
        )


class Reference(Protocol):
    """A store with modes: what is judged where no target is named. Each mode claims a level, and is a target."""

    name: str
    """What reports call it."""

    def served(self, level: Level) -> str | Sequence[str]:
        """Return what the rigs serve: a factory by its name, or a command line."""
        ...

    def setups(self, level: Level, cases: int) -> list[tuple[SimSetup, int]]:
        """Return what the simulated grade runs, and how many runs each gets: `cases` for a commit policy."""
        ...


class KnownBug(Protocol):
    """A bug that some broker had, or a store made to break one clause."""

    @property
    def name(self) -> str:
        """The name in the catalogue."""
        ...

    @property
    def mechanism(self) -> str:
        """What the broken store does, in a sentence."""
        ...

    @property
    def source(self) -> str:
        """Who shipped it."""
        ...

    @property
    def seen(self) -> tuple[Clause, ...]:
        """The clauses that it breaks first in a pinned run."""
        ...

    @property
    def may_break(self) -> tuple[Clause, ...]:
        """The clauses that it may break first as well."""
        ...


def reference() -> Reference:
    """Return the reference store; `NoReference` where there is none."""
    for point in named(REFERENCE).values():
        found: Reference = point.load()
        return found
    raise NoReference


def known_bugs() -> Mapping[str, KnownBug]:
    """Return the known bugs, by name."""
    return {name: bug for point in named(BUGS).values() for name, bug in point.load().items()}


@functools.cache
def named(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group, by name; none of them is loaded yet."""
    installed = {point.name: point for point in entry_points(group=group)}
    stated = {name: EntryPoint(name, value, group) for name, value in _of_checkout(group).items()}
    return dict(sorted((installed | stated).items()))


def _of_checkout(group: str) -> Mapping[str, str]:
    """Return what the checkout around this package states, if there is one; an old install may not know it yet."""
    stated = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"
    if not stated.is_file():
        return {}
    project: dict[str, Any] = tomllib.loads(stated.read_text(encoding="utf-8")).get("project", {})
    found: dict[str, str] = project.get("entry-points", {}).get(group, {}) if project.get("name") == "ackcheck" else {}
    return found
