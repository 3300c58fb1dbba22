"""What can be wrong, by name. Every message says what was found and how to mend it.

`StoreError` covers them all. `UsageError` is a mistake in the call: nothing was submitted.
`DirectoryError` is about where the store lives, and `LogError` about what its files hold: nothing
was changed by the attempt to open them.

>>> issubclass(LogDamaged, LogError), issubclass(CountOutOfRange, UsageError)
(True, True)
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything this package raises on purpose."""


class UsageError(StoreError):
    """The call itself is wrong; nothing was submitted."""


class CountOutOfRange(UsageError):
    """A count that is no integer, too small, or beyond the configured limit."""


class DurationOutOfRange(UsageError):
    """A time in seconds that is no finite number within the limits."""


class QueueNameInvalid(UsageError):
    """A queue name that is not `topic/group/number`."""


class TooManyQueues(UsageError):
    """A new queue beyond `Config.max_queues`."""


class QueueUnknown(UsageError):
    """A queue that was never published, and of which the log knows nothing."""


class ConfigInvalid(UsageError):
    """A setting outside its range."""


class StoreClosed(UsageError):
    """An operation on a store that is closed, or closing."""


class ResetsExhausted(UsageError):
    """A reset of a queue beyond those that an epoch can number."""


class StoreForked(UsageError):
    """A call in a child of the process that opened the store."""


class StoreStalled(StoreError):
    """A write that does not return holds the store: nothing was done."""


class StoreBroken(StoreError):
    """A background thread of the store has died; it can promise nothing more until it is opened
    again.
    """


class MetricsMissing(StoreError, ImportError):
    """`ackstore.metrics` needs prometheus-client, which is not installed."""


class DirectoryError(StoreError):
    """The directory cannot hold a store."""


class DirectoryIsAFile(DirectoryError):
    """The path names a file."""


class DirectoryNameInvalid(DirectoryError):
    """A path that no file system takes."""


class NoStore(DirectoryError):
    """There is no store to be looked at."""


class DirectoryNotEmpty(DirectoryError):
    """A snapshot was to go where something is already."""


class FileIsALink(DirectoryError):
    """A file of the store is a symbolic link, has another name as well, or is no regular file."""


class DirectoryNotWritable(DirectoryError):
    """The directory cannot be created, entered or written."""


class DirectoryInUse(DirectoryError):
    """Another process, or another store in this one, holds the directory."""


class LogError(StoreError):
    """The files do not hold what a store left there."""


class LogDamaged(LogError):
    """Bytes that were proved durable are missing or changed."""


class NumbersExhausted(LogError):
    """The directory was opened, or its segments were full, more often than an epoch can number."""


class LogUnreadable(LogError):
    """The operating system failed to read a file."""


class LogsDiffer(LogError):
    """The directory holds another number of logs than the settings say."""


class OffsetsDamaged(LogError):
    """The offset file is not what was written."""


class OffsetsAheadOfLog(LogDamaged):
    """The offset file claims more than the log holds: part of the log is gone."""


class FutureFormat(LogError):
    """A file written by a later version of this package."""


def shown(value: object) -> str:
    """Return a value that is wrong as a message shows it: as it is written in Python, and cut where that is long.

    >>> shown("x" * 99), shown(10**5000)
    ("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", 'an int of 16610 bits')
    """
    if isinstance(value, int) and value.bit_length() > LONG_NUMBER:
        return f"an int of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


SHOWN = 60
"""Characters of a wrong value that a message shows."""
LONG_NUMBER = 128
"""Bits beyond which a number is not written out: Python refuses to, somewhere."""
