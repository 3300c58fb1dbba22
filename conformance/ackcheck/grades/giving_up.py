"""A file system that gives up while the target works on it, and what the target's answers are worth then.

Where its journal cannot be written ext4 fails the sync that meets that, and says OK to the next one of any file, though
what that file has since its last sync is not on the disk: of another file, too, no sync of which ever failed
(specs/filesystems.md). No store can see that, so it must be no finding. From when the disk is made to fail until the
file system is seen to work, nothing that was answered is held to have been synced.

>>> "xfs" in SAY_OK   # which says EIO for ever
False
"""

from __future__ import annotations

from typing import Final

from ackcheck.grades.session import Session

SAY_OK: Final = ("ext4", "ext4-writeback")
"""File systems that say OK to a sync after they have given up (tests/ackcheck/disk/test_given_up.py)."""


def doubt_syncs(session: Session, filesystem: str) -> None:
    """Note that the disk is about to fail, so that the file system may give up."""
    if filesystem in SAY_OK:
        session.panel.each(lambda oracle: oracle.doubt_syncs())


def believe_syncs(session: Session, *, gave_up: bool) -> None:
    """Note whether the file system has given up since; if not, what was answered counts as ever."""
    if gave_up:
        session.ran["file system that gave up"] += 1
        session.note("disk", "carries a file system that has given up: it says OK to syncs, and loses the bytes")
    else:
        session.panel.each(lambda oracle: oracle.syncs_were_real())
