"""What can go wrong between the rig and a target, each by its own name.

    >>> raise TargetHung("ack", 2.5)
    Traceback (most recent call last):
        ...
    ackcheck.rig.errors.TargetHung: no reply to 'ack' within 2.5 s; if the target may take longer, \
raise reply_timeout (--reply-timeout)
"""

from collections.abc import Sequence


class RigError(Exception):
    """The rig could not do, or the target did not do, what was asked. The base of the others."""


class TargetNotStarted(RigError):
    """The target's program could not be run at all."""

    def __init__(self, command: Sequence[str], reason: str) -> None:
        super().__init__(f"cannot start {' '.join(command)!r}: {reason}; check the command")


class NotForked(RigError):
    """A target cannot be started by a fork (`ackcheck.rig.nursery`), but only anew; the message says why."""


class TargetHung(RigError):
    """No reply within the time allowed. The operation's outcome is unknown."""

    def __init__(self, operation: str, seconds: float) -> None:
        super().__init__(
            f"no reply to {operation!r} within {seconds:g} s; if the target may take longer, "
            "raise reply_timeout (--reply-timeout)"
        )
        self.operation = operation
        self.seconds = seconds


class TargetDied(RigError):
    """The target's process ended, or closed its output, while the rig still needed it."""

    def __init__(self, returncode: int | None, unanswered: Sequence[str], stderr_tail: str) -> None:
        if returncode is None:
            how = "closed its output but did not exit"
        elif returncode < 0:
            how = f"was killed by signal {-returncode}"
        else:
            how = f"exited with status {returncode}"
        tail = f"; its standard error ends:\n{stderr_tail}" if stderr_tail else "; it wrote no error"
        named = f" ({', '.join(dict.fromkeys(unanswered))})" if unanswered else ""
        super().__init__(f"the target {how} with {len(unanswered)} requests unanswered{named}{tail}")
        self.returncode = returncode
        self.unanswered = tuple(unanswered)
        self.stderr_tail = stderr_tail


class TargetOutlived(RigError):
    """Something of the target lives on after it was killed, so that a restart would prove nothing."""

    def __init__(self, command: Sequence[str], left: Sequence[str]) -> None:
        super().__init__(
            f"{' '.join(command)!r} was killed, and this lives on: {', '.join(left)}; "
            "end it, and see why SIGKILL did not"
        )
        self.left = tuple(left)


class NoRoom(RigError):
    """The suite has no room left for what it tries; the message says where."""


class RigFailed(RigError):
    """The machine failed the rig in a way that no other name says; the message is the system's."""


class FileSystemDead(RigFailed):
    """The rig's own file system does not work, so that nothing can be said of a target which could not use it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file system of the rig does not work, which is not the target's: {reason}")


class ProtocolError(RigError):
    """A line that is not a reply (or not a request); the message shows it, and what should be."""


class TargetError(RigError):
    """The target answered a request with an exception of its own. Its outcome is unknown."""

    def __init__(self, operation: str, kind: str, message: str) -> None:
        super().__init__(f"the target's {operation!r} raised {kind}: {message}")
        self.operation = operation
        self.kind = kind
        self.message = message


class RigUnavailable(RigError):
    """This machine cannot run the machine-grade faults; the message is the reason."""


class MountFailed(RigError):
    """A command of the machine rig (mkfs, mount, umount ...) failed."""

    def __init__(self, command: Sequence[str], reason: str) -> None:
        super().__init__(f"{' '.join(command)!r} failed: {reason}")


class MountBusy(RigError):
    """The file system cannot be ended, because processes still hold files of it, or a copy of its mount (`copied`)."""

    def __init__(self, mountpoint: str, holders: Sequence[str], *, copied: bool = False) -> None:
        who = ", ".join(holders) or "an unknown holder"
        super().__init__(
            f"{mountpoint} is unmounted, and still mounted in a mount namespace of {who}; end it, or try again when no "
            "container or service is being started"
            if copied
            else f"{mountpoint} is held open by {who}; end it, or close its files, first"
        )
        self.holders = tuple(holders)
