"""What every run of the tests needs: failures named at once, and code that is not measured where a test says so."""

import os
from collections.abc import Generator
from typing import Any

import coverage
import pytest

MEASURED_TOO = "COVERAGE_PROCESS_CONFIG"
"""What coverage's `patch = subprocess` sets, and what a process finds that is to measure itself."""


class NamesAtOnce:
    """Writes the name of each test that fails as soon as it is known: a run that is ended from outside has said it."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when})")


def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if isinstance(terminal, pytest.TerminalReporter) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(NamesAtOnce(terminal))


@pytest.fixture
def children_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a test starts measured by nobody, where others measure the same: it takes half of the time."""
    monkeypatch.delenv(MEASURED_TOO, raising=False)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Have a test marked `no_cover` measured by nobody, nor what it starts; in a worker of xdist two measure."""
    if not item.get_closest_marker("no_cover"):
        return (yield)
    paused = []
    told_to_children = os.environ.pop(MEASURED_TOO, None)
    while measuring := coverage.Coverage.current():
        measuring.stop()
        paused.append(measuring)
    try:
        return (yield)
    finally:
        if told_to_children is not None:
            os.environ[MEASURED_TOO] = told_to_children
        for measuring in reversed(paused):
            measuring.start()
