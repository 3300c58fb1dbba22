"""The skeletons: each builds, speaks the protocol, and keeps what it has answered over a SIGKILL.

Where a language's tool is missing, it is skipped by name; `make skeletons` has the whole suite judge them.
"""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.cli.new import new
from ackcheck.rig.serve import load_factory
from ackcheck.sim.campaign import run_sim_grade
from ackcheck.sim.setup import FactorySetup
from ackcheck.skeletons import LANGUAGES
from ackmodel import CommitPolicy, Level

BUILDS: dict[str, tuple[list[str], list[str]]] = {
    "python": ([], [sys.executable, "-m", "ackcheck.rig.serve", "--target", "target.py:Store", "--dir", "{data}"]),
    "node": ([], ["node", "adapter.mjs"]),
    "go": (["go", "build", "-o", "adapter"], ["./adapter"]),
    "java": (
        ["javac", "-Xlint:all", "-Werror", "-d", "classes", "Adapter.java", "Json.java"],
        ["java", "-cp", "classes", "Adapter"],
    ),
    "rust": (["rustc", "--edition", "2021", "-D", "warnings", "-o", "adapter", "src/main.rs"], ["./adapter"]),
}
"""How each is built, and run; Rust without cargo, which would want to look for an index."""


class Running:
    """A program under way, asked one request after another."""

    def __init__(self, command: list[str], folder: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
        self.number = 0

    def ask(self, op: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.number += 1
        self.process.stdin.write(json.dumps({"id": self.number, "op": op, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == self.number
        return answer.get("result", answer.get("error"))

    def end(self, sign: int) -> None:
        self.process.send_signal(sign)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(params=list(BUILDS))
def built(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path]:
    """A skeleton, built: how it is started, and where."""
    build, start = BUILDS[request.param]
    for tool in (*build[:1], *start[:1]):
        if not tool.startswith("./") and shutil.which(tool) is None:
            pytest.skip(f"{request.param}: {tool} is not installed")
    folder = tmp_path / "adapter"
    assert CliRunner().invoke(new, [request.param, str(folder)]).exit_code == 0
    if build:
        subprocess.run(build, cwd=folder, check=True)
    return start, folder


def test_a_skeleton_works_as_it_stands_and_keeps_its_answers_over_a_kill(
    built: tuple[list[str], Path], tmp_path: Path
) -> None:
    start, folder = built
    data = tmp_path / "data of é"
    command = [word.replace("{data}", str(data)) for word in start]
    data.mkdir()
    queue = 'orders/"billing"/消息'
    first = Running(command, folder)
    first.ask("open", directory=str(data), protocol=1)
    first.ask("publish", queue=queue, end=3)
    given = first.ask("pop", queue=queue, count=2, invisible=60)
    assert [(each["offset"], each["attempt"]) for each in given] == [(0, 1), (1, 1)]
    assert first.ask("ack", receipt=given[0]["receipt"]) == "OK"
    assert first.ask("ack", receipt="nonsense") == "INVALID"
    first.end(signal.SIGKILL)
    written = (data / "log").read_bytes()
    for torn in (bytes(4096) + b"e\n" + written, written[:20]):  # a page that the disk has not, and half a line
        (data / "log").write_bytes(written + torn)
        second = Running(command, folder)
        second.ask("open", directory=str(data), protocol=1)
        assert (data / "log").read_bytes() == written
        second.end(signal.SIGKILL)

    second = Running(command, folder)
    second.ask("open", directory=str(data), protocol=1)
    second.ask("publish", queue=queue, end=3)
    assert second.ask("ack_many", receipts=[given[0]["receipt"], given[1]["receipt"]]) == ["SETTLED", "OK"]
    assert [each["offset"] for each in second.ask("pop", queue=queue, count=9, invisible=0)] == [2]
    again = second.ask("pop", queue=queue, count=9, invisible=60)
    assert [(each["offset"], each["attempt"]) for each in again] == [(2, 2)]
    assert second.ask("flush") == "OK"
    assert second.ask("stats") == {}
    assert second.ask("close") == "OK"
    second.end(signal.SIGTERM)


def test_the_python_skeleton_refuses_what_comes_after_its_close_and_lives(tmp_path: Path) -> None:
    assert CliRunner().invoke(new, ["python", str(tmp_path / "a")]).exit_code == 0
    store = load_factory(f"{tmp_path / 'a' / 'target.py'}:Store")()
    store.open(tmp_path)
    store.publish("q", 2)
    [given] = store.pop("q", 1, 60.0)
    assert store.close() == "OK"
    with pytest.raises(RuntimeError, match="the store is closed"):
        store.ack(given["receipt"])
    with pytest.raises(RuntimeError, match="the store is closed"):
        store.pop("q", 1, 60.0)


@pytest.mark.no_cover
def test_the_stepped_skeleton_breaks_nothing_in_the_simulated_grade(tmp_path: Path) -> None:
    assert CliRunner().invoke(new, ["stepped", str(tmp_path / "a")]).exit_code == 0
    target = f"{tmp_path / 'a' / 'target.py'}:Store"
    setup = FactorySetup(levels=tuple(Level), commit=CommitPolicy.ACK, make=load_factory(target), name=target)
    report = run_sim_grade(setup, seed=1, cases=12)
    assert report.findings == []
    assert report.cases >= 12


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("1", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "precious"):
        refused = CliRunner().invoke(new, ["go", str(folder)])
        assert refused.exit_code == 2
        assert "name a new folder" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_every_language_says_what_to_do_next(tmp_path: Path) -> None:
    for language in LANGUAGES:
        told = CliRunner().invoke(new, [language, str(tmp_path / language)]).stdout
        assert "ackcheck run --faults" in told
