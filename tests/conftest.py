"""A test that fails is named at once: a run that is ended from outside still says what it knew."""

import pytest


class NamesAtOnce:
    """Writes the name of each test that fails, as soon as it is known."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when})")


def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if isinstance(terminal, pytest.TerminalReporter):  # a worker of xdist has none that anybody reads
        config.pluginmanager.register(NamesAtOnce(terminal))
