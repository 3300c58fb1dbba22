"""The suite as a pytest plugin: one test a clause and one a level, whose ids never change.

    pytest --ackcheck-target=my_store.py:factory
    pytest --ackcheck-target='./my-store --data {dir}' --ackcheck-faults=process,power --ackcheck-ledger=known.toml

A broken clause fails with its finding, one that was not judged is skipped with the reason, and one that the ledger
expects to break is an xfail with the ledger's reason. All tests have the marker `ackcheck`; the suite runs once, when
the first of them does. In tests of your own the fixture `ackcheck_judge` is `ackcheck.suite.judge`.

It is loaded by every pytest where ackcheck is installed, so it imports nothing of the suite before that is asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ackcheck.outcomes import Outcome
    from ackcheck.verdict import Verdict

OUTCOMES: pytest.StashKey[dict[str, Outcome]] = pytest.StashKey()
SEED: pytest.StashKey[int] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("ackcheck", "conformance of an acknowledgement store")
    group.addoption(
        "--ackcheck-target", metavar="TARGET", help="module:factory, file.py:factory, or a command in quotes."
    )
    group.addoption(
        "--ackcheck-faults", metavar="GRADES", default="sim,process,power", help="Grades of faults, by commas."
    )
    group.addoption("--ackcheck-level", metavar="LEVEL", help="memory, page-cache or disk; by default all.")
    group.addoption("--ackcheck-profile", metavar="PROFILE", default="quick", help="quick, standard or deep.")
    group.addoption("--ackcheck-seed", metavar="N", type=int, help="Seed of every random choice; printed.")
    group.addoption("--ackcheck-ledger", metavar="FILE", help="A ledger (TOML) of findings that are expected.")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, and refuse early what cannot be run."""
    config.addinivalue_line("markers", "ackcheck: a clause or a level of the conformance suite (--ackcheck-target)")
    if config.getoption("--ackcheck-target"):
        import random

        from ackcheck.suite import SEEDS

        given = config.getoption("--ackcheck-seed")
        config.stash[SEED] = random.SystemRandom().randrange(SEEDS) if given is None else given


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is judged, and the seed that repeats it."""
    target = config.getoption("--ackcheck-target")
    return f"ackcheck: {target}, seed {config.stash[SEED]}" if target else None


class Suite(pytest.Collector):
    """All that is judged of the target."""

    def collect(self) -> Iterator[Judged]:
        """Yield a test for each clause and level."""
        from ackcheck.outcomes import names

        for name in names():
            yield Judged.from_parent(self, name=name)


class Judged(pytest.Item):
    """One clause, or one level."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.add_marker("ackcheck")

    def runtest(self) -> None:
        """Fail, skip or xfail as the verdict says."""
        from ackcheck.outcomes import Refuted

        outcome = _outcomes(self.config)[self.name]
        if outcome.status == "not-judged":
            pytest.skip(outcome.why)
        elif outcome.status == "expected":
            pytest.xfail(outcome.why)
        elif outcome.status != "kept":
            raise Refuted(outcome.why)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the finding itself; where something else failed, how."""
        from ackcheck.outcomes import Refuted

        return str(excinfo.value) if isinstance(excinfo.value, Refuted) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return what it is called in a report."""
        return self.path, None, f"ackcheck::{self.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the suite to those that were collected from files."""
    if config.getoption("--ackcheck-target"):
        suite = Suite.from_parent(session, name="ackcheck", nodeid="ackcheck")
        items.extend(suite.collect())


def _outcomes(config: pytest.Config) -> dict[str, Outcome]:
    """Run the suite, once a session; end the session where the target or the machine does not work."""
    if OUTCOMES not in config.stash:
        config.stash[OUTCOMES] = _judged(config)
    return config.stash[OUTCOMES]


def _judged(config: pytest.Config) -> dict[str, Outcome]:
    from ackcheck.ledger import BadLedger, read_ledger
    from ackcheck.outcomes import outcomes
    from ackcheck.rig.errors import RigError
    from ackcheck.subject import NoSuchTarget
    from ackcheck.suite import BadRequest, judge

    target, ledger = config.getoption("--ackcheck-target"), config.getoption("--ackcheck-ledger")
    try:
        entries = read_ledger(Path(ledger)) if ledger else ()
        verdict = judge(
            target if ":" in target and " " not in target else shlex.split(target),
            faults=[name.strip() for name in config.getoption("--ackcheck-faults").split(",")],
            level=config.getoption("--ackcheck-level"),
            profile=config.getoption("--ackcheck-profile"),
            seed=config.stash[SEED],
        )
    except (BadRequest, BadLedger, NoSuchTarget) as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    except RigError as error:
        notes = getattr(error, "__notes__", ())
        pytest.exit("\n".join([f"no verdict: {type(error).__name__}: {error}", *notes]), returncode=3)
    return dict(outcomes(verdict, entries))


@pytest.fixture(scope="session")
def ackcheck_judge() -> Callable[..., Verdict]:
    """Return `ackcheck.suite.judge`: run the suite against a target, and return the verdict."""
    from ackcheck.suite import judge

    return judge
