"""`make tutorials`: what the page "Your first verdict" tells a newcomer to type is typed, and must bring what it says.

In Python and in Go: the skeleton is written, built, and judged by kills, and as root by power loss; then the line is
taken out that the page says to take out, and the verdict must be another one. The tutorial of the vendored oracle is
run by the suite itself (`tests/ackcheck/test_vendoring.py`).

    make tutorials ARGS="Python"
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ackcheck.rig import available

PAGE = Path(__file__).resolve().parents[2] / "specs" / "site" / "pages" / "first-verdict.md"
TOLD = {"Python": "target.py", "Go": "main.go"}
"""The chapters, and the file of each that the reader changes."""

CODES = {"process": 4, "process,power": 0}
"""The exit codes that the page promises, by grades."""


def chapter(language: str) -> str:
    """Return one chapter of the page."""
    return PAGE.read_text(encoding="utf-8").partition(f"## In {language}\n")[2].partition("\n## ")[0]


def commands(language: str) -> list[list[str]]:
    """Return the commands that a chapter shows, in order, without `sudo`.

    >>> [" ".join(words[:3]) for words in commands("Go")]
    ['ackcheck new go', 'cd my-adapter', 'go build', 'ackcheck run --faults', 'ackcheck run --faults']
    """
    shown = re.findall(r"^    (?:sudo )?((?:ackcheck|cd|go) .*)$", chapter(language), re.MULTILINE)
    return [shlex.split(line) for line in shown]


def taken_out(language: str) -> tuple[str, int]:
    """Return what the lines begin with that the reader takes out of `save`, and how many they are.

    >>> taken_out("Python"), taken_out("Go")
    (('os.fsync(self.log)', 1), ('if err := s.log.Sync()', 3))
    """
    found = re.search(r"take\s+out\s+the\s+(line|three\s+lines\s+from)\s+`([^`]+)`", chapter(language))
    assert found is not None
    return found[2], 1 if found[1] == "line" else 3


def spoiled(text: str, language: str) -> str:
    """Return the program without these lines where `save` has them, the last place.

    >>> spoiled("os.fsync(self.log)\\nwhat\\nos.fsync(self.log)\\nfor all", "Python")
    'os.fsync(self.log)\\nwhat\\nfor all'
    """
    begins, count = taken_out(language)
    lines = text.split("\n")
    last = max(number for number, line in enumerate(lines) if line.strip().startswith(begins))
    return "\n".join(lines[:last] + lines[last + count :])


def main() -> int:
    """Follow the chapters that are named, or all; return 1 where something else came."""
    wrong = 0
    for language in sys.argv[1:] or TOLD:
        if language == "Go" and shutil.which("go") is None:
            print("Go: not tried, go is not installed")
            continue
        with tempfile.TemporaryDirectory() as place:
            wrong += followed(language, Path(place))
    return 1 if wrong else 0


def followed(language: str, folder: Path) -> int:
    """Type what a chapter shows; return how often something else came than it says."""
    wrong = 0
    last: list[str] = []
    build: list[str] = []
    for words in commands(language):
        if words[0] == "cd":
            folder = folder / words[1]
        elif words[:2] == ["ackcheck", "run"]:
            faults = words[words.index("--faults") + 1]
            if faults == "process" or not available():
                wrong += not came(language, words, folder, CODES[faults])
                last = words
        else:
            build = words if words[0] == "go" else build
            wrong += not came(language, words, folder, 0)
    if "power" not in " ".join(last):
        print(f"{language}: the power was not cut: {available()}")
        return wrong
    program = folder / TOLD[language]
    program.write_text(spoiled(program.read_text(encoding="utf-8"), language), encoding="utf-8")
    if build:
        wrong += not came(language, build, folder, 0)
    return wrong + (not came(f"{language}, without {taken_out(language)[0]}", last, folder, 1, "survives-power-loss"))


def came(name: str, words: list[str], folder: Path, code: int, told: str = "") -> bool:
    """Run one command; tell whether it ended with this code, and said this."""
    command = [sys.executable, "-m", "ackcheck", *words[1:]] if words[0] == "ackcheck" else words
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    good = ran.returncode == code and told in ran.stdout
    print(f"{name}: {shlex.join(words)}: exit code {ran.returncode}{'' if good else f', and {code} was promised'}")
    if not good:
        print(ran.stdout, ran.stderr)
    return good


if __name__ == "__main__":
    sys.exit(main())
