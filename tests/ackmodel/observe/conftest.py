"""What several tests of the oracle begin with."""

import pytest

from ackmodel.observe.oracle import Oracle
from one_popped import one_popped


@pytest.fixture
def oracle() -> Oracle:
    """An oracle that has seen one message of two popped, with receipt r1, hidden until 30."""
    return one_popped()
