"""A store that is wrong only while a sync is under way; named `behind.py:SyncsBehind`."""

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackcheck.rig.serve import load_factory

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Secretive
else:
    Secretive = load_factory(f"{Path(__file__).with_name('toys.py')}:Secretive")


class SyncsBehind(Secretive):
    """Syncs in the background, and keeps what it answers meanwhile to itself, as Redis does with `everysec`."""

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.kept: list[bytes] = []
        self.syncing = self.closing = False
        self.behind = threading.Thread(target=self.sync_behind)
        self.behind.start()

    def write(self, *records: dict[str, Any]) -> None:
        with self.lock:
            data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
            if self.syncing:
                self.kept.append(data)
            else:
                os.write(self.file, data)

    def sync_behind(self) -> None:
        while not self.closing:
            time.sleep(0.02)
            self.syncing = True
            os.fsync(self.file)
            with self.lock:
                os.write(self.file, b"".join(self.kept))
                self.kept.clear()
                self.syncing = False

    def close(self) -> str:
        self.closing = True
        self.behind.join()
        return super().close()
