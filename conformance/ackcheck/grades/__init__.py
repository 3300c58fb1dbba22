"""Grades of fault on real files: a process that is killed, a machine that loses power, a sync that really fails.

`run_process_grade` and `run_power_grade` judge a target of the suite: a Python factory (`module:factory`, served by
`ackcheck.rig.serve`), or the command line of a program in any language that speaks the same JSON Lines.

>>> from ackmodel import Level
>>> report = run_process_grade("acklab.reference.files:async_store", Level.PAGE_CACHE, seed=1, rounds=1)
>>> report.finding is None, report.cases, report.ran["SIGKILL"]
(True, 1, 1)

`OWN` are the grades of this package, in the order in which they run; `ackcheck.grade` says how to add one.
"""

from ackcheck.grade import Grade
from ackcheck.grades.campaign import Target
from ackcheck.grades.damage import DAMAGE, run_damage_grade
from ackcheck.grades.disk import DISK, run_disk_grade
from ackcheck.grades.draining import QueueNeverEmpty
from ackcheck.grades.power import POWER, run_power_grade
from ackcheck.grades.process import PROCESS, run_process_grade
from ackcheck.sim.grade import SIM

OWN: tuple[Grade, ...] = (SIM, PROCESS, POWER, DISK, DAMAGE)

__all__ = [
    "DAMAGE",
    "DISK",
    "OWN",
    "POWER",
    "PROCESS",
    "SIM",
    "QueueNeverEmpty",
    "Target",
    "run_damage_grade",
    "run_disk_grade",
    "run_power_grade",
    "run_process_grade",
]
