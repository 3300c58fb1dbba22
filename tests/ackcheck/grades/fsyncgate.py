"""A bug of the zoo in segments so long that the file of a failed sync is the one that is synced again."""

from attrs import evolve

from ackcheck.reference import SMALL, StoreTarget
from ackcheck.zoo import BUGS


def target() -> StoreTarget:
    return StoreTarget(
        evolve(SMALL, segment_bytes=1 << 20), core_class=BUGS["retry-fsync-after-eio-reports-success"].core
    )
