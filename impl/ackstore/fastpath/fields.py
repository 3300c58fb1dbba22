"""The classes of `ackstore.fastpath.plain.fields`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fastpath import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fastpath.plain.fields import (
        CoreFields,
        DiskFields,
        EntryFields,
        FileFields,
        FlusherFields,
        LogFields,
        MergeFields,
        PathFields,
        QueueFields,
        RecordFields,
        SegmentFields,
        StoreFields,
    )
else:
    from ackstore.fastpath.compiled.fields import (
        CoreFields,
        DiskFields,
        EntryFields,
        FileFields,
        FlusherFields,
        LogFields,
        MergeFields,
        PathFields,
        QueueFields,
        RecordFields,
        SegmentFields,
        StoreFields,
    )

__all__ = [
    "CoreFields",
    "DiskFields",
    "EntryFields",
    "FileFields",
    "FlusherFields",
    "LogFields",
    "MergeFields",
    "PathFields",
    "QueueFields",
    "RecordFields",
    "SegmentFields",
    "StoreFields",
]
