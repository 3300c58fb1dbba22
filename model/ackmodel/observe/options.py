"""How an oracle goes about its work; what it finds is the same.

>>> OracleOptions(forget=True).locking
False
"""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class OracleOptions:
    """`forget`: keep nothing of messages that the offset on the disk has passed, so that memory stays bounded.
    `locking`: any thread may call, each for the operations that it makes.
    """

    forget: bool = False
    locking: bool = False
