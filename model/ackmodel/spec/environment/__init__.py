"""What the store has no say in: consumers, deadlines, the operating system, the disk, and the power.

Here the *truth* of a record changes; what the store makes of it stands in `ackmodel.spec.protocol`. Each fault uses up
a budget of the configuration, so that every configuration is finite.

>>> from ..config import Config
>>> config = Config(process_crashes=1)
>>> shared, _ = config.initial()
>>> [cast.action for rule in BROADCAST for cast in rule(config, shared)]
['process_crash']
"""

from __future__ import annotations

from ..steps import BroadcastRule, LocalRule
from .consumers import ask_ack, ask_renewal, duplicate_ack, expire, late_ack, release, reuse_buffer
from .crashes import power_loss, process_crash
from .resets import reset_fails, reset_lies
from .syncs import late_sync_fails, late_sync_ok, sync_fails, sync_fails_again, sync_lies, sync_ok, sync_times_out
from .writes import fail_ack_write, fail_checkpoint_write, fail_renewal_write

LOCAL: tuple[LocalRule, ...] = (
    ask_ack,
    late_ack,
    duplicate_ack,
    reuse_buffer,
    ask_renewal,
    release,
    expire,
    fail_checkpoint_write,
    fail_ack_write,
    fail_renewal_write,
)
BROADCAST: tuple[BroadcastRule, ...] = (
    sync_ok,
    sync_lies,
    sync_fails,
    sync_fails_again,
    sync_times_out,
    late_sync_ok,
    late_sync_fails,
    reset_fails,
    reset_lies,
    process_crash,
    power_loss,
)

__all__ = ["BROADCAST", "LOCAL"]
