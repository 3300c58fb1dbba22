"""Who is judged: the reference store, or a target of somebody else's.

>>> Subject(["./store", "--data", "{dir}"]).name
'./store --data {dir}'
>>> Subject().name
'the reference store'
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen

from ackcheck import lab
from ackcheck.rig.apart import WithServer
from ackcheck.rig.errors import RigError, TargetError
from ackcheck.rig.serve import load_factory
from ackcheck.rig.shape import lacks
from ackcheck.sim.setup import FactorySetup, SimSetup
from ackcheck.sim.target import Extended, SteppedTarget
from ackmodel import CommitPolicy, Level


class NoSuchTarget(ValueError):
    """A target was named that is not there; the message says what to write."""


@contextmanager
def target_code(doing: str) -> Iterator[None]:
    """Turn what the target's own code raises in this process into a `TargetError` that says where."""
    try:
        yield
    except (RigError, NoSuchTarget):
        raise
    except Exception as error:  # whatever it is, it is the target's failure: no clause is broken by it
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise TargetError(doing, type(error).__name__, f"{error} ({last.filename}:{last.lineno})") from error


@frozen
class Subject:
    """What is judged.

    `target` is `module:factory` or `file.py:factory`, or a command line; None is the reference store, whose mode
    follows the level.
    """

    target: str | Sequence[str] | None = None
    server: Sequence[str] = ()
    """The command of a server that the target is the adapter of; empty where the target is all there is."""
    repair: Sequence[str] = ()
    """What an operator runs where that server cannot be opened; empty: nothing."""
    own_network: bool = False
    """Whether that server has a network namespace of its own, where there can be one."""

    @property
    def ours(self) -> bool:
        """Whether it is the reference store."""
        return self.target is None

    @property
    def name(self) -> str:
        """What reports call it."""
        if self.target is None:
            return lab.reference().name
        return self.target if isinstance(self.target, str) else " ".join(self.target)

    def modes(self, levels: tuple[Level, ...]) -> tuple[tuple[Level, ...], ...]:
        """Return for which levels each of its modes is judged: the reference store has one a level, others have one."""
        return tuple((level,) for level in levels) if self.ours else (levels,)

    def served(self, level: Level) -> str | Sequence[str] | WithServer:
        """Return what the rigs of the grades on real files serve."""
        target = lab.reference().served(level) if self.target is None else self.target
        return WithServer(target, self.server, self.repair, self.own_network) if self.server else target

    @property
    def stepped(self) -> bool:
        """Whether it hands out its I/O, so that the simulated grade can judge it."""
        if not isinstance(self.target, str):
            return self.ours
        with target_code("factory"):
            return hasattr(self.factory()(), "take")

    def factory(self) -> Callable[[], SteppedTarget]:
        """Return the factory that `target` names; `NoSuchTarget` where there is none."""
        assert isinstance(self.target, str)
        try:
            with target_code("module"):
                factory: Callable[[], SteppedTarget] = load_factory(self.target)
        except TargetError as error:
            if isinstance(error.__cause__, ImportError | FileNotFoundError | AttributeError | ValueError):
                mend = "write module:factory or path/to/file.py:factory"
                why = str(error.__cause__).removesuffix(f"; {mend}")
                raise NoSuchTarget(f"no target {self.target!r}: {why}; {mend}") from error
            raise
        if not callable(factory):
            raise NoSuchTarget(f"{self.target!r} is no factory: it must return a fresh target each time it is called")
        return factory

    def setups(self, levels: tuple[Level, ...], cases: int) -> list[tuple[SimSetup, int]]:
        """Return the setups of the simulated grade, and how many runs each gets: `cases` for a commit policy."""
        if self.target is None:
            return lab.reference().setups(levels[-1], cases)
        assert isinstance(self.target, str)
        make = self.factory()
        with target_code("factory"):
            wrong = lacks(make(), SteppedTarget, Extended)
        if wrong:
            told = "\n".join(["it is not as ackcheck.sim.target has it:", *wrong])
            raise TargetError("factory", "TypeError", told)
        return [
            (FactorySetup(levels=levels, commit=commit, make=make, name=self.target), cases) for commit in CommitPolicy
        ]
