"""The soak: many threads on one store in this process, for minutes, on a real directory whose disk has faults injected.

The other grades look for a wrong order of few things. This one looks for what only time and threads show: an answer
that never comes, a lock held too long, a descriptor or a byte of memory that is never given back.

>>> from ackmodel import Level
>>> report = run_soak(Level.PAGE_CACHE, seed=1, seconds=1.0, threads=4)
>>> str(report.finding), report.operations > 0
('None', True)
"""

from acklab.soak.campaign import THREADS, run_soak

__all__ = ["THREADS", "run_soak"]
