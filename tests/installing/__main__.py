"""`make wheels`: the wheels are built, and each Python that is here runs one in a clean environment.

A compiled wheel is built where there is a C compiler, and the universal one beside it. With each Python from 3.11 to
3.14 the universal one is then run three times: by `uvx`, by `pipx run`, and by a bare `pip install`, with which the
store of `ackcheck new python` is judged under SIGKILL. The exit code is 1 where one of them fails; what is not here is
named.

    make wheels ARGS="3.12 3.13"
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def main() -> int:
    """Build and try; print a line for each."""
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        wheels = [built(Path(place), pure) for pure in (False, True)]
        print("built:", *dict.fromkeys(wheel.name for wheel in wheels))
        for version in sys.argv[1:] or VERSIONS:
            python = found(version)
            if python is None:
                print(f"Python {version}: not tried, it is not here (nor does `uv python find {version}` know it)")
                continue
            for way, words in ways(python, wheels[1]).items():
                failed += not tried(f"Python {version}, {way}", words, Path(place))
            failed += not judged(version, python, wheels[1], Path(place))
    return 1 if failed else 0


def built(place: Path, pure: bool) -> Path:
    """Build one wheel from the sources."""
    out = place / ("pure" if pure else "compiled")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out), "."]
    more = {"ACKSTORE_PURE": "1"} if pure else {}
    subprocess.run(words, cwd=ROOT, check=True, env={**os.environ, **more})
    [wheel] = out.glob("ackcheck-*.whl")
    return wheel


def found(version: str) -> str | None:
    """Return the Python of this version that `uv` knows or the path has, if it runs."""
    for words in (["uv", "python", "find", "--no-python-downloads", version], ["which", f"python{version}"]):
        if shutil.which(words[0]):
            told = subprocess.run(words, capture_output=True, text=True, check=False)
            if told.returncode == 0 and runs(told.stdout.strip()):
                return told.stdout.strip()
    return None


def runs(python: str) -> bool:
    """Tell whether an interpreter starts."""
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0


def ways(python: str, wheel: Path) -> dict[str, list[str]]:
    """Return the commands that run it without an installation."""
    told = {}
    if shutil.which("uvx"):
        told["uvx"] = ["uvx", "--quiet", "--python", python, "--from", str(wheel), "ackcheck", "--version"]
    if shutil.which("pipx"):
        told["pipx"] = ["pipx", "run", "--quiet", "--python", python, "--spec", str(wheel), "ackcheck", "--version"]
    return told


def tried(name: str, words: list[str], place: Path, wanted: int = 0) -> bool:
    """Run one command; say what came."""
    ran = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    good = ran.returncode == wanted
    told = ran.stdout.strip().splitlines() or ["nothing"]
    print(f"{name}: {told[-1]}" if good else f"{name}: FAILED, exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return good


def judged(version: str, python: str, wheel: Path, place: Path) -> bool:
    """Install into a bare environment, and judge what `ackcheck new` writes; only MEMORY can be shown by kills."""
    folder = place / f"bare-{version}"
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(pip, check=True)
    command = str(folder / "bin" / "ackcheck")
    if not tried(f"Python {version}, pip: ackcheck new", [command, "new", "python", str(folder / "store")], place):
        return False
    target = f"{folder / 'store' / 'target.py'}:Store"
    words = [command, "run", "--faults", "process", "--seed", "1", "--level", "memory", target]
    return tried(f"Python {version}, pip: ackcheck run", words, place)


if __name__ == "__main__":
    sys.exit(main())
