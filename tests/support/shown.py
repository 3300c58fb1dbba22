"""What a store with one message shows of itself, in the words of the model's lanes.

>>> state = {"store": ["phase: delivered", "checkpoint: cached", "ack: none", "mode: async"],
...          "cache": ["checkpoint (dirty)"], "disk": [], "offset": ["memory 0", "file 0", "disk 0"]}
>>> there = Shown.of(state)
>>> print(there)
delivered, checkpoint cached, ack none, async; disk -, cache checkpoint; offset 0 0 0

It may doubt more than it must, and believe no more:

>>> from attrs import evolve
>>> there.admits(evolve(there, checkpoint="suspect")), there.admits(evolve(there, checkpoint="flushed"))
(True, False)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen


@frozen
class Shown:
    """What can be seen of a store with one message, in the words of the model's lanes."""

    phase: str
    checkpoint: str
    ack: str
    mode: str
    disk: frozenset[str]
    """Records that a power loss would leave."""
    cache: frozenset[str]
    """Records that only the end of the process would leave."""
    offset: tuple[str, ...]

    @classmethod
    def of(cls, state: Mapping[str, Sequence[str]]) -> Shown:
        """Return what is shown in a state of the model (`ackexplore.reports.lanes`).

        An earlier checkpoint of the message is one, and where it is lost in a sync is no matter: it can be read.
        """
        believed = dict(line.split(": ", 1) for line in state["store"])
        return cls(
            believed["phase"],
            believed["checkpoint"],
            believed["ack"],
            believed["mode"],
            frozenset(state["disk"]),
            frozenset(line.partition(" (")[0] for line in state["cache"]),
            tuple(line.partition(" ")[2] for line in state["offset"]),
        )

    def admits(self, store: Shown) -> bool:
        """Tell whether a store may show this where the model is in this state.

        It may doubt what it need not (that costs a write), and have more on the disk than it knows of: what is dirty
        in the model may reach the disk at any time.
        """
        stages = ((self.checkpoint, store.checkpoint), (self.ack, store.ack))
        return (
            (self.phase, self.mode, self.offset) == (store.phase, store.mode, store.offset)
            and all(there == shown or (there, shown) == ("cached", "suspect") for there, shown in stages)
            and self.disk <= store.disk
            and self.disk | self.cache == store.disk | store.cache
        )

    def __str__(self) -> str:
        disk, cache = (", ".join(sorted(each)) or "-" for each in (self.disk, self.cache))
        believed = f"{self.phase}, checkpoint {self.checkpoint}, ack {self.ack}, {self.mode}"
        return f"{believed}; disk {disk}, cache {cache}; offset {' '.join(self.offset)}"
