"""The skip where a machine cannot lose its power; and targets that are measured in `tests/ackcheck/rig`."""

import pytest

from ackcheck.rig import available


@pytest.fixture
def machine_grade() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(autouse=True)
def _targets_unmeasured(children_unmeasured: None) -> None:
    """What serves a target is the same in all of them."""
