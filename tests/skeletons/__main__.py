"""`make skeletons`: what `ackcheck new` writes is built and judged, by kills and power loss.

The exit code is 1 where one is not kept. Without root the power cannot be cut, and only MEMORY can be shown.

    make skeletons ARGS="go rust"
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ackcheck.rig import available
from ackcheck.skeletons import LANGUAGES, write_skeleton

BUILDS: dict[str, tuple[list[str], list[str]]] = {
    "python": ([], ["target.py:Store"]),
    "stepped": ([], ["target.py:Store"]),
    "node": (["node", "--check", "adapter.mjs"], ["--", "node", "adapter.mjs", "{dir}"]),
    "go": (["go", "build"], ["--", "./adapter", "{dir}"]),
    "java": (
        ["javac", "-d", "classes", "Adapter.java", "Json.java"],
        ["--", "java", "-cp", "classes", "Adapter", "{dir}"],
    ),
    "rust": (["cargo", "build", "--release", "--offline"], ["--", "target/release/adapter", "{dir}"]),
}


def judged(language: str, folder: Path) -> bool:
    """Build and judge one skeleton; say how it ended."""
    build, target = BUILDS[language]
    if build and shutil.which(build[0]) is None:
        print(f"{language}: skipped, {build[0]} is not installed")
        return True
    write_skeleton(language, folder)
    if build:
        subprocess.run(build, cwd=folder, check=True)
    faults = "sim" if language == "stepped" else "process" if available() else "process,power"
    words = [sys.executable, "-m", "ackcheck", "run", "--faults", faults, *target]
    ended = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True, env=dict(os.environ))
    print(f"{language}: exit code {ended.returncode}")
    kept = ended.returncode == 0 or (faults == "process" and ended.returncode == 4)
    if not kept:
        print(ended.stdout, ended.stderr)
    return kept


def main() -> int:
    """Judge those that are named, or all."""
    chosen = sys.argv[1:] or list(LANGUAGES)
    with tempfile.TemporaryDirectory() as place:
        kept = [judged(language, Path(place, language)) for language in chosen]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
