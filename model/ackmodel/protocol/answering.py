"""When an operation may be answered, and what the answer promises (clauses reply-after-stage, flush-degrades).

>>> from ackmodel import Config
>>> shared, _ = Config(level="disk").initial()
>>> promise_of(answer_level(Config(level="disk"), shared)).name
'SURVIVES_POWER_LOSS'
"""

from __future__ import annotations

from .. import rules
from ..config import Config
from ..stages import Level, Promise, Record, Stage
from ..state import Mode, Shared


def answer_level(config: Config, shared: Shared) -> Level:
    """Return the level at which the store answers now (clauses reply-after-stage, flush-degrades)."""
    return Level.DISK if shared.mode is Mode.SYNC else config.level


def may_answer(config: Config, shared: Shared, record: Record) -> bool:
    """Return whether an operation whose record stands at this stage may be answered OK (clause reply-after-stage)."""
    level = answer_level(config, shared)
    if level is Level.DISK and not config.keeps(rules.ANSWER_AFTER_FLUSH):
        level = Level.PAGE_CACHE
    if record.stage is Stage.PENDING and not config.keeps(rules.ANSWER_AFTER_WRITE):
        return True
    return record.reaches(level)


def promise_of(level: Level) -> Promise:
    """Return what an OK at `level` promises (the observable core, specs/README.md)."""
    return Promise.SURVIVES_POWER_LOSS if level is Level.DISK else Promise.SURVIVES_PROCESS_CRASH
