"""Textbook stores that say what they notice of damage, named `tests/textbook/sealed.py:Name`.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as directory:
...     for flipped in (0, 1):
...         store = SealedLog()
...         store.open(Path(directory))
...         store.publish("q", 1)
...         given = store.pop("q", 1, invisible=30.0)
...         _ = store.close()
...         log = Path(directory, "log")
...         _ = log.write_bytes(log.read_bytes().replace(b"pop", b"p0p", flipped))
...     SealedLog().open(Path(directory))
Traceback (most recent call last):
...
ValueError: log: the seal says otherwise, it is damaged
"""

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ackcheck.rig.serve import load_factory

if TYPE_CHECKING:
    from tests.textbook.files import AppendLog, sync_directory
else:
    AppendLog, sync_directory = (
        load_factory(f"{Path(__file__).with_name('files.py')}:{name}") for name in ("AppendLog", "sync_directory")
    )


class SealedLog(AppendLog):
    """Right, at level disk: a close leaves the length and the checksum of the log, by which an open sees damage."""

    def open(self, directory: Path) -> None:
        seal, log = directory / "seal", directory / "log"
        if seal.exists():
            found = log.read_bytes() if log.exists() else b""
            if seal.read_bytes() != self.seal_of(found):
                raise ValueError("log: the seal says otherwise, it is damaged")
            seal.unlink()
            sync_directory(directory)
        super().open(directory)

    def close(self) -> str:
        with self.lock:
            reply = super().close()
            if reply == "OK":
                new = self.directory / "seal.new"
                with new.open("wb") as file:
                    file.write(self.seal_of((self.directory / "log").read_bytes()))
                    file.flush()
                    os.fsync(file.fileno())
                new.rename(self.directory / "seal")
                sync_directory(self.directory)
            return reply

    def seal_of(self, data: bytes) -> bytes:
        return f"{len(data)} {zlib.crc32(data)}\n".encode()


class HalfSealed(SealedLog):
    """Wrong at every level: it looks at how long the log is, and passes over a line that it cannot read.

    Refused by survives-power-loss, where the disk is damaged.
    """

    def seal_of(self, data: bytes) -> bytes:
        return f"{len(data)}\n".encode()

    def open(self, directory: Path) -> None:
        log = directory / "log"
        if log.exists():  # a line that is no JSON is dropped, and the rest is taken for all there was
            lines = log.read_bytes().splitlines(keepends=True)
            kept = b"".join(line for line in lines if line.startswith(b'{"kind"') and line.endswith(b"}\n"))
            if len(kept) != len(b"".join(lines)):
                log.write_bytes(kept)
                (directory / "seal").unlink(missing_ok=True)
        super().open(directory)


class Malformed(SealedLog):
    """Wrong at every level: it refuses what is damaged, and says no more than that something is.

    Refused by survives-power-loss, where the disk is damaged.
    """

    def open(self, directory: Path) -> None:
        try:
            super().open(directory)
        except ValueError:
            raise ValueError("malformed") from None
