"""The skip where a machine cannot lose its power."""

import pytest

from ackcheck.rig import available


@pytest.fixture
def machine_grade() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
