"""What must happen in the end, in the model and in its twin in TLA+: which clauses a fair run may never come to keep.

>>> from ackmodel import Config
>>> sorted(stalled(Config(rules={"flush-when-idle": False})))
['commit-progresses', 'flush-when-idle']
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

from ackexplore import explore
from ackexplore.graph.progress import check_progress
from ackmodel import Config
from twin import MODULES, TlcFailed, constants_of, run

PROPERTIES = {
    "flush-when-idle": "FlushWhenIdle",
    "commit-progresses": "CommitProgresses",
    "no-limbo": "NoLimboInTheEnd",
    "reply-exactly-once": "ReplyExactlyOnceInTheEnd",
    "flush-degrades": "FlushDegradesInTheEnd",
}
"""By clause, the name of what it asks for in InTheEnd.tla."""


def stalled(config: Config) -> set[str]:
    """Return the clauses of which `ackexplore` finds a fair run that never comes to what they ask for."""
    return {finding.clause.value for finding in check_progress(explore(config)) if finding.lasso}


def agrees(config: Config, clauses: Collection[str], modules: Path = MODULES) -> bool:
    """Return whether TLC finds such a run for each of these clauses, and for none of the others."""
    others = [clause for clause in PROPERTIES if clause not in clauses]
    return kept(config, others, modules) and not any(kept(config, [clause], modules) for clause in clauses)


def kept(config: Config, clauses: Collection[str], modules: Path = MODULES) -> bool:
    """Return whether every fair run comes to what all these clauses ask for, as TLC finds."""
    lines = ["SPECIFICATION FairSpec", "PROPERTIES " + " ".join(PROPERTIES[clause] for clause in clauses)]
    with tempfile.TemporaryDirectory(prefix="ackcheck-tlc-") as folder:
        file = Path(folder) / "InTheEnd.cfg"
        file.write_text("\n".join([*lines, *constants_of(config), "  Noted <- Unnoted", ""]), encoding="utf-8")
        try:
            run(file, "InTheEnd.tla", modules, quick=True)
        except TlcFailed as failed:
            if "Temporal properties were violated" in str(failed):
                return False
            raise
    return True
