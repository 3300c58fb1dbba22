"""What a correct store does: a module a concept, one function a step, named as what it does.

Each function yields the step where it is possible, and nothing where it is not. A rule that is switched off
(`Config.rules`) turns the step into what a broken store would do.

>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [step.action for rule in LOCAL for step in rule(config, shared, message)]
['pop']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..config import Config
from ..steps import BroadcastRule, LocalRule
from .acking import answer_ack, answer_unknown, durable_callback, write_ack
from .answering import refuse
from .committing import commit, reset_offset, retire, sync_directory, write_offset
from .delivering import buried, bury, deliver, pop, write_checkpoint
from .merging import hand_over, merge
from .renewing import answer_release, answer_renewal, write_renewal
from .restarting import close, recover
from .rewriting import rewrite
from .syncing import begin_sync

LOCAL: tuple[LocalRule, ...] = (
    pop,
    write_checkpoint,
    deliver,
    write_ack,
    answer_ack,
    answer_unknown,
    durable_callback,
    write_renewal,
    answer_renewal,
    answer_release,
    bury,
    buried,
    merge,
    hand_over,
    refuse,
    rewrite,
    commit,
    retire,
)
BROADCAST: tuple[BroadcastRule, ...] = (begin_sync, write_offset, sync_directory, reset_offset, close, recover)

NEEDS: Mapping[LocalRule, Callable[[Config], object]] = {
    write_renewal: lambda config: config.renewals or config.releases,
    answer_renewal: lambda config: config.renewals,
    answer_release: lambda config: config.releases,
    bury: lambda config: config.dead_letters,
    buried: lambda config: config.dead_letters,
    merge: lambda config: config.merge_buffer,
    hand_over: lambda config: config.merge_buffer,
    refuse: lambda config: config.limit or config.refuse_after,
    retire: lambda config: config.compaction,
}
"""The setting without which a step is never possible, of those that have one."""

__all__ = ["BROADCAST", "LOCAL", "NEEDS"]
