"""`make action`: the steps of action.yml, in order, in a clean folder, as GitHub would run them.

What a step `uses` of others is stood in for: a new environment is the Python, and nothing is uploaded. The target is
what `ackcheck new python` writes.

    make action ARGS="process"        # the faults; as root also process,power
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import venv
from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, frozen

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(r"^    - name: (?P<name>.+)\n(?P<rest>(?:      .*\n)+)", re.MULTILINE)
RUN = re.compile(r"^      run: (?:\|\n(?P<block>(?:        .*\n)+)|(?P<line>.+)\n)", re.MULTILINE)
SETTING = re.compile(r"^        ([A-Z_]+): \"?([^\"#\n]*?)\"?(?: +#.*)?$", re.MULTILINE)
INPUT = re.compile(
    r"^  (\w+):\n    description: .*\n(?:    required: .*\n)?(?:    default: \"?([^\"\n]*)\"?\n)?", re.MULTILINE
)


@frozen
class Step:
    """A step that is a command."""

    name: str
    script: str
    settings: Mapping[str, str]


@frozen
class Runner:
    """What a job has: a folder with the workspace, and what GitHub tells a step in the environment."""

    place: Path
    environment: Mapping[str, str] = Factory(lambda: dict(os.environ))

    @property
    def workspace(self) -> Path:
        """Where the steps run."""
        return self.place / "workspace"

    @property
    def summary(self) -> str:
        """What the job shows at its end."""
        return _read(self.place / "summary.md")

    @property
    def output(self) -> str:
        """What the steps hand on."""
        return _read(self.place / "output")

    def run(self, step: Step, inputs: Mapping[str, str]) -> int:
        """Run one step; return its exit code."""
        told = {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.place / "output"),
            "GITHUB_STEP_SUMMARY": str(self.place / "summary.md"),
            "RUNNER_TEMP": str(self.place),
        }
        own = {name: filled_in(value, inputs) for name, value in step.settings.items()}
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script]
        environment = {**self.environment, **told, **own}
        self.workspace.mkdir(exist_ok=True)
        return subprocess.run(words, cwd=self.workspace, env=environment, check=False).returncode


def filled_in(value: str, inputs: Mapping[str, str]) -> str:
    """Return a value of an environment with the inputs in their places.

    >>> filled_in("${{ inputs.seed }}", {"seed": "7"})
    '7'
    """
    return re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)


def steps() -> list[Step]:
    """Return the steps that are commands.

    >>> [(step.name, sorted(step.settings)) for step in steps()]
    [('Install', ['ACKSTORE_PURE']), ('Judge', ['FAULTS', 'OPTIONS', 'PROFILE', 'SEED', 'TARGET'])]
    """
    found = []
    for step in STEP.finditer(_action()):
        if run := RUN.search(step["rest"]):
            settings = dict(SETTING.findall(step["rest"].replace(run[0], "")))
            found.append(Step(step["name"], textwrap.dedent(run["block"] or run["line"]), settings))
    return found


def inputs(**given: str) -> dict[str, str]:
    """Return the inputs, with their defaults.

    >>> inputs(target="store.py:factory")
    {'target': 'store.py:factory', 'faults': 'process,power', 'profile': 'quick', 'seed': '1', 'options': ''}
    """
    return dict(INPUT.findall(_action().partition("\noutputs:")[0])) | given


def _action() -> str:
    return (ROOT / "action.yml").read_text(encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Run them; return the exit code of the last."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        venv.create(place / "python", with_pip=True)
        path = f"{place / 'python' / 'bin'}:{os.environ['PATH']}"
        runner = Runner(place, {**os.environ, "PATH": path})
        install, judge = steps()
        if runner.run(install, {}) != 0:
            return 1
        new = ["ackcheck", "new", "python", str(runner.workspace / "store")]
        subprocess.run(new, check=True, env={"PATH": path}, capture_output=True)
        given = {"faults": sys.argv[1]} if len(sys.argv) > 1 else {}
        code = runner.run(judge, inputs(target="store/target.py:Store", **given))
        print(runner.summary, runner.output, f"exit code {code}", sep="\n")
        return code


if __name__ == "__main__":
    sys.exit(main())
