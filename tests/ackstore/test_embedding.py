"""The page for those who embed the store is true: everything on it runs."""

from __future__ import annotations

import doctest
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from prometheus_client.parser import text_string_to_metric_families

from ackstore import Store

PAGE = Path(__file__).parents[2] / "specs" / "embedding.md"
PROGRAM = Path(__file__).parent / "consumer.py"

COMMAND = """
cd "$0"; read -r line
case $line in
    slow*) [ -e gate ] || exec sleep 1000;;
    flaky*) [ "$ATTEMPT" != 1 ] || exit 1;;
    bad*) echo "$line $ATTEMPT" >> tried; exit 1;;
esac
echo "$line $ATTEMPT" >> handled
"""


def test_all_of_the_page_runs() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 10
    assert found.failed == 0


def test_the_page_shows_the_program_that_the_tests_run() -> None:
    assert f"```python\n{PROGRAM.read_text('utf-8')}```\n" in PAGE.read_text("utf-8")


@define
class Running:
    """The program at work."""

    folder: Path
    process: subprocess.Popen[str]
    logged: list[dict[str, Any]]
    port: int

    def metrics(self) -> dict[tuple[str, str], float]:
        """What Prometheus is told, by name and the label that tells several of a name apart."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            text = answer.read().decode()
        return {
            (sample.name.removeprefix("ackstore_"), (sample.labels.get("where") or sample.labels.get("state") or "")): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def lines(self, name: str) -> list[str]:
        """What the command has written."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for it, as long as the program runs; the test has a limit of its own."""
        while not holds():
            assert self.process.poll() is None, self.end()
            time.sleep(0.02)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; its exit code."""
        assert self.process.stderr is not None
        self.process.send_signal(how)
        self.logged += [json.loads(line) for line in self.process.stderr]
        return self.process.wait()


@contextmanager
def program(folder: Path, *options: str) -> Iterator[Running]:
    """Start it, until it serves metrics."""
    command = [sys.executable, str(PROGRAM), *options, "--port", "0", str(folder), "sh", "-c", COMMAND, str(folder)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            logged: list[dict[str, Any]] = []
            while not logged or logged[-1]["event"] != "metrics":
                logged.append(json.loads(process.stderr.readline()))
            yield Running(folder, process, logged, logged[-1]["port"])
        finally:
            if process.poll() is None:
                process.terminate()


def names(lines: list[str]) -> list[str]:
    return sorted((line.rpartition(" ")[0] for line in lines), key=lambda name: int(name.split()[1]))


@pytest.mark.parametrize("disk", ["ssd", "protected", "slow", "small"])
def test_stopped_in_the_middle_it_loses_nothing_and_what_was_not_acked_comes_back(tmp_path: Path, disk: str) -> None:
    kinds = {7: "slow", 12: "slow", 14: "flaky", 20: "bad"}
    orders = [f"{kinds.get(number, 'order')} {number}" for number in range(30)]
    before = [order for order in orders[:12] if order != "slow 7"]
    messages = tmp_path / "messages"
    messages.write_text("\n".join(orders[:10]) + "\n" + orders[10])  # a line that is not whole yet

    with program(tmp_path, "--workers", "2", "--grace", "0.2", "--disk", disk) as first:
        first.until(lambda: len(first.lines("handled")) >= 9)
        with messages.open("a") as file:
            file.write("\n" + "\n".join(orders[11:]) + "\n")
        # Both workers are in a command that does not end.
        first.until(lambda: names(first.lines("handled")) == before)
        first.until(lambda: first.metrics()["queue_offset", "disk"] == 7)
        first.until(lambda: first.metrics()["queue_offset", "next_new"] == 13)
        first.until(lambda: first.metrics()["queue_offset", "end"] == 30)
        found = first.metrics()
        assert found["queue_depth", ""] == 30 - 7
        assert found["healthy", ""] == 1
        assert first.end() == 0
    assert names(first.lines("handled")) == before
    (tmp_path / "gate").touch()

    with program(tmp_path, "--workers", "2", "--disk", disk) as second:
        second.until(lambda: second.metrics()["queue_offset", "disk"] == 30)
        found = second.metrics()
        assert found["queue_depth", ""] == 0
        assert found["queue_messages", "dead"] == 1
        assert second.end(signal.SIGINT) == 0
    handled = second.lines("handled")
    assert names(handled) == [order for order in orders if order != "bad 20"]  # each once
    assert {line for line in handled if not line.endswith(" 1")} == {"slow 7 2", "slow 12 2", "flaky 14 2"}
    assert second.lines("tried") == ["bad 20 1", "bad 20 2", "bad 20 3"]
    (dead,) = (each for each in second.logged if each["event"] == "dead")
    assert (dead["offset"], dead["attempts"], dead["line"]) == (20, 3, "bad 20\n")
    with Store(tmp_path / "progress") as store:
        store.publish("lines/commands/0", 30)
        assert store.pop("lines/commands/0", 30) == []


def test_what_ends_a_worker_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("one\n")
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--port", "0", tmp_path, tmp_path / "no such command"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == 1
    assert "No such file" in ended.stderr
