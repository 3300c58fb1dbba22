"""What the simulated grade runs: which target, judged at which level and commit policy, and how to write it down.

>>> from acklab.reference.simulated import ReferenceSetup
>>> ReferenceSetup((Level.DISK,), logs=2).as_source().arguments[-1]
('logs', '2')
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from ackcheck.sim.target import SteppedTarget
from ackmodel import CommitPolicy, Level


@frozen
class SimSetup:
    """A stepped target, and what it claims. Subclasses give `target`, and `as_source` for findings."""

    levels: tuple[Level, ...] = (Level.PAGE_CACHE,)
    commit: CommitPolicy = CommitPolicy.ACK

    logs = 1
    """How many logs the target spreads its records over."""

    def target(self) -> SteppedTarget:
        """Return a fresh target."""
        raise NotImplementedError

    def with_traits(self, max_attempts: int | None, fastpath: bool) -> SimSetup:  # noqa: ARG002 - for who can follow
        """Return the same with these traits, as far as the target can have them."""
        return self

    def as_source(self) -> Source:
        """Return how a program makes this setup."""
        raise NotImplementedError


@frozen
class Source:
    """Program text that makes a setup: the imports it needs, one a line, the class, and its arguments."""

    imports: tuple[str, ...]
    kind: str
    arguments: tuple[tuple[str, str], ...]


@frozen
class FactorySetup(SimSetup):
    """A target that a factory makes; `name` is how the command line names it, `module:factory` or `file.py:factory`."""

    make: Callable[[], SteppedTarget] = field(kw_only=True)
    name: str = field(default="", kw_only=True)

    def target(self) -> SteppedTarget:
        return self.make()

    def as_source(self) -> Source:
        return Source(
            imports=("from ackcheck.rig.serve import load_factory", "from ackcheck.sim.setup import FactorySetup"),
            kind="FactorySetup",
            arguments=(
                ("levels", f"({', '.join(map(str, self.levels))},)"),
                ("commit", str(self.commit)),
                ("make", f"load_factory({self.name!r})"),
            ),
        )
