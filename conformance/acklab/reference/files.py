"""The reference store, and the zoo's broken variants of it, as targets of the process and the power grade.

A factory is named on the command line of `ackcheck.rig.serve`, as `acklab.reference.files:target`. There are

- `memory_store`, `async_store` and `sync_store`, which claim the levels memory, page-cache and disk;
- `target`, which is the one that the environment variable `ACKCHECK_LEVEL` names (page-cache when it is not set);
- one for each bug of the zoo, by the bug's own name: `acklab.reference.files:flush-timeout-treated-as-stored`.

>>> import tempfile
>>> store = async_store()
>>> store.open(Path(tempfile.mkdtemp()))
>>> store.publish("orders", 3)
>>> [first, second] = store.pop("orders", 2, 30.0)
>>> store.ack_many([first["receipt"], "no receipt"]), store.flush()
(['OK', 'INVALID'], 'OK')
>>> store.stats()["queues"]["orders"]["committed"]
1
>>> store.close()
'OK'
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from attrs import define, evolve, field

from ackcheck.target import LOGS, MAX_ATTEMPTS, SEGMENT_BYTES, Delivery
from acklab.reference.claims import DISK, MEMORY, PAGE_CACHE, by_level
from acklab.reference.outstanding import outstanding
from acklab.reference.room import most_held
from ackstore import Config, Store
from ackstore.core.core import Core
from ackstore.runtime.files import Disk
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply
from ackstore.words.stats import Stats

if TYPE_CHECKING:
    from ackmodel import Level  # a target is started very often, and the store does without the model

LEVEL = "ACKCHECK_LEVEL"
"""The environment variable that `target` looks at."""

SERVED = Config(
    segment_bytes=2000,
    compact_above=16_000,
    flush_interval=0.02,
    offset_interval=0.05,
    op_timeout=8.0,
    sync_timeout=2.0,
)
"""Settings under which segments are switched and offsets written many times in a round, and a case comes to compact."""

REQUEST = 16 << 10
"""Bytes that one request writes at most, and each log of its own."""

SERVED_AT = by_level(SERVED, merge_stay=0.2)
"""Those of the store that claims a level."""

FACTORIES: Mapping[str, str] = {MEMORY: "memory_store", PAGE_CACHE: "async_store", DISK: "sync_store"}
"""The factories below, by level."""


@define(eq=False)
class StoreTarget:
    """A store on real files: `ackcheck.target.Target` around `ackstore.Store`. What the store raises goes through."""

    promises: ClassVar[Mapping[str, str]] = {"publish": "republished"}
    """The store knows how many messages there are, and whoever has them tells it again."""

    config: Config = SERVED
    core_class: type[Core] = Core
    disk: Callable[[Path], Disk] | None = None
    """Puts a disk of one's own under the store; for tests."""
    _store: Store = field(init=False)
    _directory: Path = field(init=False)
    _names: dict[str, str] = field(init=False, factory=dict)
    """The queues as they were named to us, by the store's name for them."""

    def open(self, directory: Path) -> None:
        """Open the store in `directory`."""
        self._directory, disk = directory, self.disk(directory) if self.disk else None
        self._store = Store(directory, self.config, core_class=self.core_class, disk=disk)

    def publish(self, queue: str, end: int) -> None:
        """Tell the store that `queue` holds the messages 0 to `end` - 1."""
        self._names[str(QueueId.parse(queue))] = queue
        self._store.publish(queue, end)

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery] | str:
        """Pop, or say why not."""
        answer = self._store.try_pop(queue, count, invisible)
        if answer.reply is not Reply.OK:
            return str(answer.reply.value)
        return [
            Delivery(receipt=one.receipt, offset=one.offset, attempt=one.attempt, deadline=one.deadline)
            for one in answer.value or ()
            if not isinstance(one, Reply)
        ]

    def ack(self, receipt: str) -> str:
        """Settle one delivery."""
        return self._store.ack(receipt).value

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        """Settle several deliveries."""
        return [reply.value for reply in self._store.ack_many(receipts)]

    def flush(self) -> str:
        """Ask for a barrier."""
        return self._store.flush().value

    @property
    def max_attempts(self) -> int | None:
        """How often a message is handed out, at most."""
        return self.config.max_attempts

    def renew(self, receipt: str, invisible: float) -> str:
        """Give a delivery another deadline."""
        return self._store.renew(receipt, invisible).value

    def release(self, receipt: str) -> str:
        """Give a delivery back."""
        return self._store.release(receipt).value

    def reset(self, queue: str, offset: int) -> str:
        """Begin a queue again at an offset."""
        return self._store.reset(queue, offset).value

    def dead(self, queue: str) -> list[int]:
        """List the dead letters of a queue."""
        return [letter.offset for letter in self._store.dead(queue)]

    def stats(self) -> Mapping[str, object]:
        """Show what `Target.stats` names: the offsets, and what is outstanding."""
        stats = self._store.stats()
        return {
            "queues": {
                self._names.get(str(queue), str(queue)): {"committed": seen.committed, "persisted": seen.persisted}
                for queue, seen in stats.queues.items()
            },
            "outstanding": outstanding(stats),
            "space": self._most_held(stats),
        }

    def _most_held(self, stats: Stats) -> int | None:
        """Return how many bytes the files hold when there is nothing to keep, with the room that is kept in reserve."""
        dead, reserved = sum(seen.dead for seen in stats.queues.values()), 0
        for path in self._directory.glob("reserve*"):
            with contextlib.suppress(FileNotFoundError):
                reserved += path.stat().st_size
        most = most_held(self.config, queues=len(stats.queues), dead=dead, request=REQUEST)
        return None if most is None else most + reserved

    def close(self) -> str:
        """Drain and close."""
        return self._store.close().value


def claiming(level: str) -> Config:
    """Return the settings under which the store claims a level, with what the environment asks for.

    >>> claiming(DISK).mode
    'sync'
    """
    config = SERVED_AT[level]
    segment_bytes = _asked(SEGMENT_BYTES) or config.segment_bytes
    return evolve(config, max_attempts=_asked(MAX_ATTEMPTS), logs=_asked(LOGS) or 1, segment_bytes=segment_bytes)


def _asked(name: str) -> int | None:
    """Return the number that an environment variable names; None where it is empty."""
    asked = os.environ.get(name, "")
    if not asked:
        return None
    if not asked.isdecimal() or int(asked) < 1:
        raise ValueError(f"{name} is {asked!r}: set it to an integer of at least 1, or leave it empty for none")
    return int(asked)


def memory_store() -> StoreTarget:
    """Return the store that answers when its merge buffer has the record."""
    return StoreTarget(claiming(MEMORY))


def async_store() -> StoreTarget:
    """Return the store that answers when the page cache has the record."""
    return StoreTarget(claiming(PAGE_CACHE))


def sync_store() -> StoreTarget:
    """Return the store that answers when the disk has the record."""
    return StoreTarget(claiming(DISK))


def target() -> StoreTarget:
    """Return the store whose level the environment names."""
    level = os.environ.get(LEVEL, PAGE_CACHE)
    if level not in SERVED_AT:
        raise ValueError(f"{LEVEL} is {level!r}: set it to {' or '.join(SERVED_AT)}")
    return StoreTarget(claiming(level))


def name_of(level: Level, bug: str | None = None) -> str:
    """Return what to call the factory of the reference store at a level, or of one of the zoo's bugs."""
    return f"{__name__}:{bug}" if bug else f"{__name__}:{FACTORIES[level.value]}"


def __getattr__(name: str) -> Callable[[], StoreTarget]:
    """Find the factory of a broken variant by the name of its bug."""
    from acklab.zoo import BUGS  # only for who asks for one

    bug = BUGS.get(name)
    if bug is None:
        raise AttributeError(f"{__name__} has no factory {name!r}, and the zoo no bug of that name")

    def broken() -> StoreTarget:
        config = claiming(bug.level.value)
        return StoreTarget(evolve(config, commit=bug.commit.value, logs=max(bug.logs, config.logs)), bug.core)

    return broken
