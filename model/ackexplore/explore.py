"""The one way in: explore a configuration with the engine that suits it.

>>> from ackmodel import Config
>>> result = explore(Config(rules={"commit-after-flush": False}), stop_at="commit-is-safe")
>>> len(result.counterexample), result.complete
(3, False)
"""

from __future__ import annotations

import difflib
from typing import Literal, TypeAlias

from ackmodel import Clause, Config

from .graph import DEFAULT_MAX_STATES, explore_graph
from .result import Result, Watcher

Engine: TypeAlias = Literal["graph"]
"""`graph`: every state and edge in a networkx graph."""

ANY = "any"


class UnknownClause(ValueError):
    """A clause was named that there is not; the message offers the nearest names."""


def clauses_named(name: Clause | str | None) -> tuple[Clause, ...]:
    """Return the clauses that `stop_at` names: none, one by its id, or every one for "any".

    >>> clauses_named("no-limbo")
    (<Clause.NO_LIMBO: 'no-limbo'>,)
    >>> clauses_named("no-limb")
    Traceback (most recent call last):
    ...
    ackexplore.explore.UnknownClause: no clause 'no-limb'; did you mean 'no-limbo'?
    """
    if name is None:
        return ()
    if name == ANY:
        return tuple(Clause)
    try:
        return (Clause(name),)
    except ValueError:
        near = difflib.get_close_matches(name, list(Clause), n=2, cutoff=0.6)
        hint = "did you mean " + " or ".join(repr(str(item)) for item in near) + "?" if near else "see ackmodel.Clause"
        raise UnknownClause(f"no clause {name!r}; {hint}") from None


def explore(
    config: Config,
    *,
    engine: Engine = "graph",
    stop_at: Clause | str | None = None,
    max_states: int | None = None,
    watcher: Watcher | None = None,
) -> Result:
    """Explore every state of a configuration, and judge every clause in each.

    `stop_at`: a clause, its id, or "any": end after the level of states in which it first falls; None: go on to the
    end, and count every violation. `max_states`: refuse (`TooManyStates`) to go beyond. `watcher`: is called with a
    `Progress` a few times a second. Raises `UnknownClause`, `TooManyStates`.
    """
    wanted = clauses_named(stop_at)
    limit = DEFAULT_MAX_STATES if max_states is None else max_states
    if engine != "graph":
        raise ValueError(f"no engine {engine!r}; there is 'graph'")
    return explore_graph(config, stop_at=wanted, max_states=limit, watcher=watcher)
