"""The one way in: explore a configuration with the engine that suits it.

>>> from ackmodel import Config
>>> result = explore(Config(rules={"commit-after-flush": False}), stop_at="commit-is-safe")
>>> len(result.counterexample), result.complete
(3, False)
"""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from ackexplore.graph.engine import DEFAULT_MAX_STATES, explore_graph
from ackexplore.interning import mask_of
from ackexplore.result import NotSymmetric, Result, TooManyStates, Watcher
from ackmodel import Clause, Config

Engine: TypeAlias = Literal["auto", "graph", "table"]
"""`graph`: every state and edge in a networkx graph; `table`: packed states, no graph, millions of states a second.

`auto`: the graph engine while it can, then, from the beginning, the table engine if NumPy and Numba are there.
"""

ANY = "any"
AUTO_GRAPH_STATES = 30_000
"""Beyond this many states it is quicker to begin anew with the table engine."""


class UnknownClause(ValueError):
    """A clause was named that there is not; the message offers the nearest names."""


class UnknownEngine(ValueError):
    """An engine was named that there is not."""


class MissingExtra(ImportError):
    """The table engine needs packages that are not installed."""


def clauses_named(name: Clause | str | None) -> tuple[Clause, ...]:
    """Return the clauses that `stop_at` names: none, one by its id, or every one for "any".

    >>> clauses_named("no-limbo")
    (<Clause.NO_LIMBO: 'no-limbo'>,)
    >>> clauses_named("no-limb")
    Traceback (most recent call last):
    ...
    ackexplore.engines.UnknownClause: no clause 'no-limb'; did you mean 'no-limbo'?
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


def table_engine_here() -> bool:
    """Whether the packages of the table engine are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("numpy", "numba"))


def explore(  # noqa: PLR0913 - keyword-only settings of one search
    config: Config,
    *,
    engine: Engine = "graph",
    stop_at: Clause | str | None = None,
    symmetric: bool = False,
    max_states: int | None = None,
    memory: int | None = None,
    threads: int | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Result:
    """Explore every state of a configuration, and judge every clause in each.

    `stop_at`: a clause, its id, or "any": end after the level of states in which it first falls; None: go on to the
    end, and count every violation. `symmetric`: one state stands for all that differ in the order of alike
    messages, which takes `Config.uncommitted` (`NotSymmetric`). `max_states`: refuse (`TooManyStates`) to go
    beyond. `memory` (bytes; half of the machine's if None) and `threads` (one a processor if None) concern the
    table engine: it refuses to take more (`TooMuchMemory`), and to begin, where everything is to be explored, what
    will take far more (`WontFit`). `checkpoint` is a folder where the table engine saves each level, and goes on
    from with `resume`. `watcher` is called with a `Progress` a few times a second.

    Raises `UnknownClause`, `UnknownEngine`, `MissingExtra`, `BadCheckpoint`, and the three above, which carry what was
    found so far.
    """
    wanted = clauses_named(stop_at)
    if symmetric and not config.uncommitted:
        raise NotSymmetric
    if engine not in get_args(Engine):
        raise UnknownEngine(f"no engine {engine!r}; the engines are {', '.join(get_args(Engine))}")
    if engine == "graph" and checkpoint is not None:
        raise UnknownEngine("the graph engine keeps no checkpoint; use the table engine")
    if engine == "graph" or (engine == "auto" and checkpoint is None):
        fall_back = engine == "auto" and table_engine_here()
        limit = DEFAULT_MAX_STATES if max_states is None else max_states
        first_limit = min(limit, AUTO_GRAPH_STATES) if fall_back else limit
        try:
            return explore_graph(config, stop_at=wanted, max_states=first_limit, symmetric=symmetric, watcher=watcher)
        except TooManyStates:
            if not fall_back or max_states == first_limit:
                raise
    if not table_engine_here():
        raise MissingExtra("the table engine needs NumPy and Numba: pip install 'ackcheck[table]'")
    given = {"symmetric": symmetric, "max_states": max_states, "memory": memory, "threads": threads, "watcher": watcher}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not wanted and not resume:
        from ackexplore.table.engine import memory_here
        from ackexplore.table.estimate import refuse_what_cannot_fit

        refuse_what_cannot_fit(config, memory_here() if memory is None else memory)
    if checkpoint is None:
        from ackexplore.table.engine import explore_table

        return explore_table(config, stop_at=wanted, **settings)
    from ackexplore.table.checkpoint import explore_with_checkpoint
    from ackexplore.table.engine import Search

    return explore_with_checkpoint(Search(config=config, wanted=mask_of(wanted), **settings), checkpoint, resume=resume)
