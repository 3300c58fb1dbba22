"""What can go wrong with the disk, each by its own name.

>>> raise BadFault("'on' is 'sync'; write one of flush, read, write")
Traceback (most recent call last):
    ...
ackcheck.disk.errors.BadFault: 'on' is 'sync'; write one of flush, read, write
"""

from ackcheck.rig.errors import RigError, RigUnavailable


class DiskUnavailable(RigUnavailable):
    """This machine cannot have a disk in user space; the message says what is missing, and what brings it."""


class DiskFailed(RigError):
    """The disk itself, its server or its file system did not do what was asked: nothing can be said of the target."""


class BadFault(ValueError):
    """A fault, or another command to the disk, that means nothing; the message says what to write."""


class ImageNotMounted(DiskFailed):
    """The file system cannot be mounted from an image: it could not keep its own promise, whatever the target did."""
