"""When an operation is taken up, when it may be answered, and what the answer promises.

>>> shared, _ = Config(level="disk").initial()
>>> promise_of(answer_level(Config(level="disk"), shared)).name
'SURVIVES_POWER_LOSS'
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..stages import Level, Promise, Record
from ..state import Message, Mode, Phase, Shared
from ..steps import Step

PROMISES = {
    Level.MEMORY: Promise.SURVIVES_RESTART,
    Level.PAGE_CACHE: Promise.SURVIVES_PROCESS_CRASH,
    Level.DISK: Promise.SURVIVES_POWER_LOSS,
}


def answer_level(config: Config, shared: Shared) -> Level:
    """Return the level at which the store answers now (clauses reply-after-stage, flush-degrades)."""
    return Level.DISK if shared.mode is Mode.SYNC else config.level


def may_answer(config: Config, shared: Shared, record: Record) -> bool:
    """Return whether an operation whose record stands at this stage may be answered OK (clause reply-after-stage)."""
    level = answer_level(config, shared)
    if level is Level.DISK and not config.keeps(rules.ANSWER_AFTER_FLUSH):
        level = Level.PAGE_CACHE
    if level is Level.PAGE_CACHE and not config.keeps(rules.ANSWER_AFTER_WRITE):
        level = Level.MEMORY
    return record.reaches(level)


def promise_of(level: Level) -> Promise:
    """Return what an OK at `level` promises (the observable core, specs/README.md)."""
    return PROMISES[level]


# --- how much is taken up -------------------------------------------------------------------------------------------


def refuses(config: Config, shared: Shared) -> bool:
    """Return whether a new operation is answered BUSY (clause memory-is-bounded)."""
    full = config.limit and shared.inflight >= config.limit and config.keeps(rules.LIMIT_INFLIGHT)
    failing = config.refuse_after and shared.failures >= config.refuse_after
    return bool(full or (failing and config.keeps(rules.REFUSE_AFTER_FAILURES)))


@step(by=By.STORE, kind=Kind.ANSWERED_OTHERWISE, fair=False, needs=(needs.REFUSING,), client="told BUSY")
def refuse(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer a pop or an ack BUSY: nothing changes."""
    popped = message.phase in (Phase.WAITING, Phase.DUE) and message.delivery < config.deliveries
    if shared.up and (popped or message.phase is Phase.DELIVERED) and refuses(config, shared):
        yield Step("refuse", shared, message)


def taken_up(config: Config, shared: Shared) -> Shared:
    """Return the shared part with one more operation in flight; they are counted only where there is a limit."""
    return evolve(shared, inflight=shared.inflight + 1) if config.limit else shared


def ended(config: Config, shared: Shared) -> Shared:
    """Return the shared part with one operation less in flight (clause quiescence-is-zero)."""
    return evolve(shared, inflight=shared.inflight - 1) if config.limit else shared
