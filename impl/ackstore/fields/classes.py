"""The classes of `ackstore.fields.plain.classes`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fields import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fields.plain.classes import (
        CoreFields,
        DiskFields,
        DriverFields,
        EntryFields,
        FileFields,
        FlusherFields,
        LockFields,
        LogFields,
        MergeFields,
        PathFields,
        QueueFields,
        RecordFields,
        SegmentFields,
    )
else:
    from ackstore.fields.compiled.classes import (
        CoreFields,
        DiskFields,
        DriverFields,
        EntryFields,
        FileFields,
        FlusherFields,
        LockFields,
        LogFields,
        MergeFields,
        PathFields,
        QueueFields,
        RecordFields,
        SegmentFields,
    )

__all__ = [
    "CoreFields",
    "DiskFields",
    "DriverFields",
    "EntryFields",
    "FileFields",
    "FlusherFields",
    "LockFields",
    "LogFields",
    "MergeFields",
    "PathFields",
    "QueueFields",
    "RecordFields",
    "SegmentFields",
]
