"""Feeding the fuzzer: at random, or with Atheris in a process of its own.

libFuzzer, which is under Atheris, takes its process over and never returns from it: so it runs as `python -m
acklab.fuzz`, which tells on its standard output, as JSON, how often each outcome was seen, and what broke.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from acklab.fuzz.check import Misread, check
from acklab.fuzz.missing import AtherisMissing
from acklab.fuzz.mutate import Files, described, directory_from

LONGEST = 96
"""Bytes of one input, at most."""

GRACE = 60.0
"""Seconds that the process of its own may take beyond the time that it was given: to start, and for its last input."""


Check = Callable[[Files], str]


def run_random(random: Random, *, runs: int, check: Check = check) -> Counter[str]:
    """Check random inputs; return how often each outcome was seen. Raises `Misread`, with the input's bytes."""
    seen: Counter[str] = Counter()
    for _ in range(runs):
        seen[checked(random.randbytes(random.randrange(LONGEST)), check)] += 1
    return seen


def checked(data: bytes, check: Check = check) -> str:
    """Check one input."""
    files = directory_from(data)
    try:
        return check(files)
    except Misread as wrong:
        raise Misread(f"{wrong}; input {data.hex()}: {described(files)}") from wrong


def run_atheris(*, seed: int, seconds: int) -> tuple[Counter[str], str]:
    """Fuzz for that many seconds; return how often each outcome was seen, and what broke, or an empty string.

    Raises `AtherisMissing`. The seed is libFuzzer's.
    """
    if importlib.util.find_spec("atheris") is None:
        raise AtherisMissing
    with tempfile.TemporaryDirectory(prefix="ackcheck-fuzz-") as folder:
        told = Path(folder) / "told.json"
        command = [sys.executable, "-m", "acklab.fuzz", "--seed", str(seed), "--seconds", str(seconds)]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        done = subprocess.run(
            [*command, "--told", str(told)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            timeout=seconds + GRACE,
            check=False,
        )
        if not told.exists():
            raise RuntimeError(
                f"the fuzzer ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}"
            )
        report = json.loads(told.read_text(encoding="utf-8"))
    return Counter(report["seen"]), str(report["broke"])
