"""What a correct store does: a module a concept, one function a step, named as what it does.

Each function yields the step where it is possible, and nothing where it is not. A rule that is switched off
(`Config.rules`) turns the step into what a broken store would do.

>>> from ..config import Config
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [step.action for rule in LOCAL for step in rule(config, shared, message)]
['pop']
"""

from __future__ import annotations

from ..steps import BroadcastRule, LocalRule
from .acking import answer_ack, answer_unknown, durable_callback, write_ack
from .answering import refuse
from .committing import commit, reset_offset, retire, sync_directory, write_offset
from .delivering import buried, bury, deliver, pop, write_checkpoint
from .merging import hand_over, merge
from .renewing import answer_release, answer_renewal, write_renewal
from .restarting import close, recover
from .rewriting import retry_ack, retry_checkpoint, retry_earlier, retry_renewal
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
    retry_checkpoint,
    retry_earlier,
    retry_ack,
    retry_renewal,
    commit,
    retire,
)
BROADCAST: tuple[BroadcastRule, ...] = (begin_sync, write_offset, sync_directory, reset_offset, close, recover)

__all__ = ["BROADCAST", "LOCAL"]
