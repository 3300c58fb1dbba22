"""The one way in to what must happen in the end: explore a configuration, and judge its leads-to properties.

>>> from ackmodel import Config
>>> result, findings = explore_to_the_end(Config(rules={"retry-after-failure": False}, sync_failures=1))
>>> [(finding.name, len(finding.lasso.prefix)) for finding in findings if finding.lasso][0]
('flush-when-idle of message 0', 4)
"""

from __future__ import annotations

from collections.abc import Collection

from ackexplore.engines import NO_TABLES, MissingExtra, table_engine_here, tried_first
from ackexplore.graph.engine import explore_graph
from ackexplore.graph.progress import ProgressFinding, check_progress
from ackexplore.options import DEFAULTS, Options, UnknownEngine
from ackexplore.result import Result, TooManyStates
from ackmodel import Clause, Config
from ackmodel.spec.liveness import PROPERTIES

FEWER_GRAPH_STATES = 3_000
"""Beyond this many states it is quicker to begin anew with the table engine: cycles in a graph take longer than it."""


def explore_to_the_end(
    config: Config, options: Options = DEFAULTS, clauses: Collection[Clause] = tuple(PROPERTIES)
) -> tuple[Result, list[ProgressFinding]]:
    """Explore a configuration, and judge what must happen in the end, as far as some clauses ask for it.

    Nothing is judged if the search ended before it saw everything. Raises what `explore` does, and `UnknownEngine`
    where states are merged, or a checkpoint is kept.
    """
    if options.symmetric or options.checkpoint is not None:
        raise UnknownEngine("progress is judged of each state by itself, in one go: without symmetry and checkpoint")
    fall_back = options.engine == "auto" and table_engine_here()
    if options.engine != "table":
        try:
            result = explore_graph(config, tried_first(options, FEWER_GRAPH_STATES) if fall_back else options)
            return result, check_progress(result, clauses=clauses) if result.complete else []
        except TooManyStates as stopped:
            if not fall_back or stopped.limit == options.max_states:
                raise
    if not table_engine_here():
        raise MissingExtra(NO_TABLES)
    from ackexplore.table.progress import explore_on_tables_to_the_end

    return explore_on_tables_to_the_end(config, options, clauses)
