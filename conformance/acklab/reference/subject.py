"""The reference store as the suite finds it (entry point `ackcheck.reference`): what is judged without a target.

>>> REFERENCE.served(Level.DISK)
'acklab.reference.files:sync_store'
"""

from __future__ import annotations

from attrs import frozen

from ackcheck.sim.setup import SimSetup
from acklab.reference import files, simulated
from ackmodel import Level


@frozen
class ReferenceStore:
    """An `ackcheck.lab.Reference`."""

    name: str = "the reference store"

    def served(self, level: Level) -> str:
        return files.name_of(level)

    def setups(self, level: Level, cases: int) -> list[tuple[SimSetup, int]]:
        return simulated.setups(level, cases)


REFERENCE = ReferenceStore()
