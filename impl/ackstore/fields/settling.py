"""The functions of `ackstore.fields.plain.settling`: compiled ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ackstore.fields import COMPILED

if TYPE_CHECKING or not COMPILED:
    from ackstore.fields.plain.settling import bytes_of, first_unsettled, settle, settle_run, settled_run, timers_of
else:
    from ackstore.fields.compiled.settling import (
        bytes_of,
        first_unsettled,
        settle,
        settle_run,
        settled_run,
        timers_of,
    )

__all__ = ["bytes_of", "first_unsettled", "settle", "settle_run", "settled_run", "timers_of"]
