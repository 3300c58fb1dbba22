"""What every run of the tests needs: failures named at once, and code that is not measured where a test says so."""

from collections.abc import Generator
from typing import Any

import coverage
import pytest


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


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Have a test marked `no_cover` measured by nobody: in a worker of xdist two measure, and pytest-cov pauses one."""
    paused = []
    while item.get_closest_marker("no_cover") and (measuring := coverage.Coverage.current()):
        measuring.stop()
        paused.append(measuring)
    try:
        return (yield)
    finally:
        for measuring in reversed(paused):
            measuring.start()
