"""How a thread takes the store's lock.

>>> import threading
>>> lock = threading.Lock()
>>> take_turns(lock.acquire)
True
"""

from __future__ import annotations

import time
from collections.abc import Callable

TURNS, NAP = 50, 0.0002
"""How often, and for how many seconds each time, a thread stays aside that finds another in the store."""
SLEEP = 0.05
"""For how many seconds it then sleeps on the lock."""


def take_turns(acquire: Callable[..., bool]) -> bool:
    """Take a lock whose holders keep the GIL while they have it, but for now and then. False where a holder keeps it
    for longer than that takes, as in a write that hangs: then the long way answers in time.

    A thread that sleeps on such a lock is given it while it still waits for the GIL; so whoever runs meanwhile finds
    the lock taken and lets the GIL go, to sleep likewise. From then on every turn takes two wake-ups, and no thread
    ever finds the lock free: all of them together are much slower than one alone. One that stays aside instead finds
    it free, as soon as the holder has the GIL. (In the end it sleeps on the lock all the same, lest others starve it.)
    """
    for _ in range(TURNS):
        if acquire(False):
            return True
        time.sleep(NAP)
    return acquire(True, SLEEP)
