"""A part of the mutants, as what a crew is sent (`ackcheck.cluster.Share`).

A worker tries it in a process of its own, from the checkout that it has: so it must have the same one, which is looked
at before. What comes back are the lines of its results.

>>> Part("tests.mutants.run", number=2, parts=64, checkout=0).command(Path("out.jsonl"))[2:]
['tests.mutants.run', '--part', '2/64', '--results', 'out.jsonl']
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from zlib import crc32

from attrs import field, frozen

from ackcheck.cluster import Watch
from ackcheck.rig.errors import RigError

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LOOKS = 0.5
SEEN = ROOT / "build" / "mutants-parts.tests.jsonl"
"""What the tests were seen to call: found once on each machine, not once a part."""
SHOWN = 2_000
"""Characters of what a process said that failed."""


def checkout() -> int:
    """Return a checksum of all that says which mutants there are, and which tests are to kill them."""
    try:
        state = crc32(metadata.version("mutmut").encode())
    except metadata.PackageNotFoundError:
        state = 0
    for folder in ("impl", "model", "conformance", "tests"):
        for file in sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".pyx")):
            state = crc32(file.relative_to(ROOT).as_posix().encode() + file.read_bytes(), state)
    return state


class AnotherCheckout(RigError):
    """A worker would try other mutants, or with other tests."""


class TrialFailed(RigError):
    """The process that was to try the mutants did not."""


@frozen
class Lines:
    """What became of the mutants of a part, a line of JSON each."""

    lines: tuple[str, ...]

    @property
    def cases(self) -> int:
        """How many mutants were tried."""
        return len(self.lines)


@frozen
class Part:
    """One of `parts` of the mutants that a module with these arguments tries; `known` is the text of what is known."""

    module: str
    arguments: tuple[str, ...] = ()
    number: int = field(kw_only=True)
    parts: int = field(kw_only=True)
    known: str = field(default="", kw_only=True, repr=False)
    checkout: int = field(kw_only=True)

    def command(self, results: Path) -> list[str]:
        """Return the command that tries it."""
        part = ["--part", f"{self.number}/{self.parts}", "--results", str(results)]
        return [sys.executable, "-m", self.module, *self.arguments, *part]

    def run(self, watch: Watch) -> Lines:
        """Try it; the process ends with this one, and when `watch` raises."""
        if checkout() != self.checkout:
            raise AnotherCheckout("it has another checkout, or another mutmut: bring all workers to the same")
        ends_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with tempfile.TemporaryDirectory(prefix="mutants-part-") as folder:
            results, said = Path(folder, "results.jsonl"), Path(folder, "said")
            results.write_text(self.known, encoding="utf-8")
            if SEEN.exists():
                shutil.copy(SEEN, results.with_suffix(".tests.jsonl"))
            with said.open("wb") as out:
                trying = subprocess.Popen(
                    [*ends_with_us, *self.command(results)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
                )
            try:
                while trying.poll() is None:
                    watch(0)
                    try:
                        trying.wait(SECONDS_BETWEEN_LOOKS)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                trying.kill()
                trying.wait()
            if trying.returncode:
                raise TrialFailed(said.read_text(encoding="utf-8", errors="replace")[-SHOWN:])
            if results.with_suffix(".tests.jsonl").exists():
                SEEN.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(results.with_suffix(".tests.jsonl"), beside := SEEN.with_suffix(f".{os.getpid()}"))
                beside.replace(SEEN)
            return Lines(tuple(results.read_text(encoding="utf-8").splitlines()[len(self.known.splitlines()) :]))
