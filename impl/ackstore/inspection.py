"""What a directory holds, without changing it: its segments and records, what of them is proved, and how the queues
stand; where the store would not open, what could be saved.

>>> import tempfile
>>> from ackstore.store import Store
>>> with Store(tempfile.mkdtemp()) as store:
...     store.publish("orders", 2)
...     store.ack(store.pop("orders")[0].receipt)
<Reply.OK: 'OK'>
>>> found = inspect(store.path)
>>> found.problem, found.in_use_by, [(each.file, each.records) for each in found.logs[0].segments]
(None, None, [('log-00000001.seg', 2)])
>>> [(each.queue, each.offset, each.in_hand) for each in found.logs[0].queues]
[('orders/default/0', 1, 0)]
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ackstore.core.queues import Queue
from ackstore.core.replay import replay
from ackstore.format.filenames import FileNames, check_logs, names_of
from ackstore.format.offsetfile import decode_offsets
from ackstore.format.records import ACK, CHECKPOINT, DEAD, RENEW, RESET, STATE, Scan, decode_record, scan
from ackstore.format.recovery import Laid, Recovered, lay_out, recover
from ackstore.runtime.directory_lock import LOCK
from ackstore.runtime.files import FileReader
from ackstore.words.config import Config
from ackstore.words.errors import DirectoryError, LogError, NoStore
from ackstore.words.identity import QueueId

KINDS = {CHECKPOINT: "checkpoint", ACK: "ack", RENEW: "renew", DEAD: "dead", RESET: "reset", STATE: "state"}
"""The kinds of record, as they are shown; another is `unknown`."""


@frozen
class SegmentFound:
    """One file of the log."""

    file: str
    bytes: int
    epoch: int | None
    """Which open of the store wrote it; None where its header is torn, so that nothing in it counts."""
    first: int
    last: int
    """The LSNs of its whole records; 0 where there are none."""
    records: int
    kinds: Mapping[str, int]
    synced: int
    """The highest LSN that something in it states to have been synced."""
    damaged_at: int | None
    """The first byte that belongs to no whole record."""


@frozen
class QueueFound:
    """How one queue stands."""

    queue: str
    offset: int
    """The consumer offset."""
    settled_below: int
    """All messages below this one are settled."""
    next_new: int
    """All new messages below this one were handed out."""
    in_hand: int
    """Handed out and not settled."""
    settled_above: int
    """Settled above a gap."""
    dead: int
    generation: int
    """How many resets there were."""


@frozen
class LogFound:
    """One log."""

    log: int
    segments: tuple[SegmentFound, ...]
    first: int
    last: int
    """The LSNs of the history, up to the first hole; 0 where there is none."""
    proved: int
    """Everything up to this LSN had been synced."""
    beyond: int
    """Whole records behind the first hole."""
    offsets_flushed: int | None
    """The LSN that the offset file derives from; None without one that can be read."""
    queues: tuple[QueueFound, ...]
    """As of the end of the history."""
    problem: str | None
    """Why the store would not open; None if it would."""
    could_be_saved: str | None


@frozen
class Inspection:
    """A directory."""

    directory: str
    in_use_by: int | None
    """The process that has the store open: what is found may be of different instants then."""
    room_kept: int
    """Bytes of the files that keep room on the disk."""
    logs: tuple[LogFound, ...]
    problem: str | None
    """Why it would not open; None if it would."""


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Look at a store's directory. Raise `NoStore` where there is none, and `DirectoryError` for what is no directory
    of one; what is wrong with its files is in what is returned."""
    directory = Path(path).absolute()
    reader = FileReader(directory)
    try:
        names = os.listdir(directory)
        kept = sum((directory / name).lstat().st_size for name in names if name.startswith("reserve"))
    except OSError as error:
        raise NoStore(f"{directory} cannot be looked at ({error.strerror}): give the directory of a store") from error
    except ValueError as error:
        raise NoStore(f"{directory!r} can name no directory ({error}): give the directory of a store") from error
    found = sorted({each for name in names if (each := names_of(name))}, key=lambda each: (each.logs, each.log))
    if not found:
        raise NoStore(f"{directory} holds no segment and no offset file: give the directory of a store")
    try:
        check_logs(names, found[0].logs)
        mixed = None
    except LogError as error:
        mixed = str(error)
    logs = tuple(_log(reader, names, each) for each in found)
    problem = next((each.problem for each in logs if each.problem), mixed)
    return Inspection(str(directory), _holder(directory), kept, logs, mixed or problem)


def _holder(directory: Path) -> int | None:
    """Return the process that holds the directory's lock. Asking the lock itself could keep a store out."""
    try:
        inode = (directory / LOCK).lstat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    for line in held.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


def _log(reader: FileReader, names: list[str], files: FileNames) -> LogFound:
    """Look at one log: at its segments one by one, and at how the store would open it."""
    problem: str | None = None
    segments, scans = [], []
    for _number, name in sorted((number, name) for name in names if (number := files.number_of(name)) is not None):
        try:
            data = reader.read(name)
            scans.append(scan(name, data))
            segments.append(_segment(scans[-1], data))
        except (LogError, DirectoryError) as error:
            problem = problem or str(error)
    offsets = None
    try:
        offsets = decode_offsets(files.offsets, reader.read(files.offsets)) if files.offsets in names else None
    except (LogError, DirectoryError) as error:
        problem = problem or str(error)
    laid = lay_out(scans, offsets.flushed if offsets else 0)
    queues, refused = _opened(reader, files)
    problem = problem or refused
    saved = None
    if problem:
        queues, saved = _saved(reader, files, laid)
    last = laid.last
    return LogFound(
        log=files.log,
        segments=tuple(segments),
        first=laid.pieces[0].first if laid.pieces else 0,
        last=last,
        proved=laid.proved,
        beyond=sum(max(run.last - max(run.first, last + 1) + 1, 0) for each in scans for run in each.runs),
        offsets_flushed=offsets.flushed if offsets else None,
        queues=tuple(_queue(queue) for _token, queue in sorted(queues.items())),
        problem=problem,
        could_be_saved=saved,
    )


def _segment(found: Scan, data: bytes) -> SegmentFound:
    kinds: Counter[str] = Counter()
    for run in found.runs:
        at = run.at
        for _ in range(run.first, run.last + 1):
            kind, _payload, whole = decode_record(data, at)
            kinds[KINDS.get(kind, "unknown")] += 1
            at += len(whole)
    return SegmentFound(
        file=found.file,
        bytes=found.size,
        epoch=found.header.epoch if found.header else None,
        first=min((run.first for run in found.runs), default=0),
        last=max((run.last for run in found.runs), default=0),
        records=kinds.total(),
        kinds=dict(sorted(kinds.items())),
        synced=found.synced,
        damaged_at=found.damaged_at,
    )


def _new_queue(queue: QueueId) -> Queue:
    return Queue(queue, commits_checkpoints=False)


def _opened(reader: FileReader, files: FileNames) -> tuple[dict[str, Queue], str | None]:
    """Return the queues as the store would open them, or why it would not."""
    try:
        recovered = recover(Config(logs=files.logs), reader, files.log)
        return replay(recovered, _new_queue)[0], None
    except (LogError, DirectoryError) as error:
        return {}, str(error)


def _saved(reader: FileReader, files: FileNames, laid: Laid) -> tuple[dict[str, Queue], str]:
    """Return how the queues stand by what is whole from the beginning on, and what that is worth."""
    if not laid.pieces:
        return {}, "no record counts: nothing could be saved"
    whole = Recovered(proved=laid.last, last=laid.last, pieces=laid.pieces, reader=reader, names=files)
    try:
        queues, _ = replay(whole, _new_queue)
    except LogError as error:
        return {}, f"the records cannot be read by this release: {error}"
    first, last = laid.pieces[0].first, laid.last
    if laid.proved > last:
        lost = f"what the {laid.proved - last} records after it say would be lost: their messages would come back"
        return queues, f"records {first} to {last} are whole, and the queues stood then as listed; {lost}"
    return queues, f"all records, {first} to {last}, are whole: by them alone the queues stand as listed"


def _queue(queue: Queue) -> QueueFound:
    seen = queue.stats(queue.committed)
    return QueueFound(
        queue=str(queue.id),
        offset=seen.committed,
        settled_below=seen.floor,
        next_new=seen.next_new,
        in_hand=seen.delivered or 0,
        settled_above=(seen.settled or 0) + (seen.acking or 0),
        dead=seen.dead,
        generation=queue.generation,
    )
