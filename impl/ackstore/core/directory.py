"""Syncs of the one directory, one at a time.

The log needs its new segments' entries on disk, the offset file its rename. Both would sync the
same directory, and an error is reported once: were two syncs outstanding, one could return success
for entries that the other was told are lost. So requests that come while a sync is outstanding
share the next one, and a failure is told to everybody: those who wait, and through
`Host.directory_failed` the owner of any entry that no sync has covered yet, even when the sync that
failed had been given up long before.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import Protocol

from ackstore.core.effects import Effect, Failed, Handler, Result, SyncDir


class DirectoryUser(Protocol):
    """Whose entries are in the directory: a `Host`, or what stands for several."""

    def request(self, effect: Effect, then: Handler) -> int:
        """Have `effect` performed; `then` gets its result and the time."""

    def directory_failed(self, now: float) -> None:
        """Note that a sync of the directory failed: no entry is certain that none has covered."""


class Directory:
    """The entries of the store's directory."""

    def __init__(self, host: DirectoryUser, threads: int) -> None:
        self.host = host
        self.threads = threads
        """As many syncs may hang before no other is begun."""
        self.hanging = 0
        """Syncs that were given up, and have not returned."""
        self.round = 0
        """Counts the syncs asked for: a result of an earlier round is late."""
        self.serving: list[Handler] = []
        """Who waits for the outstanding sync; nobody when none is outstanding."""
        self.queued: list[Handler] = []
        """Who waits for the next."""

    @property
    def full(self) -> bool:
        """Whether nobody is left to perform another sync."""
        return self.hanging >= self.threads

    def sync(self, then: Handler) -> None:
        """Make every entry made up to now durable; `then` gets the result."""
        if self.serving:
            self.queued.append(then)
        else:
            self._begin([then])

    def give_up(self, now: float) -> None:
        """Give up the outstanding sync, which is overdue: its outcome is unknown, and counts as failed."""
        if self.serving:
            self.hanging += 1
            self._failed(Failed(errno.ETIMEDOUT), now)

    def _begin(self, handlers: list[Handler]) -> None:
        self.serving = handlers
        self.round += 1
        self.host.request(SyncDir(), partial(self._returned, self.round))

    def _returned(self, of_round: int, result: Result, now: float) -> None:
        late = of_round != self.round or not self.serving
        self.hanging -= late
        if isinstance(result, Failed):
            self.hanging += late and bool(self.serving)  # the outstanding one is given up with it
            self._failed(result, now)
        elif of_round == self.round and self.serving:
            serving, self.serving = self.serving, []
            queued, self.queued = self.queued, []
            if queued:
                self._begin(queued)
            for then in serving:
                then(result, now)

    def _failed(self, result: Failed, now: float) -> None:
        waiting = self.serving + self.queued
        self.serving, self.queued = [], []
        self.host.directory_failed(now)  # first: it must not see what the others do next
        for then in waiting:
            then(result, now)


class Closable(DirectoryUser, Protocol):
    """One of several owners."""

    closed: bool
    """Whether nothing happens to it any more."""


class SharedDirectory(Directory):
    """A directory in which several logs have entries, as one of them sees it: its syncs are those of the `whole`, and
    what comes of them is told to it until it is closed."""

    def __init__(self, whole: Directory, host: Closable) -> None:
        super().__init__(host, whole.threads)
        self.whole = whole
        self.owner = host

    @property
    def full(self) -> bool:
        """As the whole is."""
        return self.whole.full

    def sync(self, then: Handler) -> None:
        """Do as for the whole, with what others wait for."""
        self.whole.sync(partial(self._told, then))

    def give_up(self, now: float) -> None:
        """Give up the sync, which is overdue, whoever asked for it first."""
        self.whole.give_up(now)

    def _told(self, then: Handler, result: Result, now: float) -> None:
        if not self.owner.closed:
            then(result, now)
