"""The steps of action.yml, with a stand-in for ackcheck; `make action` runs them with the real one, in a minute."""

import os
from pathlib import Path

import pytest
from tests.installing.action import Runner, inputs, steps

STAND_IN = """#!/bin/sh
for word; do echo "$word"; done > told
while [ "$1" != --markdown ]; do shift; done
echo "the verdict" > "$2"
exit $CODE
"""


@pytest.mark.parametrize("code", [0, 1])
def test_the_verdict_is_shown_and_its_exit_code_is_that_of_the_step(code: int, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("ackcheck", STAND_IN), ("sudo", '#!/bin/sh\nexec "$@"\n')):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    runner = Runner(tmp_path, {"PATH": f"{programs}:{os.environ['PATH']}", "CODE": str(code)})
    [judge] = [step for step in steps() if step.name == "Judge"]
    assert runner.run(judge, inputs(target="-- ./adapter {dir}", options="--level disk")) == code
    assert runner.summary == "the verdict\n"
    assert runner.output == f"verdict={tmp_path}/ackcheck/verdict.json\n"
    told = (runner.workspace / "told").read_text(encoding="utf-8").split()
    assert told[:5] == ["run", "--faults", "process,power", "--profile", "quick"]
    assert told[-5:] == ["--level", "disk", "--", "./adapter", "{dir}"]
