"""Which faults were seen to hit the target: a fault that nobody saw hit proves nothing of the store that lived on.

The rigs make a `Hit` of each fault, from what they saw themselves and never from what the target says of itself.
A campaign adds them up:

>>> hits = Hits()
>>> hits = hits.plus(Hit(Fault.PROCESS_CRASH, held_by="cgroup v2", killed=2, wrote=3))
>>> hits = hits.plus(Hit(Fault.PROCESS_CRASH, held_by="cgroup v2", missed="process 71 (redis-server) lived on"))
>>> hits.seen(Fault.PROCESS_CRASH), hits.tried(Fault.PROCESS_CRASH)
(1, 2)
>>> hits.reasons(Fault.PROCESS_CRASH)
('process 71 (redis-server) lived on',)

A target that never wrote anything to its directory keeps what it promises somewhere else, which no fault has reached:

>>> elsewhere = Hits().plus(Hit(Fault.PROCESS_CRASH, "cgroup v2", killed=1, peers=("process 71 (redis-server)",)))
>>> elsewhere.seen(Fault.PROCESS_CRASH), elsewhere.reasons(Fault.PROCESS_CRASH)[0].partition("; ")[2]
(0, 'it is connected to process 71 (redis-server): have the target start that server, or name it with --server')
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import evolve, frozen

NEVER_WROTE = "the target never wrote to its directory: what it keeps is somewhere else, where no fault reached it"
REACHED = "; it is connected to {}: have the target start that server, or name it with --server"


class Fault(StrEnum):
    """What a rig does to a target on real files."""

    CLEAN_RESTART = "clean restart"
    PROCESS_CRASH = "process crash"
    POWER_LOSS = "power loss"
    FAILED_SYNC = "failed sync"
    STALLED_SYNC = "stalled sync"
    DAMAGE = "damage"


@frozen
class Hit:
    """One fault, as the rig saw it. Where `missed` is not empty it does not count, and `missed` says why."""

    fault: Fault
    held_by: str
    """By what all processes of the target were held together, and seen to be gone (`ackcheck.rig.contained`); empty
    where they had ended by themselves."""
    killed: int = 0
    """Processes that were ended by it."""
    wrote: int = 0
    """Files of its directory that the target had made, changed or removed since it was started."""
    lost: int = 0
    """Bytes that the target had written, and the disk has not."""
    refused: int = 0
    """Writes that the disk refused at a sync (a failed one), or syncs that it held up (stalled ones)."""
    missed: str = ""
    """Why it does not count; empty where it does."""
    peers: tuple[str, ...] = ()
    """Processes that the target did not start, and was connected to."""

    @property
    def came_to(self) -> Fault:
        """What it was to the target: a sync that did not fail, or was not held, was the end of the process only."""
        unseen = self.missed and self.fault in (Fault.FAILED_SYNC, Fault.STALLED_SYNC)
        return Fault.PROCESS_CRASH if unseen else self.fault


@frozen
class Hits:
    """All faults of a campaign, in the order in which they came."""

    all: tuple[Hit, ...] = ()

    def plus(self, *hits: Hit) -> Hits:
        """Return it with more faults."""
        return evolve(self, all=(*self.all, *hits))

    def of(self, fault: Fault) -> tuple[Hit, ...]:
        """Return the faults of one kind, those that missed too."""
        return tuple(hit for hit in self.all if hit.fault is fault)

    def tried(self, fault: Fault) -> int:
        """Return how often one kind of fault was tried."""
        return len(self.of(fault))

    @property
    def wrote(self) -> bool:
        """Whether the target was ever seen to write to its directory."""
        return any(hit.wrote or hit.lost for hit in self.all)

    def seen(self, fault: Fault) -> int:
        """Return how often one kind of fault was seen to hit: none, if the target never wrote to its directory."""
        return sum(not hit.missed for hit in self.of(fault)) if self.wrote else 0

    def reasons(self, fault: Fault) -> tuple[str, ...]:
        """Return why faults of one kind do not count, each reason once."""
        reasons = [hit.missed for hit in self.of(fault) if hit.missed]
        if self.of(fault) and not self.wrote:
            peers = ", ".join(dict.fromkeys(peer for hit in self.all for peer in hit.peers))
            reasons.append(NEVER_WROTE + (REACHED.format(peers) if peers else ""))
        return tuple(dict.fromkeys(reasons))

    @property
    def held_by(self) -> tuple[str, ...]:
        """Return by what the target's processes were held together, each kind once."""
        return tuple(dict.fromkeys(hit.held_by for hit in self.all if hit.held_by))

    def as_json(self) -> dict[str, Any]:
        """Return it as `ackcheck run --json` writes it.

        >>> Hits((Hit(Fault.POWER_LOSS, "subreaper", killed=1, wrote=2, lost=4096),)).as_json()["faults"]
        {'power loss': {'tried': 1, 'seen': 1, 'missed': []}}
        """
        tried = [fault for fault in Fault if self.of(fault)]
        return {
            "held_by": list(self.held_by),
            "lost_bytes": self.lost(),
            "refused_writes": self.refused(Fault.FAILED_SYNC),
            "held_syncs": self.refused(Fault.STALLED_SYNC),
            "faults": {
                fault.value: {
                    "tried": self.tried(fault),
                    "seen": self.seen(fault),
                    "missed": list(self.reasons(fault)),
                }
                for fault in tried
            },
        }

    def __str__(self) -> str:
        """Return it in a line, for people; empty where no fault was tried.

        >>> print(Hits((Hit(Fault.PROCESS_CRASH, "cgroup v2", killed=1, wrote=2),)))
        process crash seen to hit 1 of 1; processes held by cgroup v2
        """
        tried = [fault for fault in Fault if self.of(fault)]
        parts = [", ".join(f"{fault.value} seen to hit {self.seen(fault)} of {self.tried(fault)}" for fault in tried)]
        if self.lost():
            parts.append(f"{self.lost():,} bytes lost")
        if refused := self.refused(Fault.FAILED_SYNC):
            parts.append(f"{refused:,} writes refused")
        if held := self.refused(Fault.STALLED_SYNC):
            parts.append(f"{held:,} syncs held")
        if holders := ", ".join(self.held_by):
            parts.append(f"processes held by {holders}")
        return "; ".join(filter(None, parts))

    def lost(self) -> int:
        """Return how many bytes the disk dropped that the target had written."""
        return sum(hit.lost for hit in self.all)

    def refused(self, fault: Fault) -> int:
        """Return how many syncs were refused, or held up."""
        return sum(hit.refused for hit in self.of(fault) if not hit.missed)
