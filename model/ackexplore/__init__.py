"""ackexplore: goes through every state that the model can reach, and judges every clause in each.

A tutorial in five lines. Take a configuration; explore it; nothing is broken:

>>> from ackmodel import Config
>>> result = explore(Config(sync_failures=1))
>>> result.holds, result.states
(True, 259)

Now ship a store that calls fsync again after an error, and believes the answer:

>>> without = Config(sync_failures=1, rules={"rewrite-after-failure": False})
>>> broken = explore(without, Options(stop_at="flush-is-real"))
>>> for step in broken.counterexample.steps:
...     print(step.number, step.action, "|", *(c.after for c in step.changes if c.field == "checkpoint"))
1 pop | pending
2 write_checkpoint | cached / dirty
3 begin_sync | flushing / dirty
4 sync_fails | suspect / phantom
5 retry_checkpoint | cached / phantom
6 begin_sync | flushing / phantom
7 sync_ok | flushed / phantom

The engines: `graph` keeps every transition in a networkx graph; `table` needs the extra `table` (NumPy and Numba), and
takes millions of states a second. Both take any `System`, of which `ackexplore.examples` has one that is not ours.
`explore_rules` shows that every rule of the protocol is needed.
"""

from ackexplore.coverage import ACTIONS, never_possible
from ackexplore.engines import MissingExtra, explore
from ackexplore.needed import RuleFinding, explore_rule, explore_rules
from ackexplore.options import Options, UnknownEngine, clauses_named
from ackexplore.result import (
    BadCheckpoint,
    Progress,
    Result,
    StateSpace,
    TooManyStates,
    TooMuchMemory,
    Unfinished,
    Watcher,
    WontFit,
)
from ackexplore.symmetry import NotSymmetric
from ackexplore.system import Broadcast, Step, System
from ackexplore.trace import Change, Trace, TraceStep, changes_between, trace_json
from ackexplore.values import state_json

__all__ = [
    "ACTIONS",
    "BadCheckpoint",
    "Broadcast",
    "Change",
    "MissingExtra",
    "NotSymmetric",
    "Options",
    "Progress",
    "Result",
    "RuleFinding",
    "StateSpace",
    "Step",
    "System",
    "TooManyStates",
    "TooMuchMemory",
    "Trace",
    "TraceStep",
    "Unfinished",
    "UnknownEngine",
    "Watcher",
    "WontFit",
    "changes_between",
    "clauses_named",
    "explore",
    "explore_rule",
    "explore_rules",
    "never_possible",
    "state_json",
    "trace_json",
]
