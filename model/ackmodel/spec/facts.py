"""What is to be known of a step beside what it does: whose it is, what kind, what it needs, whether it is put off.

A step states this where it is defined. The clauses, what is fair, what can never happen and the reports look here for
it, so that a new step is judged from the beginning, or is an error at import: `step` asks for each of these by name.

>>> from .config import Config
>>> from .catalogue import STEPS
>>> STEPS["fail_ack_write"].kind.is_failure, STEPS["fail_ack_write"].record
(True, 'ack')
>>> STEPS["fail_ack_write"].impossible(Config())
'no write failure in the budget'
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import fields, frozen

from .config import Config, SyncError
from .stages import Record
from .state import Message

RECORDS = tuple(item.name for item in fields(Message) if isinstance(item.default, Record))
"""The fields of a message that are records."""


class BadStep(TypeError):
    """A step does not say what has to be known of it; the message names the step, and what is missing."""


class By(enum.Enum):
    """Who takes a step."""

    STORE = "store"
    CONSUMER = "consumer"
    TIME = "time"
    DISK = "disk"
    """The kernel and the disk below it."""
    MACHINE = "machine"
    """What stops the process, or everything."""


class Kind(enum.Enum):
    """What happens in a step, as the clauses tell steps apart."""

    WORK = "work"
    """What the store does in its own time; and time itself."""
    ASKED = "asked"
    """An operation is taken up."""
    TRIED = "tried"
    """A call, or a misuse, that is to change nothing."""
    ANSWERED_OK = "answered OK"
    ANSWERED_OTHERWISE = "answered otherwise"
    """BUSY or UNKNOWN."""
    WRITE_FAILED = "write failed"
    SYNC_SUCCEEDED = "sync succeeded"
    SYNC_FAILED = "sync failed"
    """Or was given up: as far as the store knows, it did not succeed."""
    SYNC_LIED = "sync lied"
    """It lost bytes, and returned success."""
    LATE_SUCCESS = "late success"
    """Of a sync that had been given up."""
    LATE_FAILURE = "late failure"
    STOPPED = "stopped"

    @property
    def is_failure(self) -> bool:
        """Whether the store is told that something failed."""
        return self in (Kind.WRITE_FAILED, Kind.SYNC_FAILED, Kind.LATE_FAILURE)

    @property
    def is_fault(self) -> bool:
        """Whether something went wrong, told or not."""
        return self.is_failure or self in (Kind.SYNC_LIED, Kind.STOPPED)

    @property
    def is_late(self) -> bool:
        """Whether it is the result of what had ended before."""
        return self in (Kind.LATE_SUCCESS, Kind.LATE_FAILURE)

    @property
    def is_seen(self) -> bool:
        """Whether a consumer takes part, so that the step has to say what it looks like from there."""
        return self in (Kind.ASKED, Kind.TRIED, Kind.ANSWERED_OK, Kind.ANSWERED_OTHERWISE)


@frozen
class Need:
    """Something without which a step never happens: `met` tells of a configuration, `lacking` what one lacks.

    Where it is not met, the step is possible in no state that can be reached. Engines need not try the step there; but
    with `when_reached` they do, since a state that somebody made by hand may have it.
    """

    lacking: str
    met: Callable[[Config], object]
    when_reached: bool = False


@frozen(kw_only=True)
class Facts:
    """What is known of one step.

    `needs` are all to be met, or the step is never possible. A `fair` step is not put off for ever while it is
    possible: for no message, for no log (`each_log`), or at all. `record` is the field of the message that holds the
    record it is about. `told` is the kind of file system on which a running sync ends by this step rather than succeed.
    `client` says what the consumer does or is told.
    """

    name: str
    by: By
    kind: Kind
    needs: tuple[Need, ...]
    fair: bool
    record: str
    each_log: bool
    told: SyncError | None
    client: str

    def impossible(self, config: Config) -> str | None:
        """Return why the step can never happen in a configuration; None where it may."""
        return next((need.lacking for need in self.needs if not need.met(config)), None)

    def has_use_in(self, config: Config) -> bool:
        """Tell whether the step has to be tried in a configuration."""
        return all(need.when_reached or need.met(config) for need in self.needs)


StepFunction = TypeVar("StepFunction", bound=Callable[..., Any])

_FACTS: dict[Callable[..., Any], Facts] = {}


def step(
    *,
    by: By,
    kind: Kind,
    fair: bool,
    needs: tuple[Need, ...],
    record: str = "",
    each_log: bool = False,
    told: SyncError | None = None,
    client: str = "",
) -> Callable[[StepFunction], StepFunction]:
    """Note what is to be known of the step that a function yields; the step is named as the function."""

    def note(function: StepFunction) -> StepFunction:
        name = function.__name__
        if record and record not in RECORDS:
            raise BadStep(f"step {name!r} is about the record {record!r}; the records are {', '.join(RECORDS)}")
        if kind in (Kind.ANSWERED_OK, Kind.WRITE_FAILED) and not record:
            raise BadStep(f"step {name!r} is {kind.value!r}: say about which record (record=...)")
        if kind.is_seen and not client:
            raise BadStep(f"step {name!r} is {kind.value!r}: say what its consumer does or is told (client=...)")
        _FACTS[function] = Facts(
            name=name,
            by=by,
            kind=kind,
            needs=needs,
            fair=fair,
            record=record,
            each_log=each_log,
            told=told,
            client=client,
        )
        return function

    return note


def facts_of(function: Callable[..., Any]) -> Facts:
    """Return what is known of a step; `BadStep` where nothing is."""
    try:
        return _FACTS[function]
    except KeyError:
        name = getattr(function, "__name__", function)
        raise BadStep(f"step {name!r} has no facts: put @step(by=..., kind=..., fair=..., needs=...) on it") from None


def all_with_facts() -> frozenset[Callable[..., Any]]:
    """Return every function that has facts."""
    return frozenset(_FACTS)
