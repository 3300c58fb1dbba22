"""A finding on real files as a folder: what a maintainer needs who was not there.

| file | what it holds |
|---|---|
| `finding.txt` | the clause, why it is broken, and the history of the message |
| `history.txt` | everything that happened in the case until then |
| `wire.jsonl` | the last lines that went to the target (`>`) and came from it (`<`), with the time in nanoseconds |
| `stderr.txt` | the end of what the target wrote to its standard error |
| `machine.json` | kernel, file system, mount options, versions, and the target's command |
| `image.gz`, `image.json` | of the disk grade: the disk on which it broke, for `ackcheck disk --mount` |
| `directory/` | the target's directory as it was when the clause was seen to break; the target may be running |

>>> sorted(machine_of(Path("/")))
['ackcheck', 'file_system', 'kernel', 'mount_options', 'python']
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import stat
from importlib import metadata
from pathlib import Path

from ackcheck.findings import Finding
from ackcheck.grades.session import Session

MOST_BYTES = 256 << 20
"""Bytes of a directory that are copied; what is beyond is named only."""


def keep(finding: Finding, session: Session, within: Path) -> Path:
    """Write the folder of a finding, in a folder of findings, and return it."""
    folder = _fresh(within, f"{finding.grade}-seed-{finding.seed}-case-{finding.case}-{finding.clause.value}")
    history = [f"{line.step:4} {line.lane:10}  {line.text}" for line in session.traffic.history.lines]
    (folder / "finding.txt").write_text(f"{finding}\n", encoding="utf-8")
    (folder / "history.txt").write_text("\n".join(history) + "\n", encoding="utf-8")
    (folder / "wire.jsonl").write_text("".join(f"{line}\n" for line in session.child.wire()), encoding="utf-8")
    (folder / "stderr.txt").write_text(session.child.last_words() + "\n", encoding="utf-8")
    told = machine_of(session.directory) | {"command": session.child.command}
    (folder / "machine.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    _copy(session.directory, folder / "directory")
    return folder


def _fresh(within: Path, name: str) -> Path:
    """Make a folder that was not there: an earlier finding is not written over."""
    for number in range(1, 1000):
        folder = within / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise FileExistsError(f"{within} holds a thousand findings of this kind: name another folder")


def machine_of(directory: Path) -> dict[str, object]:
    """Return what a finding depends on beside the target."""
    kind, options = _mount_of(directory.resolve())
    return {
        "kernel": platform.release(),
        "file_system": kind,
        "mount_options": options,
        "python": platform.python_version(),
        "ackcheck": metadata.version("ackcheck"),
    }


def _mount_of(directory: Path) -> tuple[str, str]:
    """Return the kind of the file system that a directory is on, and its options."""
    best, found = -1, ("unknown", "")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        words = line.split()
        after = words.index("-")
        place = Path(words[4].encode().decode("unicode_escape"))
        if directory.is_relative_to(place) and len(place.parts) >= best:
            best, found = len(place.parts), (words[after + 1], f"{words[5]} {words[after + 3]}")
    return found


def _copy(directory: Path, into: Path) -> None:
    """Copy the files of a directory, and follow no link; what cannot be read, or is too much, is named."""
    into.mkdir()
    left, missed = MOST_BYTES, []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        try:
            found = path.stat(follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                continue
            if found.st_size > left:
                missed.append(f"{name}: {found.st_size} bytes, beyond the limit of {MOST_BYTES} for all files")
                continue
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, into / name, follow_symlinks=False)
            left -= found.st_size
        except OSError as error:  # the target runs, and removes files; or the file system is cut off
            missed.append(f"{name}: {error.strerror}")
    if missed:
        (into.parent / "not-copied.txt").write_text("\n".join(missed) + "\n", encoding="utf-8")
