"""Hurts a target on real files: kills its process, cuts its power, fails its syncs.

A target here is any program that speaks JSON Lines on its standard streams (`child`, and `serve`
for targets written in Python). Two grades of fault:

* *process* (`child`, `killpoint`): SIGKILL at a chosen point, with requests in flight. What was written
  stays in the page cache; what was only in memory is gone.
* *machine* (`machine`, `writeback`, `fullback`): the target's directory is an ext4 file system in
  an image file. Its power is cut, and what was not synced is really gone; or its disk fills up
  behind its back, and a sync really fails, once. Needs root and loop devices, and says so.
"""

from ackcheck.rig.child import Child
from ackcheck.rig.errors import (
    MountBusy,
    MountFailed,
    ProtocolError,
    RigError,
    RigUnavailable,
    TargetDied,
    TargetError,
    TargetHung,
    TargetNotStarted,
)
from ackcheck.rig.exchange import Exchange, Killed
from ackcheck.rig.fullback import FullBackingRig
from ackcheck.rig.killpoint import AfterDelay, AfterReplies, choose_kill
from ackcheck.rig.machine import PowerRig, available
from ackcheck.rig.writeback import Range, Writeback, choose_writeback

__all__ = [
    "AfterDelay",
    "AfterReplies",
    "Child",
    "Exchange",
    "FullBackingRig",
    "Killed",
    "MountBusy",
    "MountFailed",
    "PowerRig",
    "ProtocolError",
    "Range",
    "RigError",
    "RigUnavailable",
    "TargetDied",
    "TargetError",
    "TargetHung",
    "TargetNotStarted",
    "Writeback",
    "available",
    "choose_kill",
    "choose_writeback",
]
