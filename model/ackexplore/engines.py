"""The one way in: explore a configuration with the engine that suits it.

>>> from ackmodel import Config
>>> result = explore(Config(rules={"commit-after-flush": False}), Options(stop_at="commit-is-safe"))
>>> len(result.counterexample), result.complete
(3, False)
"""

from __future__ import annotations

import importlib.util

from attrs import evolve

from ackexplore.graph.engine import DEFAULT_MAX_STATES, explore_graph
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Result, TooManyStates
from ackexplore.system import System
from ackmodel import Config

AUTO_GRAPH_STATES = 30_000
"""Beyond this many states it is quicker to begin anew with the table engine."""

NO_TABLES = "the table engine needs NumPy and Numba: pip install 'ackcheck[table]'"


class MissingExtra(ImportError):
    """The table engine needs packages that are not installed."""


def table_engine_here() -> bool:
    """Tell whether the packages of the table engine are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("numpy", "numba"))


def explore(asked: Config | System, options: Options = DEFAULTS) -> Result:
    """Explore every state of a system, or of the model of this project in a configuration; judge every clause in each.

    Raises `NotSymmetric`, `UnknownEngine`, `MissingExtra`, `BadCheckpoint`; `TooManyStates`, `TooMuchMemory` and
    `WontFit`, which carry what was found so far.
    """
    options.check(asked)
    if options.engine == "graph" or (options.engine == "auto" and options.checkpoint is None):
        fall_back = options.engine == "auto" and table_engine_here()
        try:
            return explore_graph(asked, tried_first(options, AUTO_GRAPH_STATES) if fall_back else options)
        except TooManyStates as stopped:
            if not fall_back or options.max_states == stopped.limit:
                raise
    if not table_engine_here():
        raise MissingExtra(NO_TABLES)
    return _explore_on_tables(asked, options)


def tried_first(options: Options, states: int) -> Options:
    """Return what the graph engine is asked for where the table engine takes over beyond so many states."""
    most = DEFAULT_MAX_STATES if options.max_states is None else options.max_states
    return evolve(options, max_states=min(most, states))


def _explore_on_tables(asked: Config | System, options: Options) -> Result:
    from ackexplore.table.checkpoint import explore_with_checkpoint
    from ackexplore.table.engine import Search, explore_table, memory_here
    from ackexplore.table.estimate import refuse_what_cannot_fit

    if not options.clauses and not options.resume:
        refuse_what_cannot_fit(asked, options.memory or memory_here())
    if options.checkpoint is None:
        return explore_table(asked, options)
    return explore_with_checkpoint(Search(asked, options), options.checkpoint, resume=options.resume)
