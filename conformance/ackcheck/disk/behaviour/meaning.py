"""What a row says in the words of the model.

>>> from ackcheck.disk.behaviour.cases import Case
>>> row = Row(Case("ext4", "append", "data", "in place"), 1, "OK", ("EIO",), "EIO", "OK", False, "new", "works",
...           "", "OK", "new", "zeros", "zeros")
>>> meaning_of(row)
Meaning(sync_error='', failed_page='kept', rewrite='lost')
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ackcheck.disk.behaviour.probe import Row

IN_PART: Final = frozenset({"that part", "that part, old", "that part, zeros"})


@frozen
class Meaning:
    """Settings of the model; empty where the row does not tell, or the file system stopped, which the model has not."""

    sync_error: str = ""
    failed_page: str = ""
    rewrite: str = ""
    """What a write of the same bytes, and a sync that says OK, come to: `kept`, `lost`, `in part` where only what was
    written again is there, or empty for none. `lost` is the setting `in_place` of the model."""


def meaning_of(row: Row) -> Meaning:
    """Return what a row says."""
    if not row.hits:
        return Meaning()
    rewrite = ""
    if row.again == "OK":
        rewrite = "kept" if row.remounted == row.again_dropped == "new" else "lost"
        if {row.remounted, row.again_dropped} <= IN_PART:
            rewrite = "in part"
    if row.state != "works":
        return Meaning(rewrite=rewrite)
    return Meaning(_sync_error(row), "kept" if row.reads == "new" else "reverted", rewrite)


def _sync_error(row: Row) -> str:
    """Return which sync is told, as far as three in a row on the same descriptor show it."""
    failed = [answer != "OK" for answer in row.syncs]
    if len(failed) < 2 or row.write != "OK":  # a write past the page cache is told itself
        return ""
    if failed[0]:
        return "each" if failed[1] else "once"
    return "late" if failed[1] else "never"
