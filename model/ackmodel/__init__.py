"""ackmodel: the executable specification of asynchronous acknowledgement storage.

A model of one queue whose store answers an ack before the disk has it. A state is one `Shared` part and N `Message`
values; `protocol` is what a correct store does, `environment` what consumers, the operating system, the disk and the
power may do; `invariants` are the clauses, judged on truth; `contract` is the same from outside, for one message of a
real store, on the `events` that can be seen of it. Plain Python and attrs;
copy this folder into your own tests, under any name.

>>> config = Config(messages=1, sync_failures=1, rules={"rewrite-after-failure": False})
>>> state = config.initial()
>>> sorted({move.action for move in moves(config, state)})
['pop']
"""

from .observe.contract import Contract, ContractBroken
from .spec.clauses import Clause
from .spec.config import BadConfig, CommitPolicy, Config, FailedPage, SyncError
from .spec.invariants import Seen, broken_by_step, broken_in_state
from .spec.rule import Rule, UnknownRule
from .spec.rules import RULES, rule_named
from .spec.stages import STORED_LEVELS, Level, Promise, Record, Stage, Truth
from .spec.state import Budget, Message, Mode, Offset, Phase, Power, Shared, Syncing
from .spec.steps import Broadcast, Step
from .spec.system import Move, State, broadcast_steps, local_steps, moves
from .spec.vacuity import at_stake

VERSION = "3"
"""The version of the model: it changes whenever a configuration gets other states or steps."""

__all__ = [
    "RULES",
    "STORED_LEVELS",
    "VERSION",
    "BadConfig",
    "Broadcast",
    "Budget",
    "Clause",
    "CommitPolicy",
    "Config",
    "Contract",
    "ContractBroken",
    "FailedPage",
    "Level",
    "Message",
    "Mode",
    "Move",
    "Offset",
    "Phase",
    "Power",
    "Promise",
    "Record",
    "Rule",
    "Seen",
    "Shared",
    "Stage",
    "State",
    "Step",
    "SyncError",
    "Syncing",
    "Truth",
    "UnknownRule",
    "at_stake",
    "broadcast_steps",
    "broken_by_step",
    "broken_in_state",
    "local_steps",
    "moves",
    "rule_named",
]
