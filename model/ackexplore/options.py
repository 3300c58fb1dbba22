"""How a configuration is to be explored: with which engine, how far, and with how much of the machine.

>>> Options(stop_at="no-limbo").clauses
(<Clause.NO_LIMBO: 'no-limbo'>,)
>>> Options(stop_at="no-limb")
Traceback (most recent call last):
...
ackmodel.spec.named.UnknownClause: no clause 'no-limb'; did you mean 'no-limbo'?
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from attrs import Attribute, field, frozen
from attrs.validators import ge, optional

from ackexplore.result import Watcher
from ackexplore.symmetry import symmetric_form
from ackexplore.system import System, system_of
from ackmodel import Clause, Config, UnknownClause, clause_named
from ackmodel.spec.vacuity import AT_STAKE

Engine: TypeAlias = Literal["auto", "graph", "table"]
"""`graph`: every state and edge in a networkx graph; `table`: packed states, no graph, millions of states a second.

`auto`: the graph engine while it can, then, from the beginning, the table engine if NumPy and Numba are there.
"""

ANY = "any"


class UnknownEngine(ValueError):
    """An engine was named that there is not, or one that cannot do what is asked."""


def clauses_named(name: Enum | str | None) -> tuple[Enum, ...]:
    """Return the clauses that `stop_at` names: none, one by its id, or every one of the model for "any".

    A clause of another system is itself.

    >>> clauses_named("any") == tuple(AT_STAKE)
    True
    >>> clauses_named("written-once")
    Traceback (most recent call last):
    ...
    ackmodel.spec.named.UnknownClause: the model has nothing that 'written-once' could be judged by: `ackcheck run` has
    """
    if name is None:
        return ()
    if name == ANY:
        return tuple(AT_STAKE)
    if isinstance(name, Enum) and not isinstance(name, Clause):
        return (name,)
    clause = clause_named(name)
    if clause not in AT_STAKE:
        raise UnknownClause(f"the model has nothing that {clause.value!r} could be judged by: `ackcheck run` has")
    return (clause,)


def _known_engine(_: Options, __: Attribute[Engine], name: str) -> None:
    if name not in get_args(Engine):
        raise UnknownEngine(f"no engine {name!r}; the engines are {', '.join(get_args(Engine))}")


def _known_clause(_: Options, __: Attribute[Enum | str | None], name: Enum | str | None) -> None:
    clauses_named(name)


@frozen(kw_only=True)
class Options:
    """The settings of one search; what they ask for is checked at once.

    `stop_at`: a clause, its id, or "any": end after the level of states in which it first falls; None: go on to the
    end, and count every violation. `symmetric`: one state stands for all that differ in the order of alike messages,
    where the system allows it (`ackexplore.symmetry.symmetric_form`). `max_states`: refuse (`TooManyStates`) to
    go beyond; None: the engine's own limit.

    `memory` (bytes; half of the machine's if None) and `threads` (one a processor if None) concern the table engine:
    when memory runs short it puts its levels on disk, in the folder that TMPDIR names; it refuses to take more
    (`TooMuchMemory`), and to begin, where everything is to be explored, what will take far more
    (`WontFit`). `checkpoint` is a folder where the table engine saves each level, and goes on from with `resume`.
    `watcher` is called with a `Progress` a few times a second.

    Raises `UnknownClause`, `UnknownEngine`, and `ValueError` of a number below 1.
    """

    engine: Engine = field(default="graph", validator=_known_engine)
    stop_at: Enum | str | None = field(default=None, validator=_known_clause)
    symmetric: bool = False
    max_states: int | None = field(default=None, validator=optional(ge(1)))
    memory: int | None = field(default=None, validator=optional(ge(1)))
    threads: int | None = field(default=None, validator=optional(ge(1)))
    checkpoint: Path | None = None
    resume: bool = False
    watcher: Watcher | None = None

    @property
    def clauses(self) -> tuple[Enum, ...]:
        """The clauses whose fall ends the search."""
        return clauses_named(self.stop_at)

    def system(self, asked: Config | System) -> System:
        """Return the system to explore; with symmetry, one whose alike messages have no order."""
        return symmetric_form(asked) if self.symmetric else system_of(asked)

    def wanted(self, clauses: Sequence[Enum]) -> int:
        """Return the same as a mask, bit i standing for the i-th of the clauses of a system."""
        if self.stop_at == ANY:
            return (1 << len(clauses)) - 1
        return sum(1 << bit for bit, clause in enumerate(clauses) if clause in self.clauses)

    def check(self, asked: Config | System) -> None:
        """Raise `NotSymmetric`, `UnknownEngine`, `UnknownClause` where a system or an engine cannot be asked that."""
        system = self.system(asked)
        if self.clauses and not self.wanted(system.clauses):
            raise UnknownClause(f"the model has no clause {self.clauses[0].value!r}: name one of its own, or 'any'")
        if self.engine == "graph" and self.checkpoint is not None:
            raise UnknownEngine("the graph engine keeps no checkpoint; use the table engine")


DEFAULTS = Options()
"""What is meant where nothing is said."""
