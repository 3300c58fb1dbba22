"""What file systems really do when a write or a flush fails: tried, row by row, on a disk whose every fault is certain.

`cases` are tried by `probe`; `meaning` says of a row which settings of the model it stands for. `ackcheck disk
--profile` prints all of it, and `specs/filesystems.md` keeps one such table, with its kernel and mount options.

>>> sorted({case.kind for case in cases(["xfs"])})
['append', 'direct', 'mmap', 'new entry', 'overwrite', 'preallocated', 'rename']
"""

from ackcheck.disk.behaviour.cases import VARIANTS, Case, cases
from ackcheck.disk.behaviour.meaning import Meaning, meaning_of
from ackcheck.disk.behaviour.probe import Row, probe
from ackcheck.disk.behaviour.retries import TRIED, Retries, retries

__all__ = ["TRIED", "VARIANTS", "Case", "Meaning", "Retries", "Row", "cases", "meaning_of", "probe", "retries"]
