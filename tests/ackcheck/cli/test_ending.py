"""Whatever happens to a command, its exit code says what it means: what nobody has foreseen is never 1, broken."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.cli._ending import TRACEBACK

HERE = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
BROKEN = ["explore", "--sync-failures", "1", "--without", "rewrite-after-failure"]


def ackcheck(*words: str, **how: Any) -> "subprocess.CompletedProcess[str]":
    environment = HERE | how.pop("environment", {})
    command = [sys.executable, "-m", "ackcheck", *words]
    return subprocess.run(command, env=environment, text=True, stderr=subprocess.PIPE, check=False, **how)


@pytest.mark.parametrize(
    "error",
    [LookupError("no page"), RecursionError("too deep"), EOFError("no data left"), AssertionError("a bug of ours")],
)
def test_what_nobody_has_foreseen_is_no_verdict(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def unforeseen(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("ackcheck.cli._exploring.explore_model", unforeseen)
    ran = CliRunner().invoke(main, ["explore"])
    assert ran.exit_code == 3
    assert f"Error: no verdict: {type(error).__name__}: {error}; at " in ran.stderr
    assert "Traceback" not in ran.stderr
    monkeypatch.setenv(TRACEBACK, "1")
    assert "Traceback" in CliRunner().invoke(main, ["explore"]).stderr


@pytest.mark.parametrize("words", [BROKEN, ["--help"], ["spec"]])
def test_a_reader_that_has_seen_enough_is_no_broken_clause(words: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    ran = ackcheck(*words, stdout=writes)
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (3, "")


@pytest.mark.parametrize("words", [["explore"], ["--help"], ["explore", "--dot", "/dev/full"]])
def test_a_full_disk_is_no_broken_clause(words: list[str]) -> None:
    out = subprocess.DEVNULL if "/dev/full" in words else os.open("/dev/full", os.O_WRONLY)
    ran = ackcheck(*words, stdout=out)
    if out >= 0:
        os.close(out)
    assert ran.returncode == 3
    assert "no verdict: No space left on device" in ran.stderr
    assert "Exception ignored" not in ran.stderr


def test_a_terminal_that_knows_only_ascii_is_shown_something_plainer() -> None:
    ran = ackcheck(*BROKEN, stdout=subprocess.PIPE, environment={"PYTHONIOENCODING": "ascii"})
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.isascii()
    assert "->" in ran.stdout


ASKED = """
import os, signal, sys, tempfile, time
from ackcheck.cli._ending import status_of

def run():
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        worker = os.fork()
        if worker:
            print(os.waitpid(worker, 0)[1])
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
        time.sleep(60)

signal.signal(getattr(signal, sys.argv[2]), signal.SIG_DFL)  # `nohup` has SIGHUP ignored
sys.exit(status_of(run))
"""
"""Has a worker, which ends as ever when it is asked to, and a folder to be given back."""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_whoever_is_asked_to_end_tidies_up_as_after_an_interrupt(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASKED, str(tmp_path), name]
    ran = subprocess.run(command, env=HERE, text=True, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr.strip()) == (130, "interrupted: no verdict")
    assert int(ran.stdout) == signal.Signals[name]
    assert not list(tmp_path.iterdir())


def test_it_is_a_module_too() -> None:
    assert ackcheck("--version", stdout=subprocess.PIPE).stdout.startswith("ackcheck, version")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rules", "--html", "f"], "--html says nothing beside --rules"),
        (["--rules", "--liveness"], "--liveness says nothing beside --rules"),
        (["--rules", "--clause", "any"], "--clause says nothing beside --rules"),
        (["--uncommitted", "--symmetric", "--liveness"], "--symmetric merges states"),
        (["--uncommitted", "--symmetric", "--dot", "f"], "--symmetric merges states"),
        (["--dot", "-"], "name a file"),
        (["--engine", "table", "--checkpoint", "/proc/x"], "nothing can be written to /proc/x"),
        (["--memory", "12"], "is 12 bytes, too little"),
        (["--clause", "nope"], "no clause 'nope'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, ["explore", *words])
    assert ran.exit_code == 2
    assert message in " ".join(ran.stderr.split())
    assert not list(tmp_path.iterdir())


def test_too_large_a_model_for_the_rules_is_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.graph.engine.DEFAULT_MAX_STATES", 10)
    ran = CliRunner().invoke(main, ["explore", "--rules"])
    assert ran.exit_code == 2
    assert "needs a smaller model" in " ".join(ran.stderr.split())
