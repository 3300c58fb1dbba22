"""Which part of the unsynced data survives: what the kernel wrote back by itself before the cut.

A power cut loses any subset of what was not synced, not always all of it, because the kernel writes
dirty pages and commits the journal whenever it likes. `choose_writeback` picks such a subset by
seed, and `PowerRig.power_loss` has it written before the cut:

    >>> import random, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "log").write_bytes(bytes(40_000))
    ...     chosen = choose_writeback(random.Random(4), Path(folder))
    >>> chosen.metadata
    True

Measured on ext4 (Linux 6.18, data=ordered, delayed allocation):

* nothing: files created since the last commit are gone; appended bytes are gone, lengths too.
* the journal (`metadata`): creates, renames and unlinks survive, data does not. A new file is there
  and empty; a file renamed over another without a sync has replaced it, and is empty.
* `ranges`: these pages survive, at least (the kernel may write neighbours with them: a folio). With
  the journal, the file is as long as its last surviving page, and the pages before it that were not
  written read as zeros: valid records may follow a hole. Without it, the length is the old one;
  only an overwrite in place shows.
* `files`: as if the kernel had synced them, which commits the journal too.
"""

import contextlib
import ctypes
import os
import random
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

PAGE = 4096

# From linux/fs.h: SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
WRITE_AND_WAIT = 1 | 2 | 4


@frozen
class Range:
    """Bytes `start` to `start + length` of a file, named relative to the target's directory."""

    name: str
    start: int
    length: int


@frozen(kw_only=True)
class Writeback:
    """What is written before the power is cut. Names are relative to the target's directory."""

    files: tuple[str, ...] = ()
    """Synced whole."""
    ranges: tuple[Range, ...] = ()
    """Page ranges written, without their metadata."""
    metadata: bool = False
    """Whether the journal is committed, after the ranges."""


NOTHING = Writeback()


def choose_writeback(rng: random.Random, directory: Path) -> Writeback:
    """Return a subset by seed, for the files that are there now: nothing, journal, files, or page ranges.

    The same seed and the same files (names and sizes) give the same choice.
    """
    sizes = dict(sorted(_sizes(directory).items()))
    kind = rng.choice(("nothing", "metadata", "files", "ranges", "ranges"))
    if kind == "nothing" or not sizes:
        return NOTHING
    if kind == "metadata":
        return Writeback(metadata=True)
    if kind == "files":
        return Writeback(files=tuple(name for name in sizes if rng.random() < 0.5), metadata=True)
    ranges = [
        Range(name, page * PAGE, PAGE) for name, size in sizes.items() for page in _some_pages(rng, -(-size // PAGE))
    ]
    return Writeback(ranges=tuple(ranges), metadata=rng.random() < 0.75)


def _some_pages(rng: random.Random, pages: int) -> list[int]:
    """Return a few of the last pages, where unsynced bytes are, and seldom one further back."""
    recent = range(max(0, pages - 16), pages)
    chosen = {page for page in recent if rng.random() < 0.4}
    if pages and rng.random() < 0.1:
        chosen.add(rng.randrange(pages))
    return sorted(chosen)


def _sizes(directory: Path) -> dict[str, int]:
    sizes = {}
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the target may still run, and unlink
            if path.is_file():
                sizes[str(path.relative_to(directory))] = path.stat().st_size
    return sizes


def write_back(plan: Writeback, directory: Path, *, bystander: Path) -> None:
    """Have the kernel write what the plan names; files that are gone by now are passed over.

    `bystander` is a file on the same file system, outside `directory`, that is written and synced
    to commit the journal. Raises `OSError` when the kernel cannot write.
    """
    for span in plan.ranges:
        with contextlib.suppress(FileNotFoundError), _opened(directory / span.name) as descriptor:
            sync_range(descriptor, span.start, span.length)
    for name in plan.files:
        with contextlib.suppress(FileNotFoundError), _opened(directory / name) as descriptor:
            os.fsync(descriptor)
    if plan.metadata:
        # A change of its own makes sure that the transaction waited for is the one now open.
        with bystander.open("ab") as file:
            file.write(b".")
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_range(descriptor: int, start: int, length: int) -> None:
    """`sync_file_range(2)`: write these pages and wait, without the metadata that finds them."""
    library = ctypes.CDLL(None, use_errno=True)
    function = library.sync_file_range
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    if function(descriptor, start, length, WRITE_AND_WAIT) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"sync_file_range: {os.strerror(error)}")
