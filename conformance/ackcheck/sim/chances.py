"""What Hypothesis draws from: the seed, and nothing of this process.

Hypothesis mixes in constants that it reads from the source of whatever modules have been imported and lie in no
`site-packages`. So a seed would say one thing in a checkout and another where the package is installed, and one to
the command line and another to a worker of a cluster, which has imported less.

>>> with of_the_seed_only():
...     len(providers._get_local_constants())
0
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis.internal.conjecture import providers


@contextmanager
def of_the_seed_only() -> Iterator[None]:
    """Have Hypothesis use no constants of modules while this lasts; versions that know of none are left alone."""
    collect = getattr(providers, "_get_local_constants", None)
    if collect is None:
        yield
        return
    none = type(collect())()
    providers._get_local_constants = lambda: none
    providers.CONSTANTS_CACHE.cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = collect
        providers.CONSTANTS_CACHE.cache.clear()
