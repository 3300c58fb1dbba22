"""The reference store, or a broken variant of it, as the simulated grade runs it.

>>> ReferenceSetup((Level.DISK,), max_attempts=3).target().config.mode
'sync'
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from ackcheck.sim.setup import SimSetup, Source
from acklab.reference.claims import by_level
from acklab.reference.stepped import STEPPED, Reference
from ackmodel import CommitPolicy, Level
from ackstore.core.core import Core

STEPPED_AT = by_level(STEPPED, merge_stay=1.0, merge_messages=5)
"""The settings of the reference store that claims a level."""

SEVERAL = 4
"""One run in this many is of a store with several logs."""

LOGS: Mapping[CommitPolicy, int] = {CommitPolicy.ACK: 2, CommitPolicy.CHECKPOINT: 3}
"""How many it has then."""


@frozen
class ReferenceSetup(SimSetup):
    """The store with these settings, acks on the fast path if `fastpath` says so. `bug` names the zoo's `core`."""

    core: type[Core] = Core
    bug: str = ""
    max_attempts: int | None = None
    fastpath: bool = False
    logs: int = 1

    @property
    def level(self) -> Level:
        """The level that it claims."""
        return self.levels[-1]

    def target(self) -> Reference:
        claiming = STEPPED_AT[self.level.value]
        config = evolve(claiming, commit=self.commit.value, max_attempts=self.max_attempts, logs=self.logs)
        return Reference(config, self.core, self.fastpath)

    def with_traits(self, max_attempts: int | None, fastpath: bool) -> ReferenceSetup:
        return evolve(self, max_attempts=max_attempts, fastpath=fastpath)

    def as_source(self) -> Source:
        given = {name: repr(getattr(self, name)) for name in ("max_attempts", "fastpath", "logs")}
        imports = ["from acklab.reference.simulated import ReferenceSetup"]
        if self.bug:
            given["core"] = f"bug_named({self.bug!r}).core"
            imports.append("from acklab.zoo import bug_named")
        claims = {"levels": f"({self.level},)", "commit": str(self.commit)}
        return Source(tuple(imports), "ReferenceSetup", tuple((claims | given).items()))


def setups(level: Level, cases: int) -> list[tuple[SimSetup, int]]:
    """Return the setups of the store that claims a level, and how many runs each gets: `cases` for a commit policy."""
    several = cases // SEVERAL
    one: list[tuple[SimSetup, int]] = [(ReferenceSetup((level,), commit), cases - several) for commit in CommitPolicy]
    more = [(ReferenceSetup((level,), commit, logs=LOGS[commit]), several) for commit in CommitPolicy]
    return one + [each for each in more if several]
