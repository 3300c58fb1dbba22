"""The settings under which the reference store claims each level.

Each grade has settings of its own, under which a run meets as much as it can: small segments in the simulation, limits
that are soon reached in the soak. What makes them claim a level is the same everywhere: the merge buffer for `memory`,
nothing for `page-cache`, mode sync for `disk`.

>>> by_level(Config(), merge_stay=0.2)["memory"].merge, by_level(Config(), merge_stay=0.2)["disk"].mode
(True, 'sync')
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ackstore.words.config import Config

MEMORY, PAGE_CACHE, DISK = "memory", "page-cache", "disk"
"""The levels, by their names in `ackmodel.Level`: a target is started very often, and does without the model."""


def by_level(settings: Config, *, logs: int = 1, **merging: Any) -> Mapping[str, Config]:
    """Return the settings for each level, by its name; `merging` is how long and how much the merge buffer keeps,
    and `logs` how many logs there are at level disk."""
    return {
        MEMORY: evolve(settings, merge=True, **merging),
        PAGE_CACHE: settings,
        DISK: evolve(settings, mode="sync", logs=logs),
    }
