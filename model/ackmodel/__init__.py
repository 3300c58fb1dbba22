"""ackmodel: the executable specification of asynchronous acknowledgement storage.

A model of one queue whose store answers an ack before the disk has it. A state is one `Shared` part and N `Message`
values; `spec.protocol` is what a correct store does, `spec.environment` what consumers, the operating system, the disk
and the power may do; `broken_in_state` and `broken_by_step` are the clauses, judged on truth.

>>> config = Config(messages=1, sync_failures=1, rules={"rewrite-after-failure": False})
>>> [move.action for move in moves(config, config.initial())]
['pop']

From outside the truth cannot be seen: an `Oracle` is told what a store was asked and what it answered, in the order in
which that happened, and which faults it met. It raises `Broken`, with the name of the clause, as soon as no correct
store could have shown this. Here is one that keeps its acks in two sets, and whose barrier forgets to sync:

>>> class Toy:
...     cached, synced = set(), set()
...     def pop(self, now):
...         return [Delivered(f"{n}@{now}", n, now + 30) for n in (0, 1) if n not in self.cached | self.synced]
...     def ack(self, offset):
...         self.cached.add(offset)
...         return Reply.OK
...     def flush(self):
...         return Reply.OK          # without: self.synced |= self.cached
...     def lose_power(self):
...         self.cached.clear()

>>> store, oracle = Toy(), Oracle(Level.PAGE_CACHE)
>>> oracle.published("orders", 2)
>>> oracle.pop_asked(1, "orders", deadline=30.0)
>>> oracle.popped(1, "orders", store.pop(now=0.0), at=0.0)
>>> oracle.ack_asked(2, ["0@0.0"], at=1.0)
>>> oracle.ack_answered(2, [store.ack(0)], at=1.0)
>>> oracle.barrier_asked(3)
>>> oracle.barrier_answered(3, store.flush())
>>> store.lose_power()
>>> oracle.stopped(PowerLost())
>>> oracle.pop_asked(4, "orders", deadline=90.0)
>>> try:
...     oracle.popped(4, "orders", store.pop(now=60.0), at=60.0)
... except Broken as broken:
...     print(broken)
survives-power-loss: orders[0]: handed out again at 60.0, though its ack was made durable before the power was lost

`Contract` is the same for one message, told by `events`; `monitors` judge what a store shows of itself. What is named
here is stable between minor versions; what is not may change in any. Plain Python and attrs: copy this folder into your
own tests, under any name.
"""

from .observe import events, monitors
from .observe.broken import Broken, Key
from .observe.contract import Contract, ContractBroken
from .observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from .observe.monitors import IoCounts, Sighting
from .observe.options import OracleOptions
from .observe.oracle import Delivered, Oracle
from .spec.clauses import Clause
from .spec.config import BadConfig, CommitPolicy, Config, FailedPage, InPlace, SyncError
from .spec.facts import BadStep
from .spec.invariants import Seen, broken_by_step, broken_in_state
from .spec.named import UnknownClause, clause_named
from .spec.nearest import nearest
from .spec.rules import RULES, Rule, UnknownRule, rule_named
from .spec.stages import STORED_LEVELS, Level, Promise, Record, Stage, Truth
from .spec.state import Budget, Message, Mode, Offset, Phase, Power, Shared, Syncing
from .spec.steps import Broadcast, Step
from .spec.system import Move, State, broadcast_steps, local_steps, moves
from .spec.vacuity import at_stake

VERSION = "4"
"""The version of the model: it changes whenever a configuration gets other states or steps."""

__all__ = [
    "RULES",
    "STORED_LEVELS",
    "VERSION",
    "BadConfig",
    "BadStep",
    "Broadcast",
    "Broken",
    "Budget",
    "Clause",
    "CommitPolicy",
    "Config",
    "Contract",
    "ContractBroken",
    "Delivered",
    "FailedPage",
    "InPlace",
    "IoCounts",
    "Key",
    "Level",
    "Message",
    "Mode",
    "Move",
    "Offset",
    "Oracle",
    "OracleOptions",
    "Phase",
    "Power",
    "PowerLost",
    "ProcessCrashed",
    "Promise",
    "Record",
    "Reply",
    "Restarted",
    "Rule",
    "Seen",
    "Shared",
    "Sighting",
    "Stage",
    "State",
    "Step",
    "SyncError",
    "Syncing",
    "Truth",
    "UnknownClause",
    "UnknownRule",
    "at_stake",
    "broadcast_steps",
    "broken_by_step",
    "broken_in_state",
    "clause_named",
    "events",
    "local_steps",
    "monitors",
    "moves",
    "nearest",
    "rule_named",
]
